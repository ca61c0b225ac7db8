//! Weigh: counts what lies between two stored trees. Reads only the nodes that differ.

use mirrormesh_merkle::{Difference, Differences, File, Record};

use super::disk::Disk;
use super::job::{JobError, Weigh, Weighed};
use super::pending::Pending;
use super::rows;

/// Executes the job.
pub(crate) fn weigh<D: Disk>(job: &Weigh, disk: &D) -> Result<Weighed, JobError> {
    let pending = Pending::new(disk);
    let mut weighed = Weighed { removed: 0, files: 0, bytes: 0 };
    for difference in Differences::new(&pending, &job.current.root, &job.target.root, None) {
        let difference = difference?;
        weighed.removed += u64::from(takes_file_away(&difference));
        if let Some(file) = new_content(&difference)
            && !rows::holds(&pending, &file.content)?
        {
            weighed.files += 1;
            weighed.bytes = weighed.bytes.saturating_add(file.size);
        }
    }
    Ok(weighed)
}

/// Whether a file's name goes, or becomes another kind.
pub(crate) fn takes_file_away(difference: &Difference) -> bool {
    is_file(difference.old.as_ref()) && !is_file(difference.new.as_ref())
}

fn is_file(record: Option<&Record>) -> bool {
    matches!(record, Some(Record::File(_)))
}

/// The new file of a difference, if its content is not the old one's and somebody can serve it.
fn new_content(difference: &Difference) -> Option<&File> {
    let Some(Record::File(new)) = &difference.new else { return None };
    let same = matches!(&difference.old, Some(Record::File(old)) if old.content == new.content);
    (!same && !new.unserved && new.size > 0).then_some(new)
}

//! Weigh: counts what lies between two stored trees. Reads only the nodes that differ.

use std::collections::BTreeMap;

use mirrormesh_merkle::{Difference, Differences, File, Record};

use super::disk::Disk;
use super::job::{JobError, Weigh, Weighed};
use super::pending::Pending;
use super::rows;

/// Executes the job.
pub(crate) fn weigh<D: Disk>(job: &Weigh, disk: &D) -> Result<Weighed, JobError> {
    let pending = Pending::new(disk);
    let mut weighed = Weighed { removed: 0, files: 0, bytes: 0 };
    let mut removals = Removals::default();
    for difference in Differences::new(&pending, &job.current.root, &job.target.root, None) {
        let difference = difference?;
        if difference.new.is_some() || !job.excludes.covers(&difference.path, false) {
            removals.count(difference.old.as_ref(), difference.new.as_ref());
        }
        if let Some(file) = new_content(&difference)
            && !rows::holds(&pending, &file.content)?
        {
            weighed.files += 1;
            weighed.bytes = weighed.bytes.saturating_add(file.size);
        }
    }
    weighed.removed = removals.total();
    Ok(weighed)
}

/// Most contents of which it is remembered whether they come back under another name.
const MAX_CONTENTS: usize = 500_000;

/// Counts files that are taken away: their name goes (or becomes another kind), and their content
/// does not come back under a new name. A moved file is not taken away.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    /// By the first bytes of the content: names that go less names that come.
    contents: BTreeMap<u64, i64>,
    /// Names that go beyond the bound: they count as taken away.
    more: u64,
}

impl Removals {
    /// Takes one difference.
    pub(crate) fn count(&mut self, old: Option<&Record>, new: Option<&Record>) {
        match (old, new) {
            (Some(Record::File(_)), Some(Record::File(_))) => {}
            (Some(Record::File(file)), _) => self.add(file, 1),
            (_, Some(Record::File(file))) => self.add(file, -1),
            _ => {}
        }
    }

    fn add(&mut self, file: &File, count: i64) {
        let mut first = [0; 8];
        first.copy_from_slice(&file.content.as_bytes()[..8]);
        let key = u64::from_be_bytes(first);
        if self.contents.len() < MAX_CONTENTS || self.contents.contains_key(&key) {
            *self.contents.entry(key).or_default() += count;
        } else if count > 0 {
            self.more += 1;
        }
    }

    /// Files taken away.
    pub(crate) fn total(&self) -> u64 {
        let gone = self.contents.values().filter(|count| **count > 0);
        gone.map(|count| count.unsigned_abs()).sum::<u64>() + self.more
    }
}

/// The new file of a difference, if its content is not the old one's and somebody can serve it.
fn new_content(difference: &Difference) -> Option<&File> {
    let Some(Record::File(new)) = &difference.new else { return None };
    let same = matches!(&difference.old, Some(Record::File(old)) if old.content == new.content);
    (!same && !new.unserved && new.size > 0).then_some(new)
}

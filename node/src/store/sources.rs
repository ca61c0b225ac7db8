//! Where in the docroot a content lies already.

use mirrormesh_merkle::{File, Path, Record};

use super::disk::{Disk, Table};
use super::index::{IndexRow, content_path, content_range};
use super::job::JobError;
use super::pending::Pending;
use super::rows;

/// Most places that are looked at for one content.
const PLACES: usize = 4;

/// Whether a file of this mode is a source of its content: a process that obeys modes cannot read
/// what its owner may not.
pub(super) fn is_readable(mode: u16) -> bool {
    mode & 0o400 != 0
}

/// Places whose rows say that they hold the content of `file`. The disk has not been asked.
pub(super) fn of<D: Disk>(
    pending: &Pending<'_, D>,
    file: &File,
) -> Result<Vec<(Path, IndexRow)>, JobError> {
    let (start, end) = content_range(&file.content);
    let keys = pending.range(Table::Contents, &start, end.as_deref(), PLACES);
    let mut places = Vec::new();
    for (key, _) in keys? {
        let Some(path) = content_path(&key) else { continue };
        let Some(row) = rows::read(pending, &path)? else { continue };
        let has_it = matches!(&row.record, Record::File(here)
            if here.content == file.content && here.size == file.size);
        if has_it && is_readable(row.seen.mode) {
            places.push((path, row));
        }
    }
    Ok(places)
}

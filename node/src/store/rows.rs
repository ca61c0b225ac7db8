//! Reads and writes rows of the index, and keeps the table of contents in step with them.
//!
//! Invariant: a content stands under an index key in [`Table::Contents`] exactly if the row there
//! is a file with that content.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use mirrormesh_merkle::{Hash, Name, Path, Record};

use super::Table;
use super::disk::Disk;
use super::index::{IndexRow, content_key, content_range, index_directory, index_key, index_path};
use super::job::JobError;
use super::pending::Pending;

/// Rows read at a time.
const PAGE: usize = 256;

/// The row of a path.
pub(crate) fn read<D: Disk>(
    pending: &Pending<'_, D>,
    path: &Path,
) -> Result<Option<IndexRow>, JobError> {
    let key = index_key(path);
    match pending.get(Table::Index, &key)? {
        Some(bytes) => decode(path, &bytes).map(Some),
        None => Ok(None),
    }
}

/// Reads a row that stands at a path.
pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<IndexRow, JobError> {
    IndexRow::decode(bytes)
        .ok_or_else(|| JobError::Inconsistent(format!("the index row of {path} is damaged")))
}

/// Replaces the row of a path.
pub(crate) fn write<D: Disk>(
    pending: &mut Pending<'_, D>,
    path: &Path,
    old: Option<&IndexRow>,
    new: Option<&IndexRow>,
) {
    let key = index_key(path);
    match new {
        Some(row) => pending.put(Table::Index, key, row.encode()),
        None => pending.remove(Table::Index, key),
    }
    let (before, after) = (content(old), content(new));
    if before == after {
        return;
    }
    if let Some(before) = before {
        pending.remove(Table::Contents, content_key(&before, path));
    }
    if let Some(after) = after {
        pending.put(Table::Contents, content_key(&after, path), Bytes::new());
    }
}

fn content(row: Option<&IndexRow>) -> Option<Hash> {
    match &row?.record {
        Record::File(file) => Some(file.content),
        _ => None,
    }
}

/// Whether the docroot holds a content somewhere, as far as the index knows.
pub(crate) fn holds<D: Disk>(pending: &Pending<'_, D>, content: &Hash) -> Result<bool, JobError> {
    let (start, end) = content_range(content);
    let rows = pending.range(Table::Contents, &start, end.as_deref(), 1);
    Ok(!rows?.is_empty())
}

/// The rows of one directory by name, a page at a time. Rows before the one read last may change
/// meanwhile.
pub(crate) struct RowPages {
    directory: Path,
    start: Bytes,
    end: Bytes,
    page: VecDeque<(Name, IndexRow)>,
    exhausted: bool,
}

impl RowPages {
    /// The rows of `directory` whose names come after `after`.
    pub(crate) fn new(directory: &Path, after: Option<&Name>) -> RowPages {
        let (first, end) = index_directory(directory);
        let start = match after {
            Some(name) => after_key(&index_key(&directory.join(name))),
            None => first,
        };
        let page = VecDeque::new();
        RowPages { directory: directory.clone(), start, end, page, exhausted: false }
    }

    /// The next row, which stays the next.
    pub(crate) fn peek<D: Disk>(
        &mut self,
        pending: &Pending<'_, D>,
    ) -> Result<Option<&(Name, IndexRow)>, JobError> {
        self.fill(pending)?;
        Ok(self.page.front())
    }

    /// Takes the next row.
    pub(crate) fn next<D: Disk>(
        &mut self,
        pending: &Pending<'_, D>,
    ) -> Result<Option<(Name, IndexRow)>, JobError> {
        self.fill(pending)?;
        Ok(self.page.pop_front())
    }

    fn fill<D: Disk>(&mut self, pending: &Pending<'_, D>) -> Result<(), JobError> {
        if !self.page.is_empty() || self.exhausted {
            return Ok(());
        }
        let rows = pending.range(Table::Index, &self.start, Some(&self.end), PAGE);
        let rows = rows?;
        self.exhausted = rows.len() < PAGE;
        if let Some((last, _)) = rows.last() {
            self.start = after_key(last);
        }
        for (key, value) in rows {
            let path =
                index_path(&key).filter(|path| path.parent().as_ref() == Some(&self.directory));
            let name = path.as_ref().and_then(Path::name);
            let (Some(path), Some(name)) = (path, name) else {
                return Err(JobError::Inconsistent("a key of the index is damaged".into()));
            };
            self.page.push_back((name, decode(&path, &value)?));
        }
        Ok(())
    }
}

/// The smallest key after `key`.
pub(crate) fn after_key(key: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}

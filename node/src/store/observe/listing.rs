//! The names of one directory in order: those that it lists, and those that the index has.

use std::iter::Peekable;
use std::vec;

use mirrormesh_merkle::{Name, Path};

use crate::store::disk::{Disk, DiskResult, FileKind};
use crate::store::index::IndexRow;
use crate::store::job::JobError;
use crate::store::pending::Pending;
use crate::store::rows::RowPages;

/// A name to be looked at.
pub(super) struct Next {
    pub(super) name: Name,
    /// Its kind, if the directory lists it.
    pub(super) kind: Option<FileKind>,
    /// Its row, if the index has one.
    pub(super) row: Option<IndexRow>,
}

/// Names of a directory from both sources. A name that only the index has is in it too: a listing
/// may miss names while others are renamed.
pub(super) struct Listing {
    listed: Peekable<vec::IntoIter<(Name, FileKind)>>,
    rows: RowPages,
}

impl Listing {
    /// The names that come after `after`.
    pub(super) fn read<D: Disk>(
        disk: &D,
        handle: &D::Directory,
        path: &Path,
        after: Option<&Name>,
    ) -> DiskResult<Listing> {
        let mut listed = Vec::new();
        disk.list(handle, &mut |name, kind| {
            if after.is_none_or(|after| name > *after) {
                listed.push((name, kind));
            }
        })?;
        listed.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let rows = RowPages::new(path, after);
        Ok(Listing { listed: listed.into_iter().peekable(), rows })
    }

    /// The next name.
    pub(super) fn next<D: Disk>(
        &mut self,
        pending: &Pending<'_, D>,
    ) -> Result<Option<Next>, JobError> {
        let row = self.rows.peek(pending)?.map(|(name, _)| name);
        let is_listed = match (self.listed.peek(), row) {
            (None, None) => return Ok(None),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some((listed, _)), Some(row)) => listed <= row,
        };
        let is_known = match (self.listed.peek(), row) {
            (Some((listed, _)), Some(row)) => row <= listed,
            (_, row) => row.is_some(),
        };
        let listed = if is_listed { self.listed.next() } else { None };
        let row = if is_known { self.rows.next(pending)? } else { None };
        let kind = listed.as_ref().map(|(_, kind)| *kind);
        let (row_name, row) = row.unzip();
        let name = listed.map(|(name, _)| name).or(row_name);
        Ok(name.map(|name| Next { name, kind, row }))
    }
}

//! Directories that stay on a replica, outside its tree, for what they hold.
//!
//! A directory that left the tree but holds pipes, sockets, devices or excluded names cannot go,
//! and is none of the tree's. If it were taken for a local edit each time it is looked at, it would
//! be removed and found again for ever.

use mirrormesh_merkle::{Path, lookup};

use super::observation::Observation;
use crate::store::disk::{Disk, FileKind};
use crate::store::job::{JobError, Side, Unlisted};

impl<D: Disk> Observation<'_, D> {
    /// Whether a directory that the index does not know is left as it lies: the target has nothing
    /// there, and all that it holds is not mirrored. What it holds is listed, and it is watched.
    pub(super) fn is_left_alone(
        &mut self,
        path: &Path,
        directory: &D::Directory,
    ) -> Result<bool, JobError> {
        let Side::Replica { target: Some(target) } = &self.side else { return Ok(false) };
        if lookup(&self.pending, &target.root, path)?.is_some() {
            return Ok(false);
        }
        let mut skipped = Vec::new();
        let alone = self.holds_nothing_mirrored(path, directory, &mut skipped);
        if alone {
            skipped
                .into_iter()
                .for_each(|(path, kind)| self.unlist(&path, Unlisted::Skipped(kind)));
        }
        Ok(alone)
    }

    /// Whether there is something in a directory, and nothing of it is mirrored. `false` if that
    /// cannot be said.
    fn holds_nothing_mirrored(
        &mut self,
        path: &Path,
        directory: &D::Directory,
        skipped: &mut Vec<(Path, FileKind)>,
    ) -> bool {
        // The watch first, as for every directory that is listed.
        self.disk.watch(directory, path);
        let mut names = Vec::new();
        if self.disk.list(directory, &mut |name, kind| names.push((name, kind))).is_err() {
            return false;
        }
        self.names += names.len() as u64;
        let is_empty = names.is_empty();
        let nothing = names.into_iter().all(|(name, kind)| {
            let below = path.join(&name);
            if name.is_reserved() {
                // What a crash left is dealt with by a scan.
                return false;
            }
            if self.excludes.matches(&below, kind == FileKind::Directory) {
                return true;
            }
            match kind {
                FileKind::File | FileKind::Symlink => false,
                FileKind::Directory => match self.disk.open_directory(directory, &name) {
                    Ok(inner) => self.holds_nothing_mirrored(&below, &inner, skipped),
                    Err(_) => false,
                },
                kind => {
                    skipped.push((below, kind));
                    true
                }
            }
        });
        nothing && !is_empty
    }
}

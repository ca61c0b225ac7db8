//! Directories whose modes keep this process out of what it owns there.
//!
//! A tree may hold directories that their owner may not write to (0555) or look into (0000). For a
//! process that may pass by modes that means nothing; any other opens those on its way for as long
//! as the run lasts, and then gives them their modes back. A crash between leaves one open: it is
//! found as an edit of its mode, and mended. What belongs to somebody else stays as it is, and what
//! is to be done in it fails.

use std::collections::{BTreeMap, BTreeSet};

use mirrormesh_merkle::{Path, Record};

use super::super::disk::{Disk, DiskErrorKind, DiskResult, Metadata, Stat};
use super::super::job::JobError;
use super::{Run, split};

/// What the owner of a directory needs to do anything in it.
const OWNER: u16 = 0o700;

impl<D: Disk> Run<'_, D> {
    /// Opens the directories in which something is to be done.
    pub(super) fn open_closed(&mut self) -> Result<(), JobError> {
        if !self.filesystem.obeys_modes {
            return Ok(());
        }
        let job = self.job;
        let mut met = BTreeSet::new();
        for item in &job.parcel.items {
            // A directory that is moved out of the way must be writable itself.
            let gives_way = matches!(item.old, Some(Record::Directory { .. }))
                && matches!(item.new, Some(Record::File(_) | Record::Symlink(_)));
            let deepest = if gives_way { item.path.clone() } else { split(&item.path).0 };
            for depth in 1..=deepest.depth() {
                let path = deepest.ancestor(depth);
                if met.insert(path.clone()) {
                    self.open_one(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Opens the directories that lead to something that is to be read.
    pub(super) fn open_way(&mut self, directory: &Path) -> Result<(), JobError> {
        if !self.filesystem.obeys_modes {
            return Ok(());
        }
        (1..=directory.depth()).try_for_each(|depth| self.open_one(&directory.ancestor(depth)))
    }

    fn open_one(&mut self, path: &Path) -> Result<(), JobError> {
        let opened = self.docroot.directory(path).and_then(|directory| {
            if open_up(self.disk, &directory, path, &mut self.opened)? {
                // The handle may be one that cannot be listed.
                self.docroot.forget(path);
            }
            Ok(())
        });
        match opened {
            Err(error) if error.kind == DiskErrorKind::Crashed => Err(error.into()),
            // Whatever is done there will say why it cannot be done.
            _ => Ok(()),
        }
    }

    /// The mode with which a directory is made, if it is to have this one in the end.
    pub(super) fn mode_to_begin_with(&mut self, path: &Path, mode: u16) -> u16 {
        if !self.filesystem.obeys_modes || mode & OWNER == OWNER {
            return mode;
        }
        self.opened.insert(path.clone(), mode);
        mode | OWNER
    }

    /// What lay here has left the docroot: whatever gets its place has a mode of its own. What is
    /// set aside of it stays open to its owner, who alone gets into the work directory.
    pub(super) fn leave_open(&mut self, path: &Path) {
        let depth = path.depth();
        self.opened.retain(|opened, _| opened.depth() < depth || opened.ancestor(depth) != *path);
    }

    /// The stat of a directory as it is when the run is over.
    pub(super) fn as_closed(&self, path: &Path, stat: Stat) -> Stat {
        as_closed(&self.opened, path, stat)
    }

    /// Gives the directories that were opened their modes back, the deepest first.
    pub(super) fn close_again(&mut self) -> Result<(), JobError> {
        for (path, mode) in std::mem::take(&mut self.opened).into_iter().rev() {
            match self.close_one(&path, mode) {
                Ok(()) => {}
                Err(error) if error.kind == DiskErrorKind::Crashed => return Err(error.into()),
                Err(_) => self.report.look(&path),
            }
        }
        Ok(())
    }

    fn close_one(&mut self, path: &Path, mode: u16) -> DiskResult<()> {
        let directory = match self.docroot.directory(path) {
            // It went, or something else took its place.
            Err(error)
                if matches!(error.kind, DiskErrorKind::NotFound | DiskErrorKind::NotDirectory) =>
            {
                return Ok(());
            }
            directory => directory?,
        };
        // Who changed it meanwhile has the last word, and is found out.
        if self.disk.stat_directory(&directory)?.mode == mode | OWNER {
            let metadata = Metadata { mode: Some(mode), ..Metadata::default() };
            self.disk.set_directory_metadata(&directory, metadata)?;
        }
        Ok(())
    }
}

/// Opens a directory to its owner, if it is not. Returns whether it did.
pub(super) fn open_up<D: Disk>(
    disk: &D,
    directory: &D::Directory,
    path: &Path,
    opened: &mut BTreeMap<Path, u16>,
) -> DiskResult<bool> {
    let mode = disk.stat_directory(directory)?.mode;
    if mode & OWNER == OWNER {
        return Ok(false);
    }
    let metadata = Metadata { mode: Some(mode | OWNER), ..Metadata::default() };
    disk.set_directory_metadata(directory, metadata)?;
    opened.insert(path.clone(), mode);
    Ok(true)
}

/// The stat of a directory as it is when all that were opened are closed again.
pub(super) fn as_closed(opened: &BTreeMap<Path, u16>, path: &Path, mut stat: Stat) -> Stat {
    if let Some(mode) = opened.get(path).filter(|mode| stat.mode == **mode | OWNER) {
        stat.mode = *mode;
    }
    stat
}

//! The parts of the work directory.

use mirrormesh_merkle::{Hash, Name};

use super::disk::{Disk, DiskErrorKind, DiskResult, Place};
use super::temporary::work_name;

/// A directory in the work directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Large files that are being transferred, by content hash.
    Large,
    /// What was set aside; each thing has a manifest in [`super::Table::Kept`].
    Kept,
    /// What is about to be put into the docroot or was just taken out of it.
    Displaced,
}

impl Area {
    /// Every part.
    pub const ALL: [Area; 3] = [Area::Large, Area::Kept, Area::Displaced];

    /// Its name in the work directory.
    pub fn name(self) -> Name {
        work_name(match self {
            Area::Large => "large",
            Area::Kept => "kept",
            Area::Displaced => "displaced",
        })
    }

    /// Opens it, and makes it if it is not there.
    pub fn open<D: Disk>(self, disk: &D) -> DiskResult<D::Directory> {
        let work = disk.open_place(Place::Work)?;
        let name = self.name();
        match disk.open_directory(&work, &name) {
            Err(error) if error.kind == DiskErrorKind::NotFound => {
                disk.make_directory(&work, &name, 0o700)?;
                disk.sync_directory(&work)?;
                disk.open_directory(&work, &name)
            }
            opened => opened,
        }
    }
}

/// Name of a large file in [`Area::Large`].
pub fn large_name(content: &Hash) -> Name {
    work_name(&content.to_string())
}

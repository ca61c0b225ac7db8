//! Opens directories of the docroot by path, one name at a time.
//!
//! A resolver opens the docroot once, so that one job never mixes two docroots, and goes down from
//! the nearest directory that is still open. Paths of any depth and length work, since the system
//! never sees more than one name.
//!
//! State: the docroot's handle and at most [`OPEN_DIRECTORIES`] others, the least recently used
//! dropped first. Whoever moves or removes a directory calls [`Resolver::forget`]: a handle follows
//! the directory, not its name. Never follows a symlink, never enters another mount.

use std::collections::BTreeMap;

use mirrormesh_merkle::Path;

use super::disk::{Disk, DiskError, Place};

/// Most directories that a resolver keeps open beside the docroot.
pub const OPEN_DIRECTORIES: usize = 64;

/// Open directories of one docroot.
pub struct Resolver<'disk, D: Disk> {
    disk: &'disk D,
    root: D::Directory,
    /// Path bytes -> handle and when it was last used.
    open: BTreeMap<Box<[u8]>, (D::Directory, u64)>,
    uses: u64,
}

impl<'disk, D: Disk> Resolver<'disk, D> {
    /// Opens the docroot.
    pub fn new(disk: &'disk D) -> Result<Resolver<'disk, D>, DiskError> {
        Ok(Resolver::at(disk, disk.open_place(Place::Docroot)?))
    }

    /// Starts from a directory that is already open.
    pub fn at(disk: &'disk D, root: D::Directory) -> Resolver<'disk, D> {
        Resolver { disk, root, open: BTreeMap::new(), uses: 0 }
    }

    /// The docroot.
    pub fn root(&self) -> &D::Directory {
        &self.root
    }

    /// The directory at `path`. `NotFound` or `NotDirectory` may be about any name on the way.
    pub fn directory(&mut self, path: &Path) -> Result<D::Directory, DiskError> {
        self.uses += 1;
        let bytes = path.as_bytes();
        let (known, mut directory) = self.nearest(bytes);
        let depth = path.depth();
        let mut start = 0;
        for (index, name) in path.components().enumerate() {
            let end = start + name.as_bytes().len();
            if end > known {
                directory = self.disk.open_directory(&directory, &name)?;
                // Of a very deep path only the lower end is worth keeping open.
                if depth - index <= OPEN_DIRECTORIES / 2 {
                    self.keep(&bytes[..end], &directory);
                }
            }
            start = end + 1;
        }
        Ok(directory)
    }

    /// Closes the directory at `path` and all below it: their names may mean something else now.
    pub fn forget(&mut self, path: &Path) {
        if path.is_root() {
            self.open.clear();
            return;
        }
        let prefix = path.as_bytes();
        self.open.retain(|bytes, _| {
            !(bytes.starts_with(prefix) && matches!(bytes.get(prefix.len()), None | Some(b'/')))
        });
    }

    /// The deepest open directory at or above the path, and the length of its path.
    fn nearest(&mut self, path: &[u8]) -> (usize, D::Directory) {
        let mut end = path.len();
        while end > 0 {
            if let Some((directory, used)) = self.open.get_mut(&path[..end]) {
                *used = self.uses;
                return (end, directory.clone());
            }
            end = path[..end].iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        }
        (0, self.root.clone())
    }

    fn keep(&mut self, path: &[u8], directory: &D::Directory) {
        if self.open.len() >= OPEN_DIRECTORIES {
            let oldest = self.open.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(path, _)| path.clone()) {
                self.open.remove(&oldest);
            }
        }
        self.open.insert(path.into(), (directory.clone(), self.uses));
    }
}

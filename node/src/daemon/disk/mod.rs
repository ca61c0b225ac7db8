//! The real disk: the primitives of [`Disk`] on Linux, and redb as the ordered store.
//!
//! Contains no decision: each primitive is the system calls that do it, and what they said. Every
//! name is one component below a directory handle; the only paths are the three the administrator
//! gave (docroot, work directory, store) and `/proc/self/fd`.
//!
//! Invariants: no file of the docroot is ever opened for writing or through a symlink; nothing that
//! is opened blocks; a lease lives for two system calls; a handle is never used for reading names by
//! two threads at once, since each listing opens its own.
//!
//! This module, redb's file and the configuration are all of the daemon that touches files.

mod abilities;
mod content;
mod durable;
mod error;
mod lease;
mod list;
mod metadata;
mod names;
mod open;
mod ordered;
mod status;
mod system;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use mirrormesh_merkle::{Name, Path};
use rustix::fs::OFlags;

pub(in crate::daemon) use self::lease::is_remote;
pub use self::ordered::{OrderedStore, OrderedStoreError};
pub(in crate::daemon) use self::status::{identity, identity_of_path, kind_of_path};

use self::abilities::Known;
use self::error::failed;
use self::open::Opener;
use super::watch::Watch;
use crate::store::{
    Batch, Disk, DiskError, DiskErrorKind, DiskResult, FileKind, Filesystem, Metadata, Place,
    Rename, Stat, Table, Watched, Writing,
};

/// An open directory.
pub type Directory = Arc<OwnedFd>;

/// An open regular file.
pub type File = OwnedFd;

/// What a [`RealDisk`] works on.
pub struct RealDiskOptions {
    /// The document root, as the administrator wrote it; symlinks in it are followed at each
    /// [`Disk::open_place`].
    pub docroot: PathBuf,
    /// The work directory; on the docroot's mount.
    pub work: PathBuf,
    /// The file of the ordered store; made if it is not there.
    pub store: PathBuf,
    /// Gives hints; without one every directory is [`Watched::No`].
    pub watcher: Option<Arc<dyn Watch>>,
}

/// The file system below docroot and work directory, and the ordered store. Shared by a pool of
/// blocking threads; no call belongs on a thread that must not wait.
pub struct RealDisk {
    docroot: PathBuf,
    work: PathBuf,
    opener: Opener,
    known: Known,
    ordered: OrderedStore,
    watcher: Option<Arc<dyn Watch>>,
    ended: AtomicBool,
}

impl RealDisk {
    /// Opens the ordered store; its directory must exist. Docroot and work directory need not yet.
    ///
    /// From here on `SIGIO` does nothing in this process.
    pub fn open(options: RealDiskOptions) -> DiskResult<RealDisk> {
        system::discard_lease_breaks();
        Ok(RealDisk {
            docroot: options.docroot,
            work: options.work,
            opener: Opener::new(true),
            known: Known::default(),
            ordered: OrderedStore::open(&options.store)?,
            watcher: options.watcher,
            ended: AtomicBool::new(false),
        })
    }

    /// From here on no content is read: a job that reads ends as a crash would end it. Whoever stops
    /// would wait for the hash of a large file else.
    pub fn end_reading(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Disk for RealDisk {
    type Directory = Directory;
    type File = File;

    fn open_place(&self, place: Place) -> DiskResult<Directory> {
        let path = match place {
            Place::Docroot => &self.docroot,
            Place::Work => &self.work,
        };
        open::by_path(path).map(Arc::new)
    }

    fn open_directory(&self, at: &Directory, name: &Name) -> DiskResult<Directory> {
        self.opener.directory(at.as_fd(), name).map(Arc::new)
    }

    fn list(&self, at: &Directory, each: &mut dyn FnMut(Name, FileKind)) -> DiskResult<()> {
        list::list(at.as_fd(), each).map_err(failed("list"))
    }

    fn stat(&self, at: &Directory, name: &Name) -> DiskResult<Stat> {
        status::of_name(at.as_fd(), name).map_err(failed("stat"))
    }

    fn stat_directory(&self, directory: &Directory) -> DiskResult<Stat> {
        status::of_open(directory).map_err(failed("stat_directory"))
    }

    fn birth(&self, directory: &Directory) -> DiskResult<u64> {
        status::birth(directory.as_fd()).map_err(failed("birth"))
    }

    fn stat_file(&self, file: &File) -> DiskResult<Stat> {
        status::of_open(file).map_err(failed("stat_file"))
    }

    fn open_file(&self, at: &Directory, name: &Name) -> DiskResult<File> {
        self.opener.file(at.as_fd(), name, OFlags::RDONLY, "open_file")
    }

    fn read(&self, file: &File, offset: u64, buffer: &mut [u8]) -> DiskResult<usize> {
        if self.ended.load(Ordering::Relaxed) {
            return Err(DiskError::new(DiskErrorKind::Crashed, "read"));
        }
        content::read(file, offset, buffer)
    }

    fn create_unnamed(&self, at: &Directory) -> DiskResult<File> {
        content::create_unnamed(at.as_fd())
    }

    fn create(&self, at: &Directory, name: &Name) -> DiskResult<File> {
        content::create(at.as_fd(), name)
    }

    fn reopen(&self, at: &Directory, name: &Name) -> DiskResult<File> {
        self.opener.file(at.as_fd(), name, OFlags::RDWR, "reopen")
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> DiskResult<()> {
        content::write(file, offset, bytes)
    }

    fn set_length(&self, file: &File, length: u64) -> DiskResult<()> {
        content::set_length(file, length)
    }

    fn clone_range(&self, from: &File, to: &File, length: u64) -> DiskResult<()> {
        content::clone_range(from, to, length)
    }

    fn link(&self, file: &File, at: &Directory, name: &Name) -> DiskResult<()> {
        names::link(file, at.as_fd(), name)
    }

    fn rename(
        &self,
        from: &Directory,
        old: &Name,
        to: &Directory,
        new: &Name,
        how: Rename,
    ) -> DiskResult<()> {
        names::rename(from.as_fd(), old, to.as_fd(), new, how)
    }

    fn remove(&self, at: &Directory, name: &Name) -> DiskResult<()> {
        names::remove(at.as_fd(), name)
    }

    fn remove_directory(&self, at: &Directory, name: &Name) -> DiskResult<()> {
        names::remove_directory(at.as_fd(), name)
    }

    fn make_directory(&self, at: &Directory, name: &Name, mode: u16) -> DiskResult<()> {
        names::make_directory(&self.opener, at.as_fd(), name, mode)
    }

    fn make_symlink(&self, at: &Directory, name: &Name, target: &[u8]) -> DiskResult<()> {
        names::make_symlink(at.as_fd(), name, target)
    }

    fn read_symlink(&self, at: &Directory, name: &Name) -> DiskResult<Bytes> {
        names::read_symlink(at.as_fd(), name)
    }

    fn set_file_metadata(&self, file: &File, metadata: Metadata) -> DiskResult<()> {
        metadata::set_on_file(file, metadata)
    }

    fn set_directory_metadata(&self, directory: &Directory, metadata: Metadata) -> DiskResult<()> {
        metadata::set_on_directory(directory.as_fd(), metadata)
    }

    fn set_symlink_owner(&self, at: &Directory, name: &Name, owner: (u32, u32)) -> DiskResult<()> {
        metadata::set_on_symlink(&self.opener, at.as_fd(), name, owner)
    }

    fn is_somebody_writing(&self, file: &File) -> Writing {
        lease::is_somebody_writing(file)
    }

    fn sync_file(&self, file: &File) -> DiskResult<()> {
        durable::file(file.as_fd())
    }

    fn sync_directory(&self, directory: &Directory) -> DiskResult<()> {
        durable::directory(directory.as_fd(), || open::by_path(&self.work))
    }

    fn sync_all(&self, directory: &Directory) -> DiskResult<()> {
        durable::all(directory)
    }

    fn sync_files_and_commit(&self, files: &[&File], batch: Batch) -> DiskResult<()> {
        if files.is_empty() {
            return self.ordered.commit(batch, true);
        }
        std::thread::scope(|scope| {
            let commit = scope.spawn(|| self.ordered.commit(batch, true));
            let flushed = durable::files(files);
            let committed = commit.join().unwrap_or_else(|_| {
                Err(DiskError::new(DiskErrorKind::Failed, "sync_files_and_commit"))
            });
            flushed.and(committed)
        })
    }

    fn filesystem(&self, directory: &Directory) -> DiskResult<Filesystem> {
        self.known.filesystem(directory.as_fd(), || open::by_path(&self.work))
    }

    fn watch(&self, directory: &Directory, path: &Path) -> Watched {
        match &self.watcher {
            Some(watcher) => watcher.watch(directory.as_fd(), path),
            None => Watched::No,
        }
    }

    fn get(&self, table: Table, key: &[u8]) -> DiskResult<Option<Bytes>> {
        self.ordered.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        start: &[u8],
        end: Option<&[u8]>,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> DiskResult<()> {
        self.ordered.range(table, start, end, each)
    }

    fn commit(&self, batch: Batch, durable: bool) -> DiskResult<()> {
        self.ordered.commit(batch, durable)
    }
}

#[cfg(test)]
mod tests;

//! Mounts and the two places: which directory is the docroot, and on which file system it lies.

use std::collections::BTreeSet;
use std::rc::Rc;

use mirrormesh::store::{DiskErrorKind, Filesystem, Place};
use mirrormesh_merkle::{Name, Time};

use super::content::SECTOR;
use super::options::{Options, WorkPlace};
use super::state::{Outcome, State};
use super::tree::{Attributes, Body, Inode, Key, TOP, Tree};

/// One mounted file system.
#[derive(Debug, Clone)]
pub(super) struct Mount {
    pub(super) device: u64,
    pub(super) total_blocks: u64,
    pub(super) used_blocks: u64,
    pub(super) total_inodes: u64,
    pub(super) used_inodes: u64,
    pub(super) is_read_only: bool,
    next_number: u64,
    free_numbers: BTreeSet<u64>,
}

impl Mount {
    pub(super) fn new(mount: u64, options: &Options) -> Mount {
        Mount {
            device: 0x800 + mount,
            total_blocks: options.total_bytes / SECTOR as u64,
            used_blocks: 0,
            total_inodes: options.total_inodes,
            used_inodes: 0,
            is_read_only: false,
            next_number: 2,
            free_numbers: BTreeSet::new(),
        }
    }

    pub(super) fn take_number(&mut self, reuse: bool) -> Outcome<u64> {
        if self.used_inodes >= self.total_inodes {
            return Err(DiskErrorKind::NoSpace);
        }
        self.used_inodes += 1;
        if reuse && let Some(number) = self.free_numbers.pop_first() {
            return Ok(number);
        }
        self.next_number += 1;
        Ok(self.next_number - 1)
    }

    pub(super) fn free_number(&mut self, number: u64) {
        self.used_inodes = self.used_inodes.saturating_sub(1);
        self.free_numbers.insert(number);
    }

    pub(super) fn take_block(&mut self) -> Outcome<()> {
        if self.used_blocks >= self.total_blocks {
            return Err(DiskErrorKind::NoSpace);
        }
        self.used_blocks += 1;
        Ok(())
    }

    pub(super) fn free_blocks(&mut self, count: u64) {
        self.used_blocks = self.used_blocks.saturating_sub(count);
    }

    /// Counts again what a tree uses of this mount.
    pub(super) fn count(&mut self, mount: u64, tree: &Tree) {
        let inodes = || tree.inodes.values().filter(|inode| inode.mount == mount);
        self.used_inodes = inodes().count() as u64;
        self.used_blocks =
            inodes().filter_map(|inode| inode.sectors()).map(|sectors| sectors.count()).sum();
        let used: BTreeSet<u64> = inodes().map(|inode| inode.number).collect();
        self.free_numbers = (2..self.next_number).filter(|number| !used.contains(number)).collect();
    }
}

/// Name of the docroot in the directory above it.
pub(super) fn docroot_name() -> Name {
    Name::new("docroot").expect("a name")
}

/// Name of a docroot that was moved away.
pub(super) fn away_name() -> Name {
    Name::new("docroot.away").expect("a name")
}

fn work_name(work: WorkPlace) -> Name {
    let name = match work {
        WorkPlace::Beside => ".mirrormesh-docroot",
        WorkPlace::Inside => ".mirrormesh",
    };
    Name::new(name).expect("a name")
}

impl Tree {
    /// The directory that a place is now.
    pub(super) fn place(&self, place: Place, work: WorkPlace) -> Option<Key> {
        match (place, work) {
            (Place::Docroot, _) => self.lookup(TOP, &docroot_name()),
            (Place::Work, WorkPlace::Beside) => self.lookup(TOP, &work_name(work)),
            (Place::Work, WorkPlace::Inside) => {
                self.lookup(self.lookup(TOP, &docroot_name())?, &work_name(work))
            }
        }
    }
}

impl State {
    pub(super) fn docroot(&self) -> Option<Key> {
        self.live.place(Place::Docroot, self.options.work)
    }

    /// Path of a directory's or file's name below the docroot; `None` in the work directory.
    pub(super) fn path_in_docroot(&self, key: Key) -> Option<Vec<u8>> {
        let path = self.live.path_below(self.docroot()?, key)?;
        let first = path.split(|&byte| byte == b'/').next();
        let work = work_name(WorkPlace::Inside);
        let is_work = self.options.work == WorkPlace::Inside && first == Some(work.as_bytes());
        (!is_work).then_some(path)
    }

    /// Makes the root of a new file system that is mounted nowhere yet.
    pub(super) fn make_mount(&mut self) -> Outcome<Key> {
        let mount = self.mounts.keys().next_back().map_or(1, |last| last + 1);
        let mut fresh = Mount::new(mount, &self.options);
        let number = fresh.take_number(false)?;
        self.mounts.insert(mount, fresh);
        let time = self.stamp();
        let attributes = Attributes {
            mode: 0o755,
            user: self.options.users.0,
            group: self.options.users.1,
            size: 0,
            mtime: time,
            ctime: time,
            changed_by: self.pending.last(),
            modified_by: self.pending.last(),
        };
        let body = Body::Directory(Default::default());
        let inode =
            Rc::new(Inode { number, mount, attributes, body, links: 1, home: None, shared: 0 });
        let key = self.next_key;
        self.next_key += 1;
        self.live.inodes.insert(key, Rc::clone(&inode));
        self.durable.inodes.insert(key, inode);
        Ok(key)
    }

    /// Mounts a root on a directory. Mounts are the administrator's: they outlive a crash.
    pub(super) fn mount_on(&mut self, directory: Key, root: Key) {
        self.live.covers.insert(directory, root);
        self.durable.covers.insert(directory, root);
    }

    /// Takes away what is mounted on a directory. A crash loses its content.
    pub(super) fn unmount(&mut self, directory: Key) {
        self.live.covers.remove(&directory);
        self.durable.covers.remove(&directory);
    }

    /// The two places on an empty file system, durable.
    pub(super) fn make_places(&mut self) -> Outcome<()> {
        let root = self.make_mount()?;
        debug_assert_eq!(root, TOP);
        let docroot = self.make_named(TOP, &docroot_name(), 0o755)?;
        let work = self.options.work;
        let above = if work == WorkPlace::Beside { TOP } else { docroot };
        self.make_named(above, &work_name(work), 0o700)?;
        self.sync_mount(1);
        Ok(())
    }

    fn make_named(&mut self, at: Key, name: &Name, mode: u16) -> Outcome<Key> {
        let body = Body::Directory(Default::default());
        self.make_at(at, name, body, mode)
    }

    pub(super) fn filesystem(&mut self, directory: Key) -> Outcome<Filesystem> {
        let mount = self.inode(directory)?.mount;
        let state = self.mount_of(directory)?.clone();
        Ok(Filesystem {
            device: state.device,
            mount,
            total_bytes: state.total_blocks * SECTOR as u64,
            free_bytes: state.total_blocks.saturating_sub(state.used_blocks) * SECTOR as u64,
            unnamed_files: self.options.unnamed_files,
            exchange: self.options.exchange,
            reflink: self.options.reflink,
            time_step: self.options.time_step,
            obeys_modes: false,
        })
    }

    pub(super) fn set_clock(&mut self, now: Time) {
        self.now = now;
    }
}

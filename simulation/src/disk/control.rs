//! What tests and the world do to a simulated machine that is neither a primitive nor a user's
//! edit: clock, faults, mounts, and looking.

use std::collections::BTreeMap;

use bytes::Bytes;
use mirrormesh::core::Hint;
use mirrormesh::store::{DiskErrorKind, Place, Rename, Table, Writing};
use mirrormesh_merkle::{Path, Time};

use super::SimDisk;
use super::content::SECTOR;
use super::crash::Policy;
use super::faults::{CrashPlan, FailedSync};
use super::images::{Image, Images, drawn, seen_in};
use super::options::Options;
use super::places::{away_name, docroot_name};
use super::seen::{Seen, VisibleChange};
use super::state::{Outcome, State};
use super::tree::{Body, Change, Key, TOP};

/// Clock, counters and looking.
impl SimDisk {
    /// Options of the machine.
    pub fn options(&self) -> Options {
        self.state.borrow().options.clone()
    }

    /// Which boot of the machine this is, from 1.
    pub fn boot(&self) -> u64 {
        self.state.borrow().boot
    }

    /// Time of the machine's clock.
    pub fn now(&self) -> Time {
        self.state.borrow().now
    }

    /// Sets the machine's clock. It stands still otherwise.
    pub fn set_clock(&self, now: Time) {
        self.state.borrow_mut().set_clock(now);
    }

    /// Number of primitives so far.
    pub fn primitives(&self) -> u64 {
        self.state.borrow().process.primitives
    }

    /// Number of calls of each primitive so far.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.state.borrow().process.counts.clone()
    }

    /// Number of file system changes and of commits that are not durable.
    pub fn pending(&self) -> (usize, usize) {
        let state = self.state.borrow();
        (state.pending.count(), state.store.pending())
    }

    /// Files and directories that the process has open.
    pub fn open_handles(&self) -> usize {
        self.state.borrow().open_handles
    }

    /// Everything in the docroot but a work directory inside, by path; empty without docroot.
    /// Reserved names are among it.
    pub fn tree_of_docroot(&self) -> BTreeMap<Vec<u8>, Seen> {
        let state = self.state.borrow();
        seen_in(&state.live, Place::Docroot, &state.options)
    }

    /// Everything in the work directory, by path.
    pub fn tree_of_work(&self) -> BTreeMap<Vec<u8>, Seen> {
        let state = self.state.borrow();
        seen_in(&state.live, Place::Work, &state.options)
    }

    /// A value of the ordered store, without counting as a primitive.
    pub fn value(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.state.borrow().store.live.get(table, key)
    }

    /// Hints that were caused since the last call, in order.
    pub fn take_hints(&self) -> Vec<Hint> {
        self.state.borrow_mut().watches.take()
    }

    /// Paths of all watched directories.
    pub fn watched(&self) -> Vec<Path> {
        self.state.borrow().watches.paths()
    }

    /// Calls `hook` before each primitive with its name and how many came before it. The hook may
    /// do anything but call primitives.
    pub fn before_primitive(&self, hook: impl FnMut(&'static str, u64, &SimDisk) + 'static) {
        self.callbacks.borrow_mut().hook = Some(Box::new(hook));
    }

    /// Calls `observer` after each change that shows in the docroot; what is in one slice
    /// happened at once.
    pub fn on_visible_change(&self, observer: impl FnMut(&[VisibleChange], &SimDisk) + 'static) {
        self.state.borrow_mut().is_observed = true;
        self.callbacks.borrow_mut().observer = Some(Box::new(observer));
    }
}

/// Crashes.
impl SimDisk {
    /// Ends the process later; a new plan replaces an old one.
    pub fn plan_crash(&self, plan: CrashPlan) {
        self.state.borrow_mut().process.plan = Some(plan);
    }

    /// Ends the process now: all further primitives fail with `Crashed`.
    pub fn end_process(&self) {
        self.state.borrow_mut().process.crashed = true;
    }

    /// Whether the process has ended.
    pub fn is_crashed(&self) -> bool {
        self.state.borrow().process.crashed
    }

    /// Ends the process, if it has not ended yet, and says what is left.
    pub fn crash(&self, policy: Policy, seed: u64) -> Image {
        self.end_process();
        drawn(&self.state.borrow(), policy, seed)
    }

    /// All images that a crash now may leave, or `bound` of them if there are more.
    pub fn images(&self, bound: usize) -> Images {
        Images::new(&self.state, bound)
    }

    /// Makes all files and names durable, as the system does by itself after some time. Commits
    /// to the ordered store are not among it.
    pub fn write_back(&self) {
        let mut state = self.state.borrow_mut();
        let mounts: Vec<u64> = state.mounts.keys().copied().collect();
        mounts.into_iter().for_each(|mount| state.sync_mount(mount));
    }
}

/// Faults.
impl SimDisk {
    /// Leaves room for so many bytes (whole blocks of 4096) and inodes from now on.
    pub fn leave_room(&self, bytes: u64, inodes: u64) {
        for mount in self.state.borrow_mut().mounts.values_mut() {
            mount.total_blocks = mount.used_blocks + bytes / SECTOR as u64;
            mount.total_inodes = mount.used_inodes + inodes;
        }
    }

    /// Mounts the docroot's file system read-only, or writable again.
    pub fn set_read_only(&self, is_read_only: bool) {
        if let Some(mount) = self.state.borrow_mut().mounts.get_mut(&1) {
            mount.is_read_only = is_read_only;
        }
    }

    /// The next call of a primitive, by its name in [`mirrormesh::store::Disk`], fails and does
    /// nothing. Further calls of this queue up.
    pub fn fail_next(&self, primitive: &'static str, kind: DiskErrorKind) {
        self.state.borrow_mut().faults.next.entry(primitive).or_default().push_back(kind);
    }

    /// The next sync of a file fails, and its data that was not durable is lost unless it is
    /// written again.
    pub fn fail_next_sync(&self, kind: DiskErrorKind, how: FailedSync) {
        self.state.borrow_mut().faults.sync = Some((kind, how));
    }

    /// Takes the process the right to open this file, or to use names in this directory.
    pub fn deny(&self, path: impl AsRef<[u8]>) {
        self.state.borrow_mut().faults.denied.insert(path.as_ref().to_vec());
    }

    /// Gives back what [`SimDisk::deny`] took.
    pub fn allow(&self, path: impl AsRef<[u8]>) {
        self.state.borrow_mut().faults.denied.remove(path.as_ref());
    }

    /// What the system says of writers at a path; `None`: what is true.
    pub fn answer_who_writes(&self, path: impl AsRef<[u8]>, answer: Option<Writing>) {
        let writing = &mut self.state.borrow_mut().faults.writing;
        match answer {
            Some(answer) => writing.insert(path.as_ref().to_vec(), answer),
            None => writing.remove(path.as_ref()),
        };
    }

    /// The file that now has this path cannot be read any more, whatever its name.
    pub fn break_file(&self, path: impl AsRef<[u8]>) -> Outcome<()> {
        let mut state = self.state.borrow_mut();
        let key = state.user_inode(path.as_ref())?;
        state.faults.unreadable.insert(key);
        Ok(())
    }

    /// Flips a bit of a file on the medium: no time changes, no hint comes.
    pub fn rot(&self, path: impl AsRef<[u8]>, offset: u64) -> Outcome<()> {
        let mut state = self.state.borrow_mut();
        let key = state.user_inode(path.as_ref())?;
        let sectors = state.inode(key)?.sectors().ok_or(DiskErrorKind::NotRegular)?;
        if offset >= state.inode(key)?.attributes.size {
            return Err(DiskErrorKind::Invalid);
        }
        let mut byte = [0];
        sectors.read(offset, &mut byte);
        let bytes = Bytes::copy_from_slice(&[byte[0] ^ 0x10]);
        for (index, bytes) in sectors.written(offset, &bytes) {
            let change = Change::Sector { inode: key, index, bytes };
            let State { live, durable, pending, .. } = &mut *state;
            live.apply(pending.last(), &change);
            durable.apply(pending.last(), &change);
        }
        Ok(())
    }
}

/// The docroot's own fate.
impl SimDisk {
    /// The docroot is renamed away: its path leads nowhere.
    pub fn docroot_vanishes(&self) -> Outcome<()> {
        self.move_docroot(TOP, true)
    }

    /// The docroot that had vanished is renamed back; what had its path meanwhile changes places
    /// with it.
    pub fn docroot_returns(&self) -> Outcome<()> {
        self.move_docroot(TOP, false)
    }

    fn move_docroot(&self, top: Key, away: bool) -> Outcome<()> {
        let outcome = self.edit("move_docroot", |state| {
            let (docroot, aside) = (docroot_name(), away_name());
            let (old, new) = if away { (docroot, aside) } else { (aside, docroot) };
            let is_taken = state.live.bound(top, &new).is_some();
            let how = if is_taken { Rename::Exchange } else { Rename::Replace };
            let can = std::mem::replace(&mut state.options.exchange, true);
            let outcome = state.rename_at((top, &old), (top, &new), how);
            state.options.exchange = can;
            outcome
        });
        self.write_back();
        outcome
    }

    /// An empty directory takes the docroot's path, which is free.
    pub fn docroot_appears(&self) -> Outcome<()> {
        let outcome = self.edit("docroot_appears", |state| {
            let body = Body::Directory(Default::default());
            state.make_at(TOP, &docroot_name(), body, 0o755).map(drop)
        });
        self.write_back();
        outcome
    }

    /// An empty file system is mounted over the docroot.
    pub fn mount_over_docroot(&self) -> Outcome<()> {
        self.edit("mount_over_docroot", |state| {
            let docroot = state.docroot().ok_or(DiskErrorKind::NotFound)?;
            let root = state.make_mount()?;
            state.mount_on(docroot, root);
            Ok(())
        })
    }

    /// What was last mounted over the docroot is taken away, and lost.
    pub fn unmount_docroot(&self) -> Outcome<()> {
        self.edit("unmount_docroot", |state| {
            let mut below =
                state.live.bound(TOP, &docroot_name()).ok_or(DiskErrorKind::NotFound)?;
            let covers = state.live.covers.clone();
            while let Some(root) = covers.get(&below).filter(|root| covers.contains_key(root)) {
                below = *root;
            }
            state.unmount(below);
            Ok(())
        })
    }
}

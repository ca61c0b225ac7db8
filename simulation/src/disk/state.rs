//! All of one simulated machine's storage, and what happens in it whoever causes it.
//!
//! Every change goes through [`State::record`]: it shows at once in the live tree and is pending
//! until a sync moves it to the durable tree. Invariant: the live tree is the durable tree with
//! all pending changes, but for data that a failed sync has lost.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use mirrormesh::store::{DiskErrorKind, Stat};
use mirrormesh_merkle::Time;

use super::content::{SECTOR, Sectors};
use super::faults::{FailedSync, Faults, Process};
use super::options::Options;
use super::pending::Pending;
use super::places::Mount;
use super::seen::{Actor, VisibleChange};
use super::tables::OrderedStore;
use super::tree::{Attributes, Body, Change, ChangeId, Inode, Key, Tree};
use super::watches::Watches;

/// Result of what happens inside: the operation is named where it is called from.
pub(super) type Outcome<T> = Result<T, DiskErrorKind>;

pub(super) struct State {
    pub(super) options: Options,
    pub(super) live: Tree,
    pub(super) durable: Tree,
    pub(super) pending: Pending,
    pub(super) store: OrderedStore,
    pub(super) mounts: BTreeMap<u64, Mount>,
    pub(super) faults: Faults,
    pub(super) process: Process,
    pub(super) watches: Watches,
    pub(super) now: Time,
    pub(super) boot: u64,
    pub(super) next_key: Key,
    /// Inode -> open handles.
    pub(super) open: BTreeMap<Key, u32>,
    /// Handles that the process has open.
    pub(super) open_handles: usize,
    /// Inode -> how many local users have it open for writing.
    pub(super) writers: BTreeMap<Key, u32>,
    /// Files that have no name yet and may get one.
    pub(super) unnamed: BTreeSet<Key>,
    /// Inodes that are gone from the live tree and may still be in the durable one.
    pub(super) orphans: BTreeSet<Key>,
    /// Files of which a failed sync has lost data.
    pub(super) lossy: BTreeSet<Key>,
    pub(super) actor: Actor,
    pub(super) operation: &'static str,
    /// Whether anybody wants to know of visible changes.
    pub(super) is_observed: bool,
    /// Visible changes that were not told yet; those of one group happened at once.
    pub(super) visible: Vec<Vec<VisibleChange>>,
}

impl State {
    pub(super) fn inode(&self, key: Key) -> Outcome<&Inode> {
        self.live.get(key).ok_or(DiskErrorKind::Failed)
    }

    pub(super) fn mount_of(&mut self, key: Key) -> Outcome<&mut Mount> {
        let mount = self.inode(key)?.mount;
        self.mounts.get_mut(&mount).ok_or(DiskErrorKind::Failed)
    }

    /// The clock in the file system's steps.
    pub(super) fn stamp(&self) -> Time {
        self.in_steps(self.now)
    }

    pub(super) fn in_steps(&self, time: Time) -> Time {
        let step = i128::from(self.options.time_step.max(1));
        let all = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
        let all = all.div_euclid(step) * step;
        Time {
            seconds: all.div_euclid(1_000_000_000) as i64,
            nanoseconds: all.rem_euclid(1_000_000_000) as u32,
        }
    }

    pub(super) fn stat(&self, key: Key) -> Outcome<Stat> {
        let inode = self.inode(key)?;
        let attributes = inode.attributes;
        let size = match &inode.body {
            Body::Symlink(target) => target.len() as u64,
            Body::Directory(_) => SECTOR as u64,
            _ => attributes.size,
        };
        Ok(Stat {
            kind: inode.kind(),
            mode: attributes.mode,
            size,
            mtime: attributes.mtime,
            ctime: attributes.ctime,
            inode: inode.number,
            device: self.mounts.get(&inode.mount).map_or(0, |mount| mount.device),
            links: inode.links,
            user: attributes.user,
            group: attributes.group,
        })
    }

    /// Makes a change that shows at once and is not durable.
    pub(super) fn record(&mut self, change: Change) -> ChangeId {
        let change = Rc::new(change);
        self.live.apply(self.pending.next(), &change);
        self.pending.push(change)
    }

    /// Makes an inode without a name. It is known to the durable tree, where it is nothing until
    /// a name leads to it.
    pub(super) fn make(&mut self, beside: Key, body: Body, mode: u16) -> Outcome<Key> {
        let (user, group) = match self.actor {
            Actor::Mirrormesh => self.options.process,
            Actor::User => self.options.users,
        };
        let parent = self.inode(beside)?;
        let (mount, parent) = (parent.mount, parent.attributes);
        let group = if parent.mode & 0o2000 == 0 { group } else { parent.group };
        let reuse = self.options.reuse_inodes;
        let number = self.mount_of(beside)?.take_number(reuse)?;
        let time = self.stamp();
        let attributes = Attributes {
            mode,
            user,
            group,
            size: 0,
            mtime: time,
            ctime: time,
            changed_by: self.pending.last(),
            modified_by: self.pending.last(),
        };
        let key = self.next_key;
        self.next_key += 1;
        let inode =
            Rc::new(Inode { number, mount, attributes, body, links: 0, home: None, shared: 0 });
        self.live.inodes.insert(key, Rc::clone(&inode));
        self.durable.inodes.insert(key, inode);
        Ok(key)
    }

    /// Changes attributes; sets ctime. Nothing happens if nothing differs.
    pub(super) fn set_attributes(
        &mut self,
        key: Key,
        change: impl FnOnce(&mut Attributes),
    ) -> Outcome<()> {
        let old = self.inode(key)?.attributes;
        let mut attributes = old;
        attributes.ctime = self.stamp();
        change(&mut attributes);
        if attributes != old {
            attributes.changed_by = self.pending.next();
            if attributes.mtime != old.mtime {
                attributes.modified_by = self.pending.next();
            }
            self.record(Change::Attributes { inode: key, attributes });
        }
        Ok(())
    }

    /// Writes as far as there is room.
    pub(super) fn write(&mut self, key: Key, offset: u64, bytes: &Bytes) -> Outcome<()> {
        let sectors = self.inode(key)?.sectors().ok_or(DiskErrorKind::NotRegular)?;
        let end = offset.checked_add(bytes.len() as u64).ok_or(DiskErrorKind::Invalid)?;
        let mut reached = offset;
        let mut outcome = Ok(());
        for (index, sector) in sectors.written(offset, bytes) {
            outcome = self.charge(key, index, &sector);
            if outcome.is_err() {
                break;
            }
            self.record(Change::Sector { inode: key, index, bytes: sector });
            reached = end.min((index + 1) * SECTOR as u64);
        }
        if reached > offset || bytes.is_empty() {
            let time = self.stamp();
            self.set_attributes(key, |attributes| {
                attributes.size = attributes.size.max(reached);
                attributes.mtime = time;
            })?;
        }
        outcome
    }

    /// Accounts for a sector that is about to change.
    fn charge(&mut self, key: Key, index: u64, sector: &Bytes) -> Outcome<()> {
        let inode = self.inode(key)?;
        let was = inode.sectors().is_some_and(|sectors| sectors.get(index).is_some());
        let was_shared = was && inode.shared > 0;
        let mount = self.mount_of(key)?;
        match (was && !was_shared, !sector.is_empty()) {
            (false, true) => mount.take_block()?,
            (true, false) => mount.free_blocks(1),
            _ => {}
        }
        if was_shared {
            self.live.change(key, |inode| inode.shared -= 1);
        }
        Ok(())
    }

    pub(super) fn set_length(&mut self, key: Key, length: u64) -> Outcome<()> {
        if length > i64::MAX as u64 {
            return Err(DiskErrorKind::Invalid);
        }
        let sectors = self.inode(key)?.sectors().ok_or(DiskErrorKind::NotRegular)?;
        for (index, sector) in sectors.beyond(length) {
            if sector.is_empty() {
                self.charge(key, index, &sector)?;
            }
            self.record(Change::Sector { inode: key, index, bytes: sector });
        }
        let time = self.stamp();
        self.set_attributes(key, |attributes| {
            attributes.size = length;
            attributes.mtime = time;
        })
    }

    pub(super) fn clone_range(&mut self, from: Key, to: Key, length: u64) -> Outcome<()> {
        if !self.options.reflink {
            return Err(DiskErrorKind::Unsupported);
        }
        let (source, target) = (self.inode(from)?, self.inode(to)?);
        if source.mount != target.mount {
            return Err(DiskErrorKind::OtherFilesystem);
        }
        let sectors = source.sectors().ok_or(DiskErrorKind::NotRegular)?;
        if length > source.attributes.size || target.attributes.size != 0 {
            return Err(DiskErrorKind::Invalid);
        }
        let mut sectors: Rc<Sectors> = Rc::clone(sectors);
        if length < source.attributes.size {
            Rc::make_mut(&mut sectors).cut(length);
        }
        self.record(Change::Share { inode: to, sectors });
        let time = self.stamp();
        self.set_attributes(to, |attributes| {
            attributes.size = length;
            attributes.mtime = time;
        })
    }

    /// Makes data and attributes of a file durable, or the names in a directory.
    pub(super) fn sync(&mut self, key: Key) -> Outcome<()> {
        if self.inode(key)?.sectors().is_some()
            && let Some((kind, how)) = self.faults.sync.take()
        {
            self.lose_data(key, how);
            return Err(kind);
        }
        let ids = self.pending.for_sync(key);
        self.flush(ids);
        Ok(())
    }

    fn lose_data(&mut self, key: Key, how: FailedSync) {
        self.pending.lose_data(key);
        self.lossy.insert(key);
        let medium = self.durable.get(key).and_then(Inode::sectors).cloned();
        if how == FailedSync::Vanishes
            && let Some(medium) = medium
            && let Some(inode) = self.live.get(key)
        {
            let blocks = inode.sectors().map_or(0, |sectors| sectors.count());
            let fewer = blocks.saturating_sub(inode.shared).saturating_sub(medium.count());
            self.live.change(key, |inode| {
                inode.body = Body::File(medium);
                inode.shared = 0;
            });
            if let Ok(mount) = self.mount_of(key) {
                mount.free_blocks(fewer);
            }
        }
    }

    /// Makes all that is pending on one mount durable.
    pub(super) fn sync_mount(&mut self, mount: u64) {
        let on_mount = |key: Key| {
            let inode = self.live.get(key).or_else(|| self.durable.get(key));
            inode.is_some_and(|inode| inode.mount == mount)
        };
        let keys: Vec<Key> = self.pending.keys().filter(|&key| on_mount(key)).collect();
        let ids: Vec<ChangeId> =
            keys.into_iter().flat_map(|key| self.pending.for_sync(key)).collect();
        self.flush(ids);
    }

    pub(super) fn flush(&mut self, ids: Vec<ChangeId>) {
        let keys = self.pending.flush(ids, &mut self.durable);
        for key in keys {
            if self.orphans.contains(&key) {
                self.drop_orphan(key);
            } else if !self.pending.concerns(key)
                && !self.lossy.contains(&key)
                && let Some(inode) = self.live.inodes.get(&key)
            {
                // They are equal; let them be one until either changes.
                self.durable.inodes.insert(key, Rc::clone(inode));
            }
        }
    }

    /// Frees an inode that has neither a name nor a handle.
    pub(super) fn release(&mut self, key: Key) {
        let Some(inode) = self.live.get(key) else { return };
        if inode.links > 0 || self.open.contains_key(&key) {
            return;
        }
        let blocks = inode.sectors().map_or(0, |sectors| sectors.count() - inode.shared);
        if let Ok(mount) = self.mount_of(key) {
            mount.free_blocks(blocks);
        }
        self.live.inodes.remove(&key);
        self.unnamed.remove(&key);
        self.lossy.remove(&key);
        self.writers.remove(&key);
        self.watches.forget(key);
        self.orphans.insert(key);
        self.drop_orphan(key);
    }

    /// Forgets an inode that is gone from the live tree, if no crash can lead to it any more.
    fn drop_orphan(&mut self, key: Key) {
        let named = self.durable.get(key).is_some_and(|inode| inode.links > 0)
            || self.pending.of(key).any(|(_, change)| matches!(change, Change::Names(_)));
        if named {
            return;
        }
        self.orphans.remove(&key);
        self.pending.forget(key);
        if let Some(inode) = self.durable.inodes.remove(&key)
            && let Some(mount) = self.mounts.get_mut(&inode.mount)
        {
            mount.free_number(inode.number);
        }
    }
}

//! The state of one Observe: what it was asked, what it has changed so far, what it found.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Kind, Path, Record, Tree, lookup};

use crate::store::disk::{Disk, Stat};
use crate::store::doubt::Stamps;
use crate::store::excludes::Excludes;
use crate::store::index::{IndexRow, Seen};
use crate::store::job::{
    Depth, DocrootIdentity, INLINE_TOTAL_BYTES, JobError, Judgement, Look, Observe, ObserveLimits,
    Side, Unlisted,
};
use crate::store::pending::Pending;
use crate::store::reading::READ_BYTES;
use crate::store::resolve::Resolver;
use crate::store::{rows, tree_value};

/// Most entries of the lists that are told to the core.
pub(super) const LISTED: usize = 256;
/// Most bytes of contents held for the push.
const HELD_BYTES: u64 = 8 * INLINE_TOTAL_BYTES;
/// Most large files found by one job.
pub(super) const LARGE_FILES: usize = 16;

/// What a look at a name came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The name is done with.
    Done,
    /// So is it, and it is a directory in the index; how far it must be looked into, if at all.
    Directory(Option<Depth>),
    /// The job's limits ended it in the middle: it has to be looked at again.
    Full,
}

/// What becomes of one path between the old current tree and the new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) old: Option<Record>,
    pub(super) new: Option<Record>,
}

/// One Observe under way.
pub(super) struct Observation<'disk, D: Disk> {
    pub(super) disk: &'disk D,
    pub(super) docroot: DocrootIdentity,
    /// The device that the docroot lies on.
    pub(super) device: u64,
    pub(super) side: Side,
    pub(super) excludes: Arc<Excludes>,
    pub(super) hashed: BTreeMap<Path, Result<(Stat, Hash), Unlisted>>,
    pub(super) give_up: BTreeSet<Path>,
    pub(super) large_bytes: u64,
    pub(super) limits: ObserveLimits,
    pub(super) rehash: bool,
    pub(super) inline: bool,

    pub(super) resolver: Resolver<'disk, D>,
    pub(super) pending: Pending<'disk, D>,
    pub(super) judgement: Judgement,
    pub(super) current: Tree,
    pub(super) changes: BTreeMap<Path, Changed>,
    /// Files taken out of the index.
    pub(super) files_out: u64,
    pub(super) buffer: Vec<u8>,
    pub(super) stamps: Stamps,

    /// Looks still to be done, and the scan under way, for what it covers.
    pub(super) queue: VecDeque<Look>,
    pub(super) scanning: Option<Look>,
    pub(super) names: u64,
    pub(super) bytes: u64,
    pub(super) found: Found,
}

/// What is told to the core.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) unlisted: BTreeMap<Path, Unlisted>,
    pub(super) unlisted_more: u64,
    pub(super) finished: Vec<Path>,
    pub(super) large: BTreeSet<Path>,
    pub(super) linked: bool,
    pub(super) vanished: Vec<Path>,
    pub(super) damaged: Vec<Path>,
    /// Files taken out because they are excluded.
    pub(super) excluded: u64,
    pub(super) edited: BTreeSet<Path>,
    pub(super) more: Vec<Look>,
    pub(super) contents: BTreeMap<Path, (Hash, Bytes)>,
    contents_bytes: u64,
    pub(super) watched: u64,
    pub(super) unwatched: u64,
}

impl Found {
    /// Holds a content that may travel with the delta, if it is not too much: which of them do is
    /// decided in the end.
    pub(super) fn hold(&mut self, path: &Path, content: Hash, bytes: Bytes) {
        let length = bytes.len() as u64;
        if self.contents_bytes + length <= HELD_BYTES {
            self.contents_bytes += length;
            self.contents.insert(path.clone(), (content, bytes));
        }
    }
}

impl<'disk, D: Disk> Observation<'disk, D> {
    /// Nothing looked at yet. Fails if the index does not belong to the job's current tree.
    pub(super) fn new(
        job: Observe,
        disk: &'disk D,
        root: D::Directory,
        docroot: DocrootIdentity,
        device: u64,
    ) -> Result<Observation<'disk, D>, JobError> {
        let pending = Pending::new(disk);
        tree_value::check_current(&pending, &job.current)?;
        Ok(Observation {
            disk,
            docroot,
            device,
            side: job.side,
            excludes: job.excludes,
            hashed: job.hashed.into_iter().map(|file| (file.path, file.outcome)).collect(),
            give_up: job.give_up.into_iter().collect(),
            large_bytes: job.large_bytes,
            limits: job.limits,
            rehash: job.rehash,
            inline: job.inline,
            resolver: Resolver::at(disk, root),
            pending,
            judgement: job.judgement,
            current: job.current,
            changes: BTreeMap::new(),
            files_out: 0,
            buffer: vec![0; READ_BYTES],
            stamps: Stamps::default(),
            queue: VecDeque::new(),
            scanning: None,
            names: 0,
            bytes: 0,
            found: Found::default(),
        })
    }

    /// Whether the limits allow no further name.
    pub(super) fn is_full(&self) -> bool {
        self.changes_full()
            || self.names >= self.limits.names.max(1) as u64
            || self.bytes >= self.limits.bytes.max(1)
            || self.found.large.len() >= LARGE_FILES
    }

    /// Whether the limits allow no further change.
    pub(super) fn changes_full(&self) -> bool {
        self.changes.len() >= self.limits.changes.max(1)
    }

    pub(super) fn is_origin(&self) -> bool {
        self.side == Side::Origin
    }

    pub(super) fn row(&self, path: &Path) -> Result<Option<IndexRow>, JobError> {
        rows::read(&self.pending, path)
    }

    /// Lists a name that is not, or not newly, in the tree.
    pub(super) fn unlist(&mut self, path: &Path, why: Unlisted) {
        let found = &mut self.found;
        if found.unlisted.len() < LISTED || found.unlisted.contains_key(path) {
            found.unlisted.insert(path.clone(), why);
        } else {
            found.unlisted_more += 1;
        }
    }

    /// Puts what was found at a path into the index, and into the tree if it is something new.
    /// What is below a directory that becomes something else must be gone before.
    pub(super) fn set(
        &mut self,
        path: &Path,
        old: Option<&IndexRow>,
        record: Record,
        seen: Seen,
    ) -> Result<(), JobError> {
        let (record, local) = self.judge(path, old, record)?;
        // An earlier look of this job may have come at a worse moment.
        self.found.unlisted.remove(path);
        let new = IndexRow { record, seen, local };
        self.put_row(path, old, Some(new));
        Ok(())
    }

    /// Replaces a row, and notes what that changes in the tree.
    pub(super) fn put_row(&mut self, path: &Path, old: Option<&IndexRow>, new: Option<IndexRow>) {
        if old == new.as_ref() {
            return;
        }
        rows::write(&mut self.pending, path, old, new.as_ref());
        if self.judgement.edits && is_edit(old, new.as_ref()) {
            self.found.edited.insert(path.clone());
        }
        let old = old.map(|row| row.record.clone());
        let new = new.map(|row| row.record);
        if old == new {
            return;
        }
        match self.changes.get_mut(path) {
            None => {
                self.changes.insert(path.clone(), Changed { old, new });
            }
            Some(changed) if changed.old == new => {
                self.changes.remove(path);
            }
            Some(changed) => changed.new = new,
        }
    }

    /// The record to keep for what was found, and whether it is a local edit. What a scan cannot
    /// see (attributes, and that nobody serves a content any more) is taken from what is known:
    /// the row, then the target.
    fn judge(
        &self,
        path: &Path,
        old: Option<&IndexRow>,
        record: Record,
    ) -> Result<(Record, bool), JobError> {
        let Side::Replica { target } = &self.side else { return Ok((record, false)) };
        if let Some(old) = old
            && is_seen_equal(&old.record, &record)
        {
            return Ok((old.record.clone(), old.local));
        }
        let Some(target) = target else { return Ok((record, true)) };
        let wanted = lookup(&self.pending, &target.root, path)?;
        match wanted.as_ref().map(Record::from) {
            Some(wanted) if is_seen_equal(&wanted, &record) => Ok((wanted, false)),
            _ => Ok((record, true)),
        }
    }
}

/// Whether a row becomes another by more than a new stat. A directory that is new or stays one
/// is none: what is in it has rows of its own.
fn is_edit(old: Option<&IndexRow>, new: Option<&IndexRow>) -> bool {
    let is_directory =
        |row: Option<&IndexRow>| row.is_some_and(|row| row.record.kind() == Kind::Directory);
    let what = |row: Option<&IndexRow>| row.map(|row| (row.record.clone(), row.local));
    what(old) != what(new) && !(is_directory(new) && (old.is_none() || is_directory(old)))
}

/// Whether two records are equal in all that a scan can see.
pub(super) fn is_seen_equal(left: &Record, right: &Record) -> bool {
    match (left, right) {
        (Record::File(left), Record::File(right)) => {
            (left.mode, left.mtime, left.size, left.content)
                == (right.mode, right.mtime, right.size, right.content)
        }
        (Record::Directory { mode: left, .. }, Record::Directory { mode: right, .. }) => {
            left == right
        }
        (Record::Symlink(left), Record::Symlink(right)) => left.target == right.target,
        _ => false,
    }
}

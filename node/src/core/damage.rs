//! What power cuts may have damaged on an origin, until all of it was looked at and taken back.
//!
//! Bounds of what has to be looked at are stored by the start that finds an unclean end, and go
//! only when its scan is over and nothing is left to be taken back. So a start that comes in
//! between goes on with them, whatever ended the run before; a second power cut widens them. Names
//! that the run before took out of the tree, and did not bring back any more, are put into it again
//! first, lest they be published as gone.
//!
//! What somebody edits while it is being taken back is an edit, and is left alone.

use std::collections::BTreeSet;

use bytes::{BufMut, Bytes, BytesMut};
use mirrormesh_merkle::{Path, Time};

use super::jobs::Purpose;
use super::node::Node;
use super::state::{self, State};
use super::transfer::Transfer;
use crate::store::{Batch, DamageBounds, Done, Job, JobError, TakeUp};

/// Length of a stored time.
const TIME_BYTES: usize = 12;

impl Transfer {
    /// Wants paths taken back as published (an origin).
    pub(super) fn take_back(&mut self, path: Path) {
        self.take_back.insert(path);
    }

    /// Whether paths are being taken back.
    pub(super) fn takes_back(&self) -> bool {
        !self.take_back.is_empty()
            || !self.disowning.is_empty()
            || self.pass.as_ref().is_some_and(|pass| pass.only.is_some())
    }

    /// Paths were edited: whatever was to be taken back of them stays as it is now.
    pub(super) fn mended(&mut self, edited: &BTreeSet<Path>) {
        // What lay in a directory went with it.
        let is_edited =
            |path: &Path| (1..=path.depth()).any(|depth| edited.contains(&path.ancestor(depth)));
        self.take_back.retain(|path| !is_edited(path));
        self.disowning.retain(|path| !is_edited(path));
        for listed in [&mut self.lost, &mut self.errors, &mut self.new_errors] {
            listed.retain(|path, _| !is_edited(path));
        }
        if let Some(only) = self.pass.as_mut().and_then(|pass| pass.only.as_mut()) {
            only.retain(|path| !is_edited(path));
        }
        if !self.takes_back() {
            // No pass comes that would find out whether the disk still fails.
            self.errors.remove(&Path::root());
        }
    }

    /// Something else lay at a path that an origin takes back: until it is known to be an edit,
    /// nothing at or below it was brought back.
    pub(super) fn fail_below(&mut self, path: &Path) {
        let only = self.pass.as_ref().and_then(|pass| pass.only.as_ref());
        let below: Vec<Path> =
            only.into_iter().flatten().filter(|it| it.starts_with(path)).cloned().collect();
        for path in below {
            self.fail(path, "something else lies there".into());
        }
    }
}

impl Node {
    /// What has to be looked at after this start: what this power cut may have damaged, if there
    /// was one, and what the run before had not done with.
    pub(super) fn begin_damage(&mut self, state: &State<'_>, cut: Option<DamageBounds>) {
        let stored = state.get(state::DAMAGE);
        let before = stored.as_ref().and_then(|bytes| decode(bytes));
        let damage = match (before, cut) {
            (Some(before), Some(cut)) => Some(join(before, cut)),
            (before, cut) => before.or(cut),
        };
        let returning = &mut self.publish.returning;
        returning.damage = damage;
        returning.is_unsettled = damage.is_some() || stored.is_some();
        returning.resumes = stored.is_some();
        returning.rereads = stored.is_some();
    }

    /// Stores what has to be looked at.
    pub(super) fn put_damage(&self, batch: &mut Batch) {
        if let Some(bounds) = self.publish.returning.damage {
            state::put(batch, state::DAMAGE, encode(&bounds));
        }
    }

    /// Puts names back into the tree that the run before had taken out, and forgets the bounds when
    /// nothing is left to be done.
    pub(super) fn advance_damage(&mut self) {
        if self.publish.returning.resumes {
            return self.resume();
        }
        self.publish.returning.rereads &= !self.watching.scanned;
        let is_over = self.watching.scanned
            && !self.jobs.is_busy()
            && !self.publish.returning.is_open()
            && !self.transfer.takes_back();
        if is_over && self.publish.returning.is_unsettled {
            self.publish.returning.is_unsettled = false;
            // What nobody served is marked in the index; all else is an edit from now on.
            self.publish.returning.damage = None;
            let mut batch = Batch::default();
            state::remove(&mut batch, state::DAMAGE);
            self.persist(batch, false, Vec::new());
        }
    }

    fn resume(&mut self) {
        let waits = self.transfer.retry_at.is_some_and(|at| at > self.now);
        let Some(published) = self.published_tree().filter(|_| !self.jobs.is_busy() && !waits)
        else {
            return;
        };
        let job = Job::TakeUp(TakeUp { current: self.current, published, only_missing: true });
        self.jobs.start(job, Purpose::Resume, &mut self.out);
    }

    pub(super) fn resumed(&mut self, result: Result<Done, JobError>) {
        if let Ok(Done::TakeUp(tree)) = result {
            self.current = tree;
            self.unflushed.get_or_insert(self.now);
            self.publish.returning.resumes = false;
        } else {
            self.transfer.pause_retry(self.now);
        }
    }

    /// Damage was found: it is taken back, and a later start goes on with that.
    pub(super) fn found_damaged(&mut self, paths: &[Path]) {
        self.publish.returning.is_unsettled |= !paths.is_empty();
        for path in paths {
            self.transfer.lost.remove(path);
            self.transfer.take_back(path.clone());
        }
    }

    /// Whether it matters what is edited: something is being taken back, or nobody serves it.
    pub(super) fn minds_edits(&self) -> bool {
        self.is_origin() && (self.transfer.takes_back() || !self.transfer.lost.is_empty())
    }

    /// Somebody edited these: they are not taken back any more.
    pub(super) fn mended(&mut self, edited: &BTreeSet<Path>) {
        if !edited.is_empty() {
            self.transfer.mended(edited);
        }
    }
}

/// Bounds for what either of two power cuts may have damaged.
fn join(before: DamageBounds, cut: DamageBounds) -> DamageBounds {
    DamageBounds {
        since: before.since.min(cut.since),
        until: before.until.max(cut.until),
        boot: before.boot.max(cut.boot),
    }
}

fn encode(bounds: &DamageBounds) -> Bytes {
    let mut bytes = BytesMut::with_capacity(3 * TIME_BYTES);
    for time in [bounds.since, bounds.until, bounds.boot] {
        bytes.put_i64(time.seconds);
        bytes.put_u32(time.nanoseconds);
    }
    bytes.freeze()
}

fn decode(bytes: &[u8]) -> Option<DamageBounds> {
    let mut times = bytes.chunks_exact(TIME_BYTES).map(|chunk| {
        let (seconds, nanoseconds) = chunk.split_first_chunk()?;
        Some(Time {
            seconds: i64::from_be_bytes(*seconds),
            nanoseconds: u32::from_be_bytes(nanoseconds.try_into().ok()?),
        })
    });
    let mut next = || times.next().flatten();
    Some(DamageBounds { since: next()?, until: next()?, boot: next()? })
}

//! An origin that starts again: what did it publish before?
//!
//! Beside its first scan, and for at most a second, it waits for what the members know of its own
//! term; each says so in its hello. A head above the block of numbers this node had durably
//! reserved proves that its disk was rolled back: then every path that still is as its own last
//! durable tree says takes the published entry, and only what was edited since is published.

use std::time::Duration;

use mirrormesh_gossip::{Head, Instant, NodeId, SignedHead};
use mirrormesh_merkle::{Time, Tree};

use super::node::Node;
use super::note::Note;
use super::publish::RETURN_WAIT;
use super::state::{self, State};
use super::wire::Push;
use crate::store::DamageBounds;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Returning {
    /// Nothing is published before this moment, unless every member has said what it knows.
    until: Option<Instant>,
    /// Numbers at or above this were never durably reserved before the start.
    bound: u64,
    /// The tree of the last durable state, when the disk proved to be rolled back.
    pub(super) rolled_back: Option<Tree>,
    /// The tree at the start.
    start: Option<Tree>,
    /// What a power cut may have damaged.
    pub(super) damage: Option<DamageBounds>,
}

impl Returning {
    /// Whether nothing may be published yet.
    pub(super) fn is_open(&self) -> bool {
        self.until.is_some() || self.rolled_back.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }
}

/// Files published in this time before the last durable mark are read again after a power cut.
const SUSPECT: Duration = Duration::from_secs(120);

fn time_of(nanoseconds: i64) -> Time {
    Time {
        seconds: nanoseconds.div_euclid(1_000_000_000),
        nanoseconds: nanoseconds.rem_euclid(1_000_000_000) as u32,
    }
}

impl Node {
    pub(super) fn begin_returning(&mut self, state: &State<'_>) {
        if !self.is_origin() || self.authority.head().is_none() {
            return;
        }
        let boot = state.get(state::BOOT);
        let unclean = boot.is_some_and(|boot| boot != self.setup.boot.as_bytes());
        let returning = &mut self.publish.returning;
        if unclean {
            let until = state.number(state::DURABLE_UNTIL) as i64;
            let since = time_of(until.saturating_sub(SUSPECT.as_nanos() as i64));
            returning.damage = Some(DamageBounds { since, boot: time_of(self.setup.boot_wall.0) });
        }
        returning.bound = self.sequence.durable_bound();
        returning.start = Some(self.current);
        if !self.peers.members.is_empty() {
            returning.until = Some(self.now + RETURN_WAIT);
        }
    }

    /// Ends the wait when its time is over or every member has spoken.
    pub(super) fn advance_returning(&mut self) {
        let Some(until) = self.publish.returning.until else { return };
        let all = self.peers.members.values().all(|peer| peer.primary.is_some());
        let asking = self.follow.newest_offer().is_some();
        if until <= self.now || all && !asking {
            self.publish.returning.until = None;
        }
    }

    /// A head of this origin's own term that it does not know. Published by an earlier run.
    pub(super) fn own_newer_head(
        &mut self,
        from: NodeId,
        signed: SignedHead,
        head: Head,
        push: Push,
    ) {
        self.sequence.raise_above(head.seq);
        if head.seq < self.publish.returning.bound {
            // From the block this node had reserved: a head that was not yet durable when it was
            // killed. What it said lies in the docroot, and is published again.
            return;
        }
        if self.publish.returning.rolled_back.is_none() {
            self.note(Note::RolledBack { seq: head.seq });
            let start = self.publish.returning.start.unwrap_or(self.current);
            self.publish.returning.rolled_back = Some(start);
            self.warnings.insert(
                "rolled-back",
                format!("this node's state was rolled back: head {} is known elsewhere", head.seq),
            );
        }
        self.offer(from, signed, head, push);
    }

    /// After a rollback: follows the newest head of the own term, then brings every path that was
    /// not edited in line with it.
    pub(super) fn advance_rolled_back(&mut self) {
        if self.publish.returning.rolled_back.is_none() {
            return;
        }
        self.advance_follow();
        if self.follow.newest_offer().is_none() && self.watching.scanned {
            self.advance_transfer();
        }
    }

    /// The pass that takes published entries back after a rollback is over.
    pub(super) fn rollback_settled(&mut self) {
        self.publish.returning.rolled_back = None;
        self.warnings.remove("rolled-back");
    }
}

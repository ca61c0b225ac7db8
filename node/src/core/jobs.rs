//! Which jobs are in flight, and what for.
//!
//! Invariant: at most one job that depends on or moves the current tree is in flight
//! ([`Jobs::is_busy`]); commits of state may be in flight beside it, in the order given.

use std::collections::BTreeMap;

use mirrormesh_gossip::{Instant, NodeId, SignedHead};
use mirrormesh_merkle::{Hash, Path, Tree};

use super::command::CommandId;
use super::event::{Effect, StreamId};
use super::publish::AfterChange;
use crate::store::{Job, JobId, Look};

/// What a job in flight is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// Looks for changes.
    Observe { looks: Vec<Look>, oldest: Instant },
    /// Hashes a large file.
    HashFile { path: Path },
    /// Proves the target of the newest offered head.
    Prove { newest: Box<SignedHead> },
    /// Walks a peer's tree for the newest offered head.
    Walk,
    /// Weighs the target for the brake.
    Weigh { target: Tree },
    /// Plans the next parcel.
    Plan { pass: u64 },
    /// Applies a parcel.
    Apply { large: Option<Hash>, from: Option<NodeId> },
    /// Stages a large file.
    Stage { content: Hash, step: StageWas },
    /// Makes state durable, then goes on.
    Persist { then: Vec<Then> },
    /// Makes the docroot durable before a clean stop is recorded.
    FlushDocroot,
    /// Keeps published entries of an origin's damaged files.
    Disown,
    /// Takes up what a forgotten head published.
    TakeUp,
    /// Puts what the run before did not take back into the tree again.
    Resume,
    /// Makes the delta for a head to be published.
    MakeDelta,
    /// Reads for a peer.
    Serve { stream: StreamId },
    /// Answers an operator.
    Operator { command: CommandId },
    /// Verifies for an operator.
    Verify { command: CommandId, repair: bool },
    /// Removes old nodes.
    Collect,
}

/// Which step of staging is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StageWas {
    Open,
    Write(u64),
    Finish,
    Discard,
}

/// What waits for state to be durable.
#[derive(Debug)]
pub(crate) enum Then {
    /// A block of sequence numbers may be used.
    Sequence(u64),
    /// A block of heartbeat numbers may be used.
    Heartbeats(u64),
    /// What an origin has in common with all it published is stored.
    Lineage,
    /// The docroot equals the head at this position.
    InLine((u64, u64)),
    /// A changed document is in force: whoever waits for it is told.
    Changed(AfterChange),
    /// Everybody may be told of a changed document.
    PushDocument,
    /// A token may be handed out.
    Token(CommandId, String),
    /// A new term has begun.
    NewTerm,
    /// Everything so far is durable.
    Flushed,
    /// The node may end.
    Stop,
}

/// Jobs in flight.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    next: u64,
    running: BTreeMap<JobId, Purpose>,
    busy: Option<JobId>,
}

impl Jobs {
    /// Starts a job.
    pub(crate) fn start(&mut self, job: Job, purpose: Purpose, out: &mut Vec<Effect>) -> JobId {
        let id = JobId(self.next);
        self.next += 1;
        let moves_tree = matches!(
            purpose,
            Purpose::Observe { .. }
                | Purpose::Prove { .. }
                | Purpose::Walk
                | Purpose::Apply { .. }
                | Purpose::MakeDelta
                | Purpose::Disown
                | Purpose::TakeUp
                | Purpose::Resume
                | Purpose::Verify { repair: true, .. }
                | Purpose::Collect
        );
        if moves_tree {
            debug_assert!(self.busy.is_none(), "two jobs on the current tree");
            self.busy = Some(id);
        }
        self.running.insert(id, purpose);
        out.push(Effect::Job { id, job });
        id
    }

    /// Takes what a finished job was for; `None` for one that is not known.
    pub(crate) fn finish(&mut self, id: JobId) -> Option<Purpose> {
        if self.busy == Some(id) {
            self.busy = None;
        }
        self.running.remove(&id)
    }

    /// Whether a job on the current tree is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.is_some()
    }

    /// Number of jobs in flight for which `is` holds.
    pub(crate) fn count(&self, is: impl Fn(&Purpose) -> bool) -> usize {
        self.running.values().filter(|purpose| is(purpose)).count()
    }

    /// Number of jobs in flight.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }
}

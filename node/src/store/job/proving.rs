//! Prove, WalkStep and Weigh: from heads to a proved target tree.

use std::sync::Arc;

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Tree, Walk, Wanted};

use super::applying::Parcel;
use crate::store::excludes::Excludes;

/// Proves a target by deltas.
#[derive(Debug)]
pub struct Prove {
    /// A tree whose nodes are held.
    pub base: Tree,
    /// Encoded deltas, each at most 1 MiB, leading from `base` to `target`.
    pub deltas: Vec<Bytes>,
    /// The signed root.
    pub target: Hash,
    /// The current tree: where a delta's changes start from it, a parcel is made of them at once.
    pub current: Tree,
    /// Contents that came along.
    pub inline: Vec<Hash>,
}

/// A proved target.
#[derive(Debug)]
pub struct Proved {
    /// The target; its nodes are committed (not durably).
    pub tree: Tree,
    /// If `base` was the current tree and there was one delta of at most one parcel's size: the
    /// parcel that leads to the target.
    pub parcel: Option<Arc<Parcel>>,
    /// Files taken away between base and target.
    pub removed: u64,
}

/// One step of a walk.
#[derive(Debug)]
pub struct WalkStep {
    /// The walk; moved through the job.
    pub walk: Box<Walk>,
    /// The answer to the last request (as ServeNodes made it), empty at first.
    pub reply: Vec<Bytes>,
}

/// What a step of a walk came to.
#[derive(Debug)]
pub enum WalkStepped {
    /// Ask a peer for these nodes.
    Ask {
        /// The walk, to go on with.
        walk: Box<Walk>,
        /// What to ask for.
        wanted: Vec<Wanted>,
        /// Nodes held so far, for progress.
        nodes: u64,
    },
    /// The target is proved.
    Finished(Tree),
}

/// Counts what lies between two trees; stops when the answer cannot change any more.
#[derive(Debug)]
pub struct Weigh {
    /// From.
    pub current: Tree,
    /// To.
    pub target: Tree,
    /// What is not mirrored: it stays, whatever the target says.
    pub excludes: Arc<Excludes>,
}

/// What lies between two trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighed {
    /// Files of current whose names the target has not (or has as another kind), and whose
    /// contents it has under no new name.
    pub removed: u64,
    /// Files whose content has to come from somewhere.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
}

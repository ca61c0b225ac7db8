//! Persist, Disown, TakeUp, MakeDelta and Collect: the ordered store.

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Path, Tree};

use crate::store::disk::Batch;

/// Commits to the ordered store.
#[derive(Debug)]
pub struct Persist {
    /// What.
    pub batch: Batch,
    /// Whether it, and all before it, must be durable.
    pub durable: bool,
}

/// An origin's damaged files that nobody can serve: the tree keeps what was published of them, and
/// their rows stay marked as local.
#[derive(Debug)]
pub struct Disown {
    /// Which.
    pub paths: Vec<Path>,
    /// The current tree.
    pub current: Tree,
    /// The published tree.
    pub published: Tree,
}

/// The result of a [`Disown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disowned {
    /// The current tree.
    pub tree: Tree,
    /// What the tree says although it does not lie there, sorted. The directories on the way to it
    /// come back with it.
    pub paths: Vec<Path>,
}

/// A later head of an origin's own that it does not remember: its tree gets what was published.
#[derive(Debug)]
pub struct TakeUp {
    /// The current tree.
    pub current: Tree,
    /// The tree of that head.
    pub published: Tree,
    /// Only names that the current tree has not: they were damaged, and are looked for as such.
    pub only_missing: bool,
}

/// Makes a delta between two trees.
#[derive(Debug)]
pub struct MakeDelta {
    /// From.
    pub base: Tree,
    /// To.
    pub target: Tree,
}

/// A delta, or none if the difference does not fit one.
#[derive(Debug)]
pub struct MadeDelta {
    /// The encoded delta.
    pub delta: Option<Bytes>,
}

/// Removes tree nodes that none of `roots` needs.
#[derive(Debug)]
pub struct Collect {
    /// What must stay.
    pub roots: Vec<Hash>,
}

/// What Collect did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collected {
    /// Nodes that stay.
    pub live: u64,
    /// Nodes removed.
    pub removed: u64,
}

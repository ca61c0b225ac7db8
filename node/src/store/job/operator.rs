//! Verify, Kept and Compare: what operators ask for.

use std::sync::Arc;

use mirrormesh_merkle::{Hash, Path, Record, Tree};

use super::applying::{Item, KeptReason};
use super::observing::Side;
use crate::store::excludes::Excludes;

/// Re-reads files against the current tree.
#[derive(Debug)]
pub struct Verify {
    /// The current tree.
    pub current: Tree,
    /// Go on after this path.
    pub after: Option<Path>,
    /// Whether what differs is put into the index as it lies (as a local edit), so that it is
    /// repaired.
    pub repair: bool,
    /// Whose docroot.
    pub side: Side,
    /// What is not mirrored.
    pub excludes: Arc<Excludes>,
}

/// What Verify found.
#[derive(Debug)]
pub struct Verified {
    /// The current tree, changed only with `repair`.
    pub tree: Tree,
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Paths that differ, and how; at most 256.
    pub differs: Vec<(Path, String)>,
    /// Those of them that are damaged, on an origin, with `repair`.
    pub damaged: Vec<Path>,
    /// Go on after this; `None`: finished.
    pub next: Option<Path>,
}

/// Something that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Identifier, unique on this node.
    pub id: u64,
    /// Where it lay.
    pub path: Path,
    /// What it was.
    pub record: Option<Record>,
    /// Bytes it takes (of a directory: of all below).
    pub bytes: u64,
    /// Why.
    pub reason: KeptReason,
    /// When, nanoseconds since 1970.
    pub wall: i64,
    /// Its name in the work directory's `kept`.
    pub stored_as: String,
}

/// Operations on what was set aside.
#[derive(Debug)]
pub enum KeptJob {
    /// Manifests with identifiers above `after`.
    List {
        /// Go on after this.
        after: u64,
        /// Most manifests.
        limit: usize,
    },
    /// Copies one into the docroot under a path whose name is free or holds what the index says;
    /// what is replaced is set aside in turn.
    Restore {
        /// Which.
        id: u64,
        /// Where to; `None`: where it lay.
        to: Option<Path>,
    },
    /// Removes for good.
    Drop {
        /// Which; empty: all.
        ids: Vec<u64>,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum KeptDone {
    /// Manifests.
    List(Vec<Manifest>),
    /// Restored to this path, which is to be observed.
    Restored(Path),
    /// Number dropped, and bytes freed.
    Dropped(u64, u64),
    /// No such identifier, or it cannot be restored: the reason.
    Refused(String),
}

/// Answers an operator from two trees.
#[derive(Debug)]
pub struct Compare {
    /// From.
    pub old: Hash,
    /// To.
    pub new: Hash,
    /// Go on after this.
    pub after: Option<Path>,
}

/// Differences in the order of the walk; at most 256.
#[derive(Debug)]
pub struct Compared {
    /// The next differences.
    pub items: Vec<Item>,
    /// Go on after this; `None`: finished.
    pub next: Option<Path>,
}

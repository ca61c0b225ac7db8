//! The jobs: what the core may ask of a disk, and what it is told.
//!
//! A job is plain data. `store::run` executes it in straight-line code over [`Disk`]; what a job
//! returns is small (at most 256 entries or 64 KiB, but for opaque buffers that the core only
//! hands on). The core keeps jobs of the *tree lane* strictly one after another; jobs of the
//! other lanes read only what is already there and may run beside them.
//!
//! Vocabulary. The *current* tree is what lies in the docroot, as last observed or applied: the
//! ordered store's index and its nodes always agree with it. The *target* tree is what a replica
//! has proved and wants to have; on an origin it is the published tree. Observe moves current
//! towards the disk; Apply moves the disk, and current with it, towards target.
//!
//! [`Disk`]: super::Disk

mod applying;
mod keeping;
mod observing;
mod operator;
mod proving;
mod serving;

use bytes::Bytes;
use mirrormesh_merkle::{Path, Tree};

use super::disk::DiskErrorKind;

pub use applying::*;
pub use keeping::*;
pub use observing::*;
pub use operator::*;
pub use proving::*;
pub use serving::*;

/// Names a job in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Which jobs exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Changes the docroot, the index, the trees or the state: one at a time, in order.
    Tree,
    /// Writes resumable files in the work directory: one at a time for each content.
    Stage,
    /// Only reads; any number the driver has threads for.
    Read,
}

/// What the core asks for.
#[derive(Debug)]
pub enum Job {
    /// Brings the current tree in line with the disk.
    Observe(Observe),
    /// Hashes one large file, whose result goes into the next Observe of its path.
    HashFile(HashFile),
    /// Proves a target tree by deltas from a known tree.
    Prove(Prove),
    /// One step of proving a target tree node by node.
    WalkStep(WalkStep),
    /// Counts what lies between two trees.
    Weigh(Weigh),
    /// Finds the next parcel of differences between current and target.
    Plan(Plan),
    /// Brings the docroot in line with the target for one parcel.
    Apply(Apply),
    /// Writes a part of a large file into the work directory.
    Stage(Stage),
    /// Commits to the ordered store.
    Persist(Persist),
    /// Makes durable what lies in the docroot.
    FlushDocroot,
    /// Puts published entries back into an origin's tree where the files could not be.
    Disown(Disown),
    /// Puts what a forgotten head published into an origin's tree.
    TakeUp(TakeUp),
    /// Makes one delta of the difference between two trees.
    MakeDelta(MakeDelta),
    /// Reads tree nodes for a peer.
    ServeNodes(ServeNodes),
    /// Reads deltas from the journal for a peer.
    ServeSince(ServeSince),
    /// Reads the next chunk of contents for a peer.
    Pack(Pack),
    /// Re-reads files against the current tree.
    Verify(Verify),
    /// What was set aside: list, restore, drop.
    Kept(KeptJob),
    /// Looks up one path in a tree, or lists what differs, for an operator.
    Compare(Compare),
    /// Removes tree nodes that no root needs any more.
    Collect(Collect),
}

impl Job {
    /// The lane of a job.
    pub fn lane(&self) -> Lane {
        match self {
            Job::Observe(_)
            | Job::Prove(_)
            | Job::WalkStep(_)
            | Job::Apply(_)
            | Job::Persist(_)
            | Job::FlushDocroot
            | Job::Disown(_)
            | Job::TakeUp(_)
            | Job::MakeDelta(_)
            | Job::Kept(_)
            | Job::Collect(_) => Lane::Tree,
            Job::Verify(verify) if verify.repair => Lane::Tree,
            Job::Stage(_) => Lane::Stage,
            _ => Lane::Read,
        }
    }
}

/// What a job that succeeded found or did. Variants answer the jobs of the same name.
#[derive(Debug)]
#[expect(missing_docs, reason = "each variant is the answer to the job of its name")]
pub enum Done {
    Observe(Observed),
    HashFile(HashedFile),
    Prove(Proved),
    WalkStep(WalkStepped),
    Weigh(Weighed),
    Plan(Planned),
    Apply(Applied),
    Stage(Staged),
    Persist,
    FlushDocroot,
    Disown(Disowned),
    TakeUp(Tree),
    MakeDelta(MadeDelta),
    ServeNodes(Bytes),
    ServeSince(Since),
    Pack(Packed),
    Verify(Verified),
    Kept(KeptDone),
    Compare(Compared),
    Collect(Collected),
}

/// Why a job failed as a whole. Docroot and ordered store are as before it, or as a crash in the
/// middle would leave them: the same job, or an Observe of the paths, puts things right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// A primitive failed.
    #[error("{path}: {detail}")]
    Disk {
        /// What kind of failure.
        kind: DiskErrorKind,
        /// Where, if it was about one path.
        path: Path,
        /// For people.
        detail: String,
    },
    /// Bytes from a peer do not prove what they claim; nothing was changed.
    #[error("not proved: {0}")]
    Unproved(String),
    /// The ordered store lacks or contradicts something it should have; the node must scan anew.
    #[error("the store is inconsistent: {0}")]
    Inconsistent(String),
}

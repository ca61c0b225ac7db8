//! Plan, Apply and Stage: from the target tree to the disk.

use std::sync::Arc;

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Path, Record, Tree};

use super::observing::Inline;
use crate::store::disk::Batch;
use crate::store::excludes::Excludes;

/// The passes over the differences, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Names that are new and neither pages nor links, and directories that take the place of
    /// another kind.
    Add,
    /// Pages and links that are new.
    AddPages,
    /// Changed names that are no pages.
    ReplaceAssets,
    /// Changed pages (names that end in .html, .htm, .php and the like), links, other kinds.
    ReplacePages,
    /// Names that go, but for directories.
    Remove,
    /// Directories that go, each after what lies in it.
    RemoveDirectories,
}

/// Where a pass stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanCursor {
    /// The phase.
    pub phase: Phase,
    /// Everything up to this path is planned.
    pub after: Option<Path>,
}

/// Finds the next parcel.
#[derive(Debug)]
pub struct Plan {
    /// The current tree.
    pub current: Tree,
    /// The target tree.
    pub target: Tree,
    /// Where to go on; `None` with `only` set.
    pub cursor: PlanCursor,
    /// Only these paths (an origin that takes published entries back), all phases at once.
    pub only: Option<Vec<Path>>,
    /// Paths of large files already in transfer: left out.
    pub in_transfer: Vec<Path>,
    /// Only names that still are as this tree has them.
    pub unedited_since: Option<Tree>,
}

/// What Plan found.
#[derive(Debug)]
pub struct Planned {
    /// The next parcel, if something is left in any phase from the cursor on.
    pub parcel: Option<Arc<Parcel>>,
    /// Where to go on; `None`: the pass is over.
    pub next: Option<PlanCursor>,
}

/// Differences that are applied together.
#[derive(Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The differences, in the order of the walk through the trees; at most [`PARCEL_ITEMS`].
    pub items: Vec<Item>,
    /// Contents to be fetched, in the order in which the reply brings them. Files above
    /// [`LARGE_BYTES`] never stand here.
    pub wants: Vec<Want>,
    /// A content above [`LARGE_BYTES`] that must be staged first; the parcel then has one item.
    pub large: Option<Want>,
    /// The encoded request for `wants`, ready to be sent to a peer.
    pub request: Bytes,
}

/// Most items of a parcel.
pub const PARCEL_ITEMS: usize = 1_024;
/// Most bytes of fetched contents of a parcel.
pub const PARCEL_BYTES: u64 = 8 * 1024 * 1024;
/// Contents above this size are transferred alone, resumably.
pub const LARGE_BYTES: u64 = 4 * 1024 * 1024;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which name.
    pub path: Path,
    /// What the current tree has.
    pub old: Option<Record>,
    /// What the target has.
    pub new: Option<Record>,
}

/// A content wanted from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Content hash.
    pub content: Hash,
    /// Length in bytes.
    pub size: u64,
    /// A path where the peer's tree has it.
    pub path: Path,
}

/// Why something was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptReason {
    /// Edited on a replica.
    LocalEdit,
    /// Lay in the docroot when the node joined.
    Adoption,
    /// Was damaged and has been fetched back.
    Damage,
    /// Published by nobody when this node returned as origin.
    Rollback,
    /// Found in the work directory after a crash.
    Crash,
    /// Gave way to something kept that was restored.
    Restored,
}

/// Whether data is flushed before it becomes visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is.
    Durable,
    /// It is not; files are verified again after an unclean boot.
    Relaxed,
}

/// Applies one parcel.
#[derive(Debug)]
pub struct Apply {
    /// What.
    pub parcel: Arc<Parcel>,
    /// The reply to the parcel's request, chunk by chunk as it came; empty if nothing was wanted.
    pub contents: Vec<Bytes>,
    /// The reply ended early: what it does not reach is left for another pass, and is no failure.
    pub cut: bool,
    /// Contents that came with a push.
    pub inline: Vec<Inline>,
    /// The current tree.
    pub current: Tree,
    /// The target; an item that is no longer what the target says is left out.
    pub target: Tree,
    /// A tree that was published, and that the docroot equalled: what lies where it says so is no
    /// edit, whoever put it there.
    pub published: Option<Tree>,
    /// Flush before visible or not.
    pub durability: Durability,
    /// What must be durable before the first visible change (fence, head, document).
    pub before: Batch,
    /// Most bytes that may be set aside now (the budget less what is kept already).
    pub keep_bytes: u64,
    /// What is not mirrored: left where it lies.
    pub excludes: Arc<Excludes>,
    /// Who gets what is set aside into the manifest's "because".
    pub reason: KeptReason,
    /// Wall time for manifests, nanoseconds since 1970.
    pub wall: i64,
    /// Seed for temporary names.
    pub seed: u64,
}

/// Why a path whose content did not come is in error.
pub const NOT_SENT: &str =
    "nobody has sent its content: it is another by now, or who has it is away";

/// What Apply did. What it did is committed (not durably), index and current tree included.
#[derive(Debug)]
pub struct Applied {
    /// The new current tree.
    pub tree: Tree,
    /// Paths that could not be brought in line, with the reason; at most 256.
    pub failed: Vec<(Path, String)>,
    /// Failures beyond the 256.
    pub failed_more: u64,
    /// Paths whose content did not come or is not where it was; a subset of `failed`.
    pub missing: u64,
    /// Paths whose content came and was not what it should be; a subset of `failed` too.
    pub wrong: u64,
    /// Files that became visible, changed or went.
    pub files: u64,
    /// Bytes of contents that became visible.
    pub bytes: u64,
    /// Things set aside.
    pub set_aside: u64,
    /// Bytes set aside.
    pub set_aside_bytes: u64,
    /// Names whose disk state was not what the index says: to be observed.
    pub look: Vec<Path>,
    /// Paths of unserved files that were left out or left at an older version.
    pub left_out: Vec<Path>,
    /// Paths for which that is over.
    pub served: Vec<Path>,
}

/// Writes a part of a large file into the work directory.
#[derive(Debug)]
pub struct Stage {
    /// Content hash: the name of the part.
    pub content: Hash,
    /// Length of the whole.
    pub size: u64,
    /// What to do.
    pub step: StageStep,
}

/// Steps of staging.
#[derive(Debug)]
pub enum StageStep {
    /// Look how much is there.
    Open,
    /// Append these chunks at `offset`.
    Write {
        /// Where they belong.
        offset: u64,
        /// The next bytes.
        chunks: Vec<Bytes>,
    },
    /// Hash the whole and make it durable.
    Finish,
    /// Throw it away.
    Discard,
}

/// How far staging is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staged {
    /// This many bytes are there.
    Partial(u64),
    /// Whole, hashed and durable.
    Whole,
    /// The bytes did not have the hash, and were thrown away.
    Wrong,
}

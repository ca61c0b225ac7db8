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

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Path, Record, Time, Tree, Walk, Wanted};

use super::disk::{Batch, DiskErrorKind, FileKind, Stat};
use super::excludes::Excludes;

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
    /// Puts published entries back into an origin's tree where the files could not be.
    Disown(Disown),
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
            | Job::Disown(_)
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
    Disown(Tree),
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

// ---------------------------------------------------------------------------------- observing

/// How far to look from a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// This name alone (and, if it is a directory that is new, all below it).
    Name,
    /// The names in this directory.
    Directory,
    /// Everything below.
    Subtree,
}

/// A place to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Look {
    /// Where.
    pub path: Path,
    /// How far.
    pub depth: Depth,
    /// Only what comes after this path, in the order of paths: a look that goes on. The path need
    /// not be there any more. The name at `path` itself is looked at all the same.
    pub after: Option<Path>,
}

/// Which directory the docroot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocrootIdentity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

/// Whose docroot is observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// The origin's: what is found is what will be published, and only when stable.
    Origin,
    /// A replica's: what differs from the index is a local edit, marked as such unless it equals
    /// what the target wants there. Files open for writing are taken as they are.
    Replica {
        /// The target, if one is proved.
        target: Option<Tree>,
    },
}

/// Brings the current tree and the index in line with the disk at some places.
#[derive(Debug)]
pub struct Observe {
    /// Whose docroot.
    pub side: Side,
    /// The current tree.
    pub current: Tree,
    /// Where to look; at most 256.
    pub looks: Vec<Look>,
    /// Results of HashFile, used if the file still is as it was.
    pub hashed: Vec<HashedFile>,
    /// What is not mirrored.
    pub excludes: Arc<Excludes>,
    /// The docroot of the last time; another one is reported and nothing is done.
    pub expected: Option<DocrootIdentity>,
    /// Files above this size are left to HashFile.
    pub large_bytes: u64,
    /// Files open for writing: those of them to publish as `unserved` (open for long).
    pub give_up: Vec<Path>,
    /// Whether contents of small files are returned for the push.
    pub inline: bool,
    /// Bounds of one job: changes made, names looked at, bytes hashed.
    pub limits: ObserveLimits,
    /// Whether the files found should be re-read although their stat did not move.
    pub rehash: bool,
    /// How what is not as it was is to be judged.
    pub judgement: Judgement,
}

/// How Observe judges names that are not as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Directories and larger files that vanished stay for now and are reported, but for these:
    /// most are found again under another name a moment later. `None`: all go at once.
    pub vanished: Option<BTreeSet<Path>>,
    /// An origin's published files are damaged, not edited, if they differ although their stat
    /// did not move; and after a power cut also in these bounds.
    pub damage: Option<DamageBounds>,
}

/// Which files a power cut may have damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamageBounds {
    /// Only rows whose ctime is not before this. They are re-read in any case.
    pub since: Time,
    /// Only files whose ctime is before this: later ones were written after the cut.
    pub boot: Time,
}

/// Bounds of one Observe; what is left comes back as further looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObserveLimits {
    /// Most changes of the tree.
    pub changes: usize,
    /// Most names looked at.
    pub names: usize,
    /// Most bytes hashed.
    pub bytes: u64,
}

/// Why a name is not, or not newly, in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlisted {
    /// Its kind is not mirrored, or it is another mount.
    Skipped(FileKind),
    /// A mount begins here.
    Mount,
    /// Somebody has it open for writing.
    OpenForWriting,
    /// It changed while it was read.
    Moving,
    /// It cannot be read; the reason.
    Unreadable(String),
    /// Its path exceeds the limits of the formats.
    TooLong,
}

/// Whether the docroot is the directory it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocrootState {
    /// The same as before, or the first one seen.
    Same(DocrootIdentity),
    /// Another directory or mount lies there; nothing was observed.
    Other(DocrootIdentity),
    /// It is not there, is no directory, or cannot be read: the reason. Nothing was observed.
    Gone(String),
}

/// What Observe found.
#[derive(Debug)]
pub struct Observed {
    /// The docroot.
    pub docroot: DocrootState,
    /// The new current tree; it and the index are committed (not durably).
    pub tree: Tree,
    /// The delta from the old current tree, if something changed and it fits one.
    pub delta: Option<Bytes>,
    /// Number of changed names.
    pub changes: u64,
    /// Contents of small changed files, for the push: at most 64 KiB in all.
    pub inline: Vec<Inline>,
    /// Names that were looked at and are not newly in the tree; at most 256.
    pub unlisted: Vec<(Path, Unlisted)>,
    /// Names in `unlisted` beyond the 256.
    pub unlisted_more: u64,
    /// Directories all of whose names were looked at by this job (for `unlisted` to be forgotten);
    /// 256 at most.
    pub finished: Vec<Path>,
    /// Names that vanished and stay for now; at most 256, further ones have gone at once.
    pub vanished: Vec<Path>,
    /// Damaged files of an origin; they are in the current tree as they lie, marked as local.
    pub damaged: Vec<Path>,
    /// A file with several names has changed: its other names may show it too.
    pub linked: bool,
    /// Files for HashFile; at most 16, further ones come back in `more`.
    pub large: Vec<Path>,
    /// Looks that are left; each path once.
    pub more: Vec<Look>,
    /// Names looked at.
    pub names: u64,
    /// Directories found that no watch covers.
    pub unwatched: u64,
    /// Directories found that a watch covers.
    pub watched: u64,
}

/// A small content that travels with a delta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inline {
    /// Content hash.
    pub content: Hash,
    /// The content; at most 16 KiB.
    pub bytes: Bytes,
}

/// Most bytes of one inline content.
pub const INLINE_FILE_BYTES: u64 = 16 * 1024;
/// Most bytes of all inline contents of a push.
pub const INLINE_TOTAL_BYTES: u64 = 64 * 1024;

/// Hashes one large file.
#[derive(Debug)]
pub struct HashFile {
    /// Which.
    pub path: Path,
    /// Whether it must be stable and closed (origin) or is taken as it is (replica).
    pub side: Side,
}

/// What HashFile found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedFile {
    /// Which.
    pub path: Path,
    /// Its stat while it was hashed and its content hash, or why it was not.
    pub outcome: Result<(Stat, Hash), Unlisted>,
}

// ---------------------------------------------------------------------------------- proving

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

// ---------------------------------------------------------------------------------- applying

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
    /// Contents that came with a push.
    pub inline: Vec<Inline>,
    /// The current tree.
    pub current: Tree,
    /// The target; an item that is no longer what the target says is left out.
    pub target: Tree,
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

/// What Apply did. What it did is committed (not durably), index and current tree included.
#[derive(Debug)]
pub struct Applied {
    /// The new current tree.
    pub tree: Tree,
    /// Paths that could not be brought in line, with the reason; at most 256.
    pub failed: Vec<(Path, String)>,
    /// Failures beyond the 256.
    pub failed_more: u64,
    /// Paths whose content did not come or was not what it should be; a subset of `failed`.
    pub missing: u64,
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

// ---------------------------------------------------------------------------------- state

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

// ---------------------------------------------------------------------------------- serving

/// Reads nodes for a peer.
#[derive(Debug)]
pub struct ServeNodes {
    /// What it asks for.
    pub wanted: Vec<Wanted>,
    /// How many levels below to add.
    pub levels: u8,
    /// About how many bytes at most.
    pub budget: usize,
}

/// Reads the journal for a peer.
#[derive(Debug)]
pub struct ServeSince {
    /// The root the peer has.
    pub from: Hash,
    /// The root it wants.
    pub to: Hash,
    /// Most bytes of the answer.
    pub budget: usize,
}

/// What the journal holds between two roots.
#[derive(Debug)]
pub enum Since {
    /// Encoded deltas from one to the other: one coalesced if it fits, else each.
    Deltas(Vec<Bytes>),
    /// The journal does not reach back so far, or the answer would be too long.
    Unknown,
}

/// Reads the next chunk of contents for a peer.
#[derive(Debug)]
pub struct Pack {
    /// All that is wanted.
    pub wants: Arc<Vec<Want>>,
    /// The want to go on with.
    pub next: usize,
    /// Bytes of it already sent.
    pub offset: u64,
    /// Whether wants are framed (many small ones) or one is sent raw from `offset`.
    pub framed: bool,
    /// Most bytes of the chunk.
    pub budget: usize,
}

/// A chunk.
#[derive(Debug)]
pub struct Packed {
    /// The bytes.
    pub chunk: Bytes,
    /// The want to go on with; the number of wants when all is sent.
    pub next: usize,
    /// Bytes of it already sent.
    pub offset: u64,
    /// Whether the content of the current want changed or went meanwhile: a raw stream is reset.
    pub gone: bool,
}

// ---------------------------------------------------------------------------------- operator

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

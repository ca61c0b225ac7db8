//! Observe and HashFile: from the disk to the current tree.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Path, Time, Tree};

use crate::store::disk::{FileKind, Stat};
use crate::store::excludes::Excludes;

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

/// Which directory the docroot is. The device number is no part of it where that can be avoided:
/// it may be another after a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocrootIdentity {
    /// What [`Disk::birth`](crate::store::Disk::birth) says.
    pub birth: u64,
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
    /// Damaged files that could not be brought back are to be brought back once more.
    pub recalls: bool,
    /// Whether it matters what was edited.
    pub edits: bool,
}

/// Which files a power cut may have damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamageBounds {
    /// Only rows whose ctime is not before this. They are re-read in any case.
    pub since: Time,
    /// Only what was changed no later: after it, no row would be there that is durable. Rows that
    /// were taken up are not bound by it.
    pub until: Time,
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
    /// Its name is reserved for mirrormesh, and is not mirrormesh's.
    Reserved,
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
    /// Files among them that left the tree because they are excluded.
    pub excluded: u64,
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
    /// Damaged files of an origin; they are in the current tree as they lie, marked as local. Names
    /// that a power cut took away are not in it.
    pub damaged: Vec<Path>,
    /// Names that were edited, if that matters; a directory among them was removed with all in it.
    pub edited: BTreeSet<Path>,
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

//! Every limit of the tree's formats and operations, in one place.
//!
//! A decoder refuses what exceeds a limit before it allocates for it; an encoder or an update
//! refuses to make it. The limits are part of format version 1: changing one changes which roots
//! exist.

/// Longest name in bytes, as in every file system mirrormesh runs on.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest relative path in bytes.
pub const MAX_PATH_BYTES: usize = 131_072;
/// Most names in a path, so most levels of directories below the docroot.
pub const MAX_DEPTH: usize = 1_024;
/// Longest target of a symlink in bytes: what `symlink(2)` takes.
pub const MAX_TARGET_BYTES: usize = 4_095;
/// Largest size of a file in bytes: what `off_t` can express.
pub const MAX_FILE_BYTES: u64 = i64::MAX as u64;
/// Highest value of a mode: permission bits, set-id bits and the sticky bit.
pub const MAX_MODE: u16 = 0o7777;

/// Longest owner or group name in bytes.
pub const MAX_OWNER_BYTES: usize = 255;
/// Longest name of an extended attribute in bytes.
pub const MAX_XATTR_NAME_BYTES: usize = 255;
/// Largest value of an extended attribute in bytes. [`MAX_ATTRIBUTES_BYTES`] binds earlier.
pub const MAX_XATTR_VALUE_BYTES: usize = 65_536;
/// Largest encoding of all attributes of one entry in bytes.
pub const MAX_ATTRIBUTES_BYTES: usize = 65_536;

/// Most entries in a leaf. A prefix with more below it is an interior node: pure counting.
pub const LEAF_ENTRIES: usize = 128;
/// Deepest position in a directory's trie, in nibbles. Going deeper would take 129 names whose
/// 128-bit slot prefixes are equal, which nobody can make.
pub const MAX_TRIE_DEPTH: usize = 32;
/// Largest encoded node in bytes: a leaf of 128 symlinks, each with the longest name, target and
/// attributes. About 8.9 MB, and far beyond what any real docroot holds (a leaf of 128 files with
/// 20-byte names is 9 KB), but legal, so whoever carries nodes must be able to carry one of these.
pub const MAX_NODE_BYTES: usize =
    4 + LEAF_ENTRIES * (2 + MAX_NAME_BYTES + 2 + MAX_TARGET_BYTES + 3 + MAX_ATTRIBUTES_BYTES);

/// Most changes in a delta.
pub const MAX_DELTA_CHANGES: usize = 4_096;
/// Largest encoded delta in bytes.
pub const MAX_DELTA_BYTES: usize = 1 << 20;
/// Most moves in a delta.
pub const MAX_DELTA_MOVES: usize = 256;
/// Most bytes of all paths of a delta's changes together, once their shared prefixes are written
/// out: keeps a small message from decoding into a gigabyte.
pub const MAX_DELTA_PATH_BYTES: usize = 4 << 20;

/// Most nodes that one request of a walk may ask for.
pub const MAX_WANTED: usize = 256;
/// Most levels of descendants that one request of a walk may ask for.
pub const MAX_LEVELS: u8 = 4;
/// Most nodes that a walk knows of and has not looked at yet (about 50 MB). From half of it on the
/// walk goes strictly depth-first, one node a request, which no real tree takes further.
pub const MAX_FRONTIER: usize = 524_288;

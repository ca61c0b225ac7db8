//! What can go wrong: one enum for bytes that are refused, one for operations on a tree.
//!
//! No operation of this crate changes a tree that exists: nodes are only ever added to a store, and
//! a root is what the caller adopts. So no error here says that state changed.

use crate::attributes::AttributesError;
use crate::entry::EntryError;
use crate::hash::Hash;
use crate::name::NameError;
use crate::path::{Path, PathError};

/// Why bytes are not the canonical encoding of anything. Whoever sent them is broken or hostile,
/// unless their hash was proved: then whoever made the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("the encoding ends too early")]
    Truncated,
    /// Bytes are left at the end.
    #[error("bytes follow the encoding")]
    TrailingBytes,
    /// A varint that is longer than it need be or than 64 bits.
    #[error("a number is not in its shortest form")]
    Varint,
    /// A length or count beyond its limit, or a whole encoding beyond its limit.
    #[error("a length exceeds its limit")]
    TooLarge,
    /// The first byte names no known kind of encoding.
    #[error("unknown tag {0:#04x}")]
    Tag(u8),
    /// A version that this program does not read.
    #[error("unknown version {0}")]
    Version(u8),
    /// A kind or flags byte with an unknown or impossible bit.
    #[error("unknown kind or flags {0:#04x}")]
    Flags(u8),
    /// An entry's own fields are out of range.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Attributes are out of range, out of order or too large.
    #[error(transparent)]
    Attributes(#[from] AttributesError),
    /// Bytes that should be a name are none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Bytes that should be a path are none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A name that mirrormesh keeps for itself.
    #[error("a reserved name")]
    Reserved,
    /// Names, paths or the like are not strictly ascending.
    #[error("not strictly ascending")]
    Order,
    /// The node does not belong where it was looked for: wrong depth, or a name's slot lies
    /// elsewhere.
    #[error("the node belongs elsewhere in its directory")]
    Position,
    /// A leaf with nothing in it below a directory's first node, a leaf with too much, or an
    /// interior node with too little.
    #[error("the node has the wrong shape for its number of entries")]
    Shape,
    /// What refers to the node states other totals than the node has.
    #[error("totals differ from those stated above")]
    Totals,
    /// Totals beyond 64 bits.
    #[error("totals overflow")]
    Overflow,
    /// A change or move that changes nothing, or states it in a longer form than need be.
    #[error("a change is redundant")]
    Redundant,
}

/// Why an operation on a tree failed. `E` is the error of the node source.
#[derive(Debug, thiserror::Error)]
pub enum TreeError<E> {
    /// The node source failed. Its own error says what to do.
    #[error("the node source failed")]
    Source(#[source] E),
    /// The source does not hold a node that the tree refers to: a walk has not finished, or the
    /// store lost it.
    #[error("node {0} is missing")]
    Missing(Hash),
    /// A node is not valid where the tree refers to it: the store is damaged, or the origin that
    /// signed the tree is broken.
    #[error("node {hash} is invalid: {error}")]
    Decode {
        /// The node.
        hash: Hash,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The named directory, which should hold what the operation is about, does not exist.
    #[error("directory {0} does not exist")]
    MissingParent(Path),
    /// The named path, which should be a directory, is something else.
    #[error("{0} is not a directory")]
    NotADirectory(Path),
    /// What the delta says was at this path is not what is there, or the delta says nothing of a
    /// path that it changes.
    #[error("the delta does not fit at {0}")]
    BaseMismatch(Path),
    /// The delta starts from another tree than the one it was applied to.
    #[error("the delta starts from {delta}, not from {tree}")]
    WrongBase {
        /// Base root of the delta.
        delta: Hash,
        /// Root of the tree.
        tree: Hash,
    },
    /// The delta leads to another root than it says.
    #[error("the delta leads to {reached}, not to {target}")]
    WrongTarget {
        /// Target root of the delta.
        target: Hash,
        /// Root that was reached.
        reached: Hash,
    },
    /// A move whose source is missing, whose target exists, or that leads into itself.
    #[error("cannot move {from} to {to}")]
    Move {
        /// Source of the move.
        from: Path,
        /// Target of the move.
        to: Path,
    },
    /// Changes are not strictly ascending by path: a fault of the caller.
    #[error("changes are out of order at {0}")]
    Order(Path),
    /// A change of the docroot itself or of a reserved name: a fault of the caller.
    #[error("{0} cannot be changed")]
    Forbidden(Path),
    /// A record that no tree can hold: a fault of the caller.
    #[error("invalid entry at {path}: {error}")]
    Entry {
        /// Path of the record.
        path: Path,
        /// What is wrong with it.
        error: EntryError,
    },
    /// A limit of the format was reached: the change that leads there is refused as a whole.
    #[error("limit reached: {0}")]
    Limit(Limit),
}

/// A limit that an operation reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Totals of files or bytes beyond 64 bits.
    #[error("totals beyond 64 bits")]
    Totals,
    /// A path beyond [`crate::limits::MAX_PATH_BYTES`] or [`crate::limits::MAX_DEPTH`].
    #[error("a path that is too long or too deep")]
    Path,
    /// A trie beyond [`crate::limits::MAX_TRIE_DEPTH`]: more than 128 names collide in 128 bits.
    #[error("a directory's trie is too deep")]
    Trie,
}

//! The Merkle tree of a document root: names, entries, canonical encoding, incremental update,
//! difference, delta, walk.
//!
//! Each directory is a node of its own, so the hash of `/blog` means something. A directory with
//! more than 128 entries splits into a 16-way trie on the hash of the names, by counting alone: one
//! set of entries has one root, whatever history led to it.
//!
//! Everything here is pure: no files, sockets, clocks, threads, entropy or logging, and iteration
//! orders are defined. Nodes come from a [`NodeSource`] and go to a [`NodeStore`], by hash; no
//! operation holds a whole tree. What is decoded comes from strangers: a decoder accepts only bytes
//! that are identical to their own re-encoding, and every limit stands in [`limits`].
//!
//! - [`update`], [`lookup`], [`list`]: change and read a tree.
//! - [`difference`]: what differs between two trees, in an order that can be resumed.
//! - [`Delta`], [`apply_delta`], [`Fold`]: what leads from one tree to the next, as bytes.
//! - [`Walk`], [`serve_nodes`]: fetch a tree of which only the root is known.

mod apply;
mod attributes;
mod codec;
mod delta;
mod difference;
mod entry;
mod error;
mod fold;
pub mod fuzz;
pub mod hash;
pub mod limits;
mod listing;
mod name;
mod node;
mod path;
mod position;
mod quote;
mod record;
mod serve;
mod source;
mod totals;
mod tree;
mod trie;
mod update;
mod walk;

pub use apply::apply_delta;
pub use attributes::{Attributes, AttributesError, decode_attributes, encode_attributes};
pub use delta::{Delta, DeltaChange, DeltaError, Move, delta_hash};
pub use difference::{Difference, Differences, difference, tree_order};
pub use entry::{Directory, Entry, EntryError, File, Kind, Symlink, Time};
pub use error::{DecodeError, Limit, TreeError};
pub use fold::{Fold, FoldError};
pub use hash::{ContentHasher, Hash, content_hash};
pub use limits::{MAX_DELTA_BYTES, MAX_DELTA_CHANGES, MAX_DEPTH, MAX_NODE_BYTES, MAX_PATH_BYTES};
pub use listing::{Entries, entries, list};
pub use name::{Name, NameError, RESERVED_PREFIX, Slot};
pub use node::{Child, Interior, Leaf, Node, empty_node, node_hash};
pub use path::{Path, PathError};
pub use position::Position;
pub use quote::quote;
pub use record::Record;
pub use serve::{Wanted, serve_nodes};
pub use source::{MemoryNodes, NodeSource, NodeStore, WalkStore};
pub use totals::Totals;
pub use tree::{Trail, Tree, lookup, tree_of};
pub use update::{Change, update};
pub use walk::{Progress, Walk, WalkError};

#[cfg(test)]
mod tests;

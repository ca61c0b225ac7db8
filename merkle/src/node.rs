//! A node of a directory's trie and its canonical encoding.
//!
//! A directory is the set of its entries. With at most [`LEAF_ENTRIES`] of them it is one leaf;
//! with more, an interior node with up to sixteen children, one for each first nibble of the names'
//! slots, and so on below. The shape is a function of the set alone, so one set has one root,
//! whatever history led to it.
//!
//! ```text
//! leaf     := 'L' version count:varint entry*count          entries strictly ascending by name
//! entry    := kind-and-flags:u8 name-length:u8 name body
//! interior := 'I' version depth:u8 bitmap:u16 child*popcount(bitmap)
//! child    := hash[32] entries:varint files:varint bytes:varint
//! ```
//!
//! [`Node::decode`] accepts only bytes that are identical to their own re-encoding and that are
//! right for the place they were looked for. It does not see the node's children: that their
//! totals are what this node says is checked when they are read.

use std::sync::LazyLock;

use bytes::Bytes;

use crate::codec::{Reader, write_varint};
use crate::entry::Entry;
use crate::error::DecodeError;
use crate::hash::Hash;
use crate::limits::{LEAF_ENTRIES, MAX_NODE_BYTES, MAX_TRIE_DEPTH};
use crate::name::{self, Name};
use crate::position::Position;
use crate::totals::{Expected, Totals};

const TAG_LEAF: u8 = b'L';
const TAG_INTERIOR: u8 = b'I';
const VERSION: u8 = 1;
const LEAF_CONTEXT: &str = "mirrormesh 2026-11 directory leaf v1";
const INTERIOR_CONTEXT: &str = "mirrormesh 2026-11 directory interior v1";

/// All entries below a place in a directory, where they are few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    pub(crate) entries: Vec<(Name, Entry)>,
}

/// What lies below a place in a directory, where it is too much for a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interior {
    pub(crate) depth: u8,
    /// By nibble, strictly ascending.
    pub(crate) children: Vec<(u8, Child)>,
}

/// An interior node's reference to a node one nibble deeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// The node's hash.
    pub hash: Hash,
    /// The node's totals.
    pub totals: Totals,
}

/// A node of a directory's trie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// At most [`LEAF_ENTRIES`] entries.
    Leaf(Leaf),
    /// References to nodes that hold more than [`LEAF_ENTRIES`] entries together.
    Interior(Interior),
}

/// The hash by which a node with this encoding is known. The tag picks the domain, so that a leaf
/// can never stand for an interior node.
pub fn node_hash(bytes: &[u8]) -> Hash {
    let context =
        if bytes.first() == Some(&TAG_INTERIOR) { INTERIOR_CONTEXT } else { LEAF_CONTEXT };
    Hash::derive(context, bytes)
}

static EMPTY: LazyLock<(Hash, Bytes)> = LazyLock::new(|| {
    let bytes = encode_leaf(&[]);
    (node_hash(&bytes), bytes)
});

/// The node of an empty directory. Everybody knows it: no store need hold it, no walk asks for it.
pub fn empty_node() -> (Hash, Bytes) {
    EMPTY.clone()
}

/// Whether `hash` is that of the empty directory.
pub(crate) fn is_empty_node(hash: &Hash) -> bool {
    *hash == EMPTY.0
}

/// Encodes entries that are strictly ascending by name and at most [`LEAF_ENTRIES`].
pub(crate) fn encode_leaf(entries: &[(Name, Entry)]) -> Bytes {
    debug_assert!(entries.len() <= LEAF_ENTRIES);
    debug_assert!(entries.is_sorted_by(|left, right| left.0 < right.0));
    let mut out = vec![TAG_LEAF, VERSION];
    write_varint(&mut out, entries.len() as u64);
    for (name, entry) in entries {
        out.push(entry.flags());
        out.push(name.as_bytes().len() as u8);
        out.extend_from_slice(name.as_bytes());
        entry.encode(&mut out);
    }
    out.into()
}

impl Leaf {
    /// Names and entries, strictly ascending by name.
    pub fn entries(&self) -> &[(Name, Entry)] {
        &self.entries
    }

    /// The entry of `name`.
    pub fn find(&self, name: &Name) -> Option<&Entry> {
        let index = self.entries.binary_search_by(|(other, _)| other.cmp(name)).ok()?;
        Some(&self.entries[index].1)
    }

    fn decode(reader: &mut Reader<'_>, position: &Position) -> Result<Leaf, DecodeError> {
        let count = reader.length(LEAF_ENTRIES)?;
        if count == 0 && *position != Position::ROOT {
            return Err(DecodeError::Shape);
        }
        let mut entries: Vec<(Name, Entry)> = Vec::with_capacity(count);
        for _ in 0..count {
            let flags = reader.byte()?;
            let length = reader.byte()?;
            let bytes = reader.take(usize::from(length))?;
            name::check(bytes)?;
            let name = Name::from_checked(bytes);
            if name.is_reserved() {
                return Err(DecodeError::Reserved);
            }
            if entries.last().is_some_and(|(last, _)| *last >= name) {
                return Err(DecodeError::Order);
            }
            // A directory's first node holds every name: the common case costs no hashing.
            if *position != Position::ROOT && !position.holds(&name.slot()) {
                return Err(DecodeError::Position);
            }
            entries.push((name, Entry::decode(flags, reader)?));
        }
        Ok(Leaf { entries })
    }
}

impl Interior {
    /// Number of nibbles that lead to this node.
    pub fn depth(&self) -> usize {
        usize::from(self.depth)
    }

    /// Children by nibble, strictly ascending.
    pub fn children(&self) -> &[(u8, Child)] {
        &self.children
    }

    /// The child that `nibble` leads to.
    pub fn child(&self, nibble: u8) -> Option<&Child> {
        self.children.iter().find(|(other, _)| *other == nibble).map(|(_, child)| child)
    }

    fn encode(&self) -> Bytes {
        let mut out = vec![TAG_INTERIOR, VERSION, self.depth];
        let bitmap = self.children.iter().fold(0u16, |bitmap, (nibble, _)| bitmap | 1 << nibble);
        out.extend_from_slice(&bitmap.to_le_bytes());
        for (_, Child { hash, totals }) in &self.children {
            out.extend_from_slice(hash.as_bytes());
            write_varint(&mut out, totals.entries);
            write_varint(&mut out, totals.files);
            write_varint(&mut out, totals.bytes);
        }
        out.into()
    }

    fn decode(reader: &mut Reader<'_>, position: &Position) -> Result<Interior, DecodeError> {
        let depth = reader.byte()?;
        if usize::from(depth) != position.depth() || usize::from(depth) >= MAX_TRIE_DEPTH {
            return Err(DecodeError::Position);
        }
        let bitmap = reader.u16()?;
        let mut children = Vec::with_capacity(bitmap.count_ones() as usize);
        for nibble in (0..16).filter(|nibble| bitmap >> nibble & 1 == 1) {
            let hash = reader.hash()?;
            let (entries, files, bytes) = (reader.varint()?, reader.varint()?, reader.varint()?);
            if entries == 0 {
                return Err(DecodeError::Shape);
            }
            children.push((nibble, Child { hash, totals: Totals { entries, files, bytes } }));
        }
        Ok(Interior { depth, children })
    }
}

impl Node {
    /// Reads a node that was looked for at `position`.
    pub fn decode(bytes: &[u8], position: &Position) -> Result<Node, DecodeError> {
        if bytes.len() > MAX_NODE_BYTES {
            return Err(DecodeError::TooLarge);
        }
        let mut reader = Reader::new(bytes);
        let tag = reader.byte()?;
        if tag != TAG_LEAF && tag != TAG_INTERIOR {
            return Err(DecodeError::Tag(tag));
        }
        let version = reader.byte()?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let node = if tag == TAG_LEAF {
            Node::Leaf(Leaf::decode(&mut reader, position)?)
        } else {
            Node::Interior(Interior::decode(&mut reader, position)?)
        };
        reader.end()?;
        let entries = node.totals()?.entries;
        if tag == TAG_INTERIOR && entries <= LEAF_ENTRIES as u64 {
            return Err(DecodeError::Shape);
        }
        Ok(node)
    }

    /// The one encoding of this node.
    pub fn encode(&self) -> Bytes {
        match self {
            Node::Leaf(leaf) => encode_leaf(&leaf.entries),
            Node::Interior(interior) => interior.encode(),
        }
    }

    /// Sums up what the node holds. Fails beyond 64 bits.
    pub fn totals(&self) -> Result<Totals, DecodeError> {
        match self {
            Node::Leaf(leaf) => Totals::of_entries(&leaf.entries),
            Node::Interior(interior) => {
                Totals::sum(interior.children.iter().map(|(_, child)| child.totals))
            }
        }
        .ok_or(DecodeError::Overflow)
    }
}

/// Reads a node, checks it against what refers to it and sums it up.
pub(crate) fn decode_expected(
    bytes: &[u8],
    position: &Position,
    expected: &Expected,
) -> Result<(Node, Totals), DecodeError> {
    let node = Node::decode(bytes, position)?;
    let totals = node.totals()?;
    if expected.allows(&totals) { Ok((node, totals)) } else { Err(DecodeError::Totals) }
}

#[cfg(test)]
mod tests;

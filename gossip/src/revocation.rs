//! Keys that are never believed again.
//!
//! Purpose: a lineage that knows nothing of a removal must not bring the removed key back.
//!
//! State: the union of the revocations of every document ever accepted, on whatever lineage.
//!
//! Invariants: grows only; at most [`Revocations::MAX`] keys.
//!
//! Never forgets because a document does.

use std::collections::BTreeSet;

use crate::codec::{DecodeError, Reader, Writer, ascending};
use crate::document::Document;
use crate::key::NodeId;

/// The keys this node holds revoked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revocations {
    keys: BTreeSet<NodeId>,
}

impl Revocations {
    /// Most keys.
    pub const MAX: usize = Document::MAX_REVOKED;
    /// Longest encoding in bytes.
    pub const MAX_ENCODED: usize = Revocations::MAX * 32 + 8;

    /// None.
    pub fn new() -> Revocations {
        Revocations::default()
    }

    /// Whether the key is revoked.
    pub fn contains(&self, key: &NodeId) -> bool {
        self.keys.contains(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &NodeId> {
        self.keys.iter()
    }

    /// The keys of `document` that are not here yet, ascending.
    pub fn news_in(&self, document: &Document) -> Vec<NodeId> {
        document.revoked.iter().filter(|key| !self.contains(key)).copied().collect()
    }

    /// Takes keys in. False, and nothing changes, if there would be more than
    /// [`Revocations::MAX`].
    pub fn merge(&mut self, keys: &[NodeId]) -> bool {
        let fits = self.fits(keys);
        if fits {
            self.keys.extend(keys);
        }
        fits
    }

    /// Whether [`Revocations::merge`] would take these keys.
    pub fn fits(&self, keys: &[NodeId]) -> bool {
        let new: BTreeSet<&NodeId> = keys.iter().filter(|key| !self.contains(key)).collect();
        self.keys.len() + new.len() <= Revocations::MAX
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let keys: Vec<NodeId> = self.keys.iter().copied().collect();
        let mut writer = Writer::new();
        writer.byte(1);
        writer.list(&keys, Writer::node);
        writer.finish()
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// Any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Revocations, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("revocations", 1)?;
        let keys = reader.list("revoked keys", Revocations::MAX, Reader::unchecked_node)?;
        reader.finish()?;
        ascending("revoked keys", &keys, |key| *key)?;
        Ok(Revocations { keys: keys.into_iter().collect() })
    }
}

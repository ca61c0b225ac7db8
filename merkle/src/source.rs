//! Where nodes come from and go to.
//!
//! A source answers with bytes that hash to what was asked for; this crate checks that where bytes
//! come from a peer, not where they come from the own store.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use bytes::Bytes;

use crate::error::TreeError;
use crate::hash::Hash;
use crate::node::{self, Node, empty_node};
use crate::position::Position;
use crate::totals::{Expected, Totals};

/// Holds encoded nodes by their hash.
pub trait NodeSource {
    /// What can fail in the source itself.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The node with this hash, or `None` if the source does not hold it.
    fn node(&self, hash: &Hash) -> Result<Option<Bytes>, Self::Error>;
}

/// A source that takes nodes.
pub trait NodeStore: NodeSource {
    /// Keeps `bytes` under `hash`, which is their [`node_hash`](crate::node_hash). Keeping the same
    /// node again changes nothing.
    fn put(&mut self, hash: Hash, bytes: Bytes) -> Result<(), Self::Error>;
}

/// A store that a walk fills.
pub trait WalkStore: NodeStore {
    /// Whether this node *and everything below it* is held. `false` where that is not known is
    /// right and slow: the walk then reads what is below.
    fn is_complete(&self, hash: &Hash) -> Result<bool, Self::Error>;
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    type Error = S::Error;

    fn node(&self, hash: &Hash) -> Result<Option<Bytes>, Self::Error> {
        (**self).node(hash)
    }
}

/// Reads the node that `expected` refers to; also says what it holds.
pub(crate) fn load<S: NodeSource>(
    source: &S,
    hash: &Hash,
    position: &Position,
    expected: &Expected,
) -> Result<(Node, Totals), TreeError<S::Error>> {
    let bytes = if node::is_empty_node(hash) {
        empty_node().1
    } else {
        source.node(hash).map_err(TreeError::Source)?.ok_or(TreeError::Missing(*hash))?
    };
    node::decode_expected(&bytes, position, expected)
        .map_err(|error| TreeError::Decode { hash: *hash, error })
}

/// Nodes in memory: for tests, the simulator and hashing a directory of moderate size.
#[derive(Debug, Clone, Default)]
pub struct MemoryNodes {
    nodes: BTreeMap<Hash, Bytes>,
    complete: BTreeSet<Hash>,
}

impl MemoryNodes {
    /// Holds nothing.
    pub fn new() -> MemoryNodes {
        MemoryNodes::default()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Hashes of all nodes, ascending.
    pub fn hashes(&self) -> impl Iterator<Item = &Hash> {
        self.nodes.keys()
    }

    /// Forgets a node.
    pub fn remove(&mut self, hash: &Hash) -> Option<Bytes> {
        self.complete.remove(hash);
        self.nodes.remove(hash)
    }

    /// Notes that the node and everything below it is held, so that a walk need not look.
    pub fn mark_complete(&mut self, hash: Hash) {
        self.complete.insert(hash);
    }
}

impl NodeSource for MemoryNodes {
    type Error = Infallible;

    fn node(&self, hash: &Hash) -> Result<Option<Bytes>, Infallible> {
        Ok(self.nodes.get(hash).cloned())
    }
}

impl NodeStore for MemoryNodes {
    fn put(&mut self, hash: Hash, bytes: Bytes) -> Result<(), Infallible> {
        self.nodes.insert(hash, bytes);
        Ok(())
    }
}

impl WalkStore for MemoryNodes {
    fn is_complete(&self, hash: &Hash) -> Result<bool, Infallible> {
        Ok(self.complete.contains(hash))
    }
}

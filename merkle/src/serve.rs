//! Answers a request of another node's walk.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::hash::Hash;
use crate::limits::{MAX_LEVELS, MAX_WANTED};
use crate::node::{Node, empty_node, is_empty_node};
use crate::position::Position;
use crate::source::NodeSource;

/// A node that a walk asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Its hash.
    pub hash: Hash,
    /// Where in its directory's trie it was referred to.
    pub position: Position,
}

impl Wanted {
    /// What an interior node or leaf refers to one step down.
    pub(crate) fn below(&self, node: &Node) -> Vec<Wanted> {
        match node {
            Node::Leaf(leaf) => leaf
                .entries
                .iter()
                .filter_map(|(_, entry)| entry.as_directory())
                .map(|directory| Wanted { hash: directory.node, position: Position::ROOT })
                .collect(),
            Node::Interior(interior) => interior
                .children
                .iter()
                .filter_map(|(nibble, child)| {
                    let position = self.position.child(*nibble)?;
                    Some(Wanted { hash: child.hash, position })
                })
                .collect(),
        }
    }
}

/// The wanted nodes, then their descendants level by level, up to `levels` below them and to
/// `budget_bytes` of all nodes together; each node once.
///
/// The first node that is held is always among them, however large. Nodes that are not held are
/// left out. Of the wanted only the first [`MAX_WANTED`] are looked at, and `levels` is at most
/// [`MAX_LEVELS`].
pub fn serve_nodes<S: NodeSource>(
    source: &S,
    wanted: &[Wanted],
    levels: u8,
    budget_bytes: usize,
) -> Result<Vec<Bytes>, S::Error> {
    let levels = levels.min(MAX_LEVELS);
    let mut queue: VecDeque<(Wanted, u8)> =
        wanted.iter().take(MAX_WANTED).map(|wanted| (*wanted, 0)).collect();
    let mut seen = BTreeSet::new();
    let mut served: Vec<Bytes> = Vec::new();
    let mut bytes_left = budget_bytes;
    while let Some((wanted, level)) = queue.pop_front() {
        // Everybody knows the empty directory: it is sent only if it was asked for by name.
        let empty = is_empty_node(&wanted.hash);
        if (empty && level > 0) || !seen.insert(wanted.hash) {
            continue;
        }
        let held = if empty { Some(empty_node().1) } else { source.node(&wanted.hash)? };
        let Some(bytes) = held else { continue };
        if bytes.len() > bytes_left && !served.is_empty() {
            break;
        }
        bytes_left = bytes_left.saturating_sub(bytes.len());
        // A node that is not valid at the place it was asked for is the asker's to judge.
        if level < levels
            && let Ok(node) = Node::decode(&bytes, &wanted.position)
        {
            queue.extend(wanted.below(&node).into_iter().map(|below| (below, level + 1)));
        }
        served.push(bytes);
    }
    Ok(served)
}

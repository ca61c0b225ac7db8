//! What a tree node refers to, for those who go through stored trees node by node.

use mirrormesh_merkle::{Entry, Hash, Node, Position, Wanted};

use super::job::JobError;

/// The places one step below a node that was found at `at`.
pub(crate) fn below(at: &Wanted, bytes: &[u8]) -> Result<Vec<Wanted>, JobError> {
    let node = Node::decode(bytes, &at.position)
        .map_err(|error| JobError::Inconsistent(format!("node {} is damaged: {error}", at.hash)))?;
    let below = match &node {
        Node::Leaf(leaf) => leaf
            .entries()
            .iter()
            .filter_map(|(_, entry)| match entry {
                Entry::Directory(directory) => Some(root(directory.node)),
                _ => None,
            })
            .collect(),
        Node::Interior(interior) => interior
            .children()
            .iter()
            .filter_map(|(nibble, child)| {
                let nibbles: Vec<u8> = at.position.nibbles().chain([*nibble]).collect();
                let position = Position::from_nibbles(&nibbles)?;
                Some(Wanted { hash: child.hash, position })
            })
            .collect(),
    };
    Ok(below)
}

/// The place of a directory's first node.
pub(crate) fn root(hash: Hash) -> Wanted {
    Wanted { hash, position: Position::ROOT }
}

//! A whole tree: its root, its totals, and how a path is found in it.

use std::collections::VecDeque;

use crate::entry::{Directory, Entry};
use crate::error::{DecodeError, TreeError};
use crate::hash::Hash;
use crate::limits::MAX_TRIE_DEPTH;
use crate::name::Name;
use crate::node::{Leaf, Node, empty_node};
use crate::path::Path;
use crate::position::{Position, nibble};
use crate::source::{NodeSource, load};
use crate::totals::Expected;

/// The tree of a docroot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// Hash of the docroot's directory node.
    pub root: Hash,
    /// Number of regular files.
    pub files: u64,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
}

impl Tree {
    /// The tree of an empty docroot.
    pub fn empty() -> Tree {
        Tree { root: empty_node().0, files: 0, bytes: 0 }
    }

    pub(crate) fn expected(&self) -> Expected {
        Expected::Directory { files: self.files, bytes: self.bytes }
    }
}

/// The tree with this root: reads its totals from the root's node.
pub fn tree_of<S: NodeSource>(source: &S, root: &Hash) -> Result<Tree, TreeError<S::Error>> {
    let (_, totals) = load(source, root, &Position::ROOT, &Expected::Nothing)?;
    Ok(Tree { root: *root, files: totals.files, bytes: totals.bytes })
}

/// What is at `path`. `None` if nothing is there, or something above it is no directory; also for
/// the docroot itself, which has no entry.
pub fn lookup<S: NodeSource>(
    source: &S,
    root: &Hash,
    path: &Path,
) -> Result<Option<Entry>, TreeError<S::Error>> {
    Trail::new(*root).find(source, path)
}

/// Most leaves that an open directory remembers.
const OPEN_LEAVES: usize = 256;

/// A directory in which names are looked up. Remembers the leaves it read last: most directories
/// have no other, so that many names in one cost one reading.
#[derive(Debug)]
pub(crate) struct OpenDirectory {
    pub(crate) node: Hash,
    pub(crate) expected: Expected,
    leaves: VecDeque<(Position, Leaf)>,
}

impl OpenDirectory {
    pub(crate) fn new(node: Hash, expected: Expected) -> OpenDirectory {
        OpenDirectory { node, expected, leaves: VecDeque::new() }
    }

    pub(crate) fn find<S: NodeSource>(
        &mut self,
        source: &S,
        name: &Name,
    ) -> Result<Option<Entry>, TreeError<S::Error>> {
        let slot = name.slot();
        let known = self.leaves.iter().rev().find(|(position, _)| position.holds(&slot));
        if let Some((_, leaf)) = known {
            return Ok(leaf.find(name).cloned());
        }
        let (mut hash, mut position, mut expected) = (self.node, Position::ROOT, self.expected);
        for _ in 0..=MAX_TRIE_DEPTH {
            match load(source, &hash, &position, &expected)?.0 {
                Node::Leaf(leaf) => {
                    let entry = leaf.find(name).cloned();
                    self.forget_leaves(OPEN_LEAVES - 1);
                    self.leaves.push_back((position, leaf));
                    return Ok(entry);
                }
                Node::Interior(interior) => {
                    let nibble = nibble(&slot, position.depth());
                    let Some(child) = interior.child(nibble) else { return Ok(None) };
                    let Some(deeper) = position.child(nibble) else { break };
                    (hash, position, expected) =
                        (child.hash, deeper, Expected::Child(child.totals));
                }
            }
        }
        // Unreachable: decoding refuses an interior node this deep.
        Err(TreeError::Decode { hash, error: DecodeError::Position })
    }

    /// Keeps only so many leaves, those read last.
    fn forget_leaves(&mut self, keep: usize) {
        let excess = self.leaves.len().saturating_sub(keep);
        self.leaves.drain(..excess);
    }
}

impl From<&Directory> for OpenDirectory {
    fn from(directory: &Directory) -> OpenDirectory {
        OpenDirectory::new(directory.node, directory.expected())
    }
}

impl Directory {
    pub(crate) fn expected(&self) -> Expected {
        Expected::Directory { files: self.files, bytes: self.bytes }
    }
}

/// Looks up one path after the other in one tree, and keeps the directories that lead to the last
/// one open: paths in ascending order cost one reading of each node on their way, where
/// [`lookup`] reads all nodes above each of them.
#[derive(Debug)]
pub struct Trail {
    root: OpenDirectory,
    below: Vec<(Name, OpenDirectory)>,
}

impl Trail {
    /// Nothing looked up yet in the tree with this root.
    pub fn new(root: Hash) -> Trail {
        Trail { root: OpenDirectory::new(root, Expected::Nothing), below: Vec::new() }
    }

    /// What is at `path`, as [`lookup`] says it. The source must hold the same nodes each time.
    ///
    /// # Errors
    /// As those of [`lookup`]: the source failed, or lacks or garbles a node on the way.
    pub fn find<S: NodeSource>(
        &mut self,
        source: &S,
        path: &Path,
    ) -> Result<Option<Entry>, TreeError<S::Error>> {
        let mut components: Vec<Name> = path.components().collect();
        let Some(last) = components.pop() else { return Ok(None) };
        let shared =
            self.below.iter().zip(&components).take_while(|(left, right)| left.0 == **right);
        let shared = shared.count();
        self.below.truncate(shared);
        for name in components.drain(shared..) {
            match self.top().find(source, &name)? {
                Some(Entry::Directory(directory)) => {
                    // Only the deepest directory is worth many leaves.
                    self.top().forget_leaves(1);
                    self.below.push((name, (&directory).into()));
                }
                _ => return Ok(None),
            }
        }
        self.top().find(source, &last)
    }

    fn top(&mut self) -> &mut OpenDirectory {
        match self.below.last_mut() {
            Some((_, directory)) => directory,
            None => &mut self.root,
        }
    }
}

#[cfg(test)]
mod tests;

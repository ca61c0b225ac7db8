//! The entries of one directory, a leaf at a time.

use std::vec;

use crate::entry::Entry;
use crate::error::{Limit, TreeError};
use crate::hash::Hash;
use crate::name::Name;
use crate::node::Node;
use crate::path::Path;
use crate::position::Position;
use crate::source::{NodeSource, load};
use crate::totals::Expected;
use crate::tree::lookup;

/// All entries of a directory, ascending by name. Holds the whole directory in memory: for a huge
/// one use [`entries`].
pub fn list<S: NodeSource>(
    source: &S,
    root: &Hash,
    directory: &Path,
) -> Result<Vec<(Name, Entry)>, TreeError<S::Error>> {
    let mut all = entries(source, root, directory)?.collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    Ok(all)
}

/// The entries of a directory, ascending by the first nibbles of their slots (one leaf after the
/// other) and by name within a leaf. Holds one leaf and the way to it.
///
/// Fails with [`TreeError::MissingParent`] if the directory does not exist, and with
/// [`TreeError::NotADirectory`] if it is something else.
pub fn entries<S: NodeSource>(
    source: S,
    root: &Hash,
    directory: &Path,
) -> Result<Entries<S>, TreeError<S::Error>> {
    let (node, expected) = if directory.is_root() {
        (*root, Expected::Nothing)
    } else {
        match lookup(&source, root, directory)? {
            Some(Entry::Directory(found)) => (found.node, found.expected()),
            Some(_) => return Err(TreeError::NotADirectory(directory.clone())),
            None => return Err(TreeError::MissingParent(directory.clone())),
        }
    };
    Ok(Entries {
        source,
        pending: vec![(node, Position::ROOT, expected)],
        leaf: Vec::new().into_iter(),
    })
}

/// See [`entries`]. Ends after an error.
#[derive(Debug)]
pub struct Entries<S> {
    source: S,
    /// Nodes still to be read, the next one last: at most fifteen for each level of the trie.
    pending: Vec<(Hash, Position, Expected)>,
    leaf: vec::IntoIter<(Name, Entry)>,
}

impl<S: NodeSource> Entries<S> {
    fn step(&mut self) -> Result<Option<(Name, Entry)>, TreeError<S::Error>> {
        loop {
            if let Some(entry) = self.leaf.next() {
                return Ok(Some(entry));
            }
            let Some((hash, position, expected)) = self.pending.pop() else { return Ok(None) };
            match load(&self.source, &hash, &position, &expected)?.0 {
                Node::Leaf(leaf) => self.leaf = leaf.entries.into_iter(),
                Node::Interior(interior) => {
                    for (nibble, child) in interior.children.iter().rev() {
                        let position =
                            position.child(*nibble).ok_or(TreeError::Limit(Limit::Trie))?;
                        self.pending.push((child.hash, position, Expected::Child(child.totals)));
                    }
                }
            }
        }
    }
}

impl<S: NodeSource> Iterator for Entries<S> {
    type Item = Result<(Name, Entry), TreeError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.step();
        if result.is_err() {
            self.pending.clear();
        }
        result.transpose()
    }
}

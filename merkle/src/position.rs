//! A place in a directory's trie: the nibbles that lead there from the directory's first node.

use std::fmt;

use crate::limits::MAX_TRIE_DEPTH;
use crate::name::Slot;

/// The nibbles that lead to a node; none for a directory's first node.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Two nibbles a byte, the earlier one high; unused ones are zero.
    nibbles: [u8; MAX_TRIE_DEPTH / 2],
    depth: u8,
}

/// The nibble of `slot` that chooses the child of a node at `depth`.
pub(crate) fn nibble(slot: &Slot, depth: usize) -> u8 {
    let byte = slot[depth / 2];
    if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 }
}

impl Position {
    /// The place of a directory's first node.
    pub const ROOT: Position = Position { nibbles: [0; MAX_TRIE_DEPTH / 2], depth: 0 };

    /// The place that `nibbles`, each below 16, lead to. `None` if one is not, or if there are
    /// more than [`MAX_TRIE_DEPTH`].
    pub fn from_nibbles(nibbles: &[u8]) -> Option<Position> {
        nibbles.iter().try_fold(Position::ROOT, |position, &nibble| {
            if nibble < 16 { position.child(nibble) } else { None }
        })
    }

    /// The nibbles that lead here.
    pub fn nibbles(&self) -> impl Iterator<Item = u8> + '_ {
        (0..self.depth()).map(|index| {
            let byte = self.nibbles[index / 2];
            if index.is_multiple_of(2) { byte >> 4 } else { byte & 15 }
        })
    }

    /// Number of nibbles.
    pub fn depth(&self) -> usize {
        usize::from(self.depth)
    }

    /// The place one nibble deeper; `None` below [`MAX_TRIE_DEPTH`].
    pub(crate) fn child(mut self, nibble: u8) -> Option<Position> {
        debug_assert!(nibble < 16);
        let depth = self.depth();
        if depth >= MAX_TRIE_DEPTH {
            return None;
        }
        self.nibbles[depth / 2] |= if depth.is_multiple_of(2) { nibble << 4 } else { nibble };
        self.depth += 1;
        Some(self)
    }

    /// Whether `slot` lies at or below this place.
    pub fn holds(&self, slot: &Slot) -> bool {
        let whole = self.depth() / 2;
        self.nibbles[..whole] == slot[..whole]
            && (self.depth().is_multiple_of(2) || self.nibbles[whole] >> 4 == slot[whole] >> 4)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        self.nibbles().try_for_each(|nibble| write!(f, "{nibble:x}"))
    }
}

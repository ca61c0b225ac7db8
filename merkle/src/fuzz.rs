//! Bodies for fuzzing the decoders: they panic where a decoder accepts what it must not.
//!
//! Plain functions, so that any fuzzer and the property tests of this crate run the same.

use crate::delta::Delta;
use crate::limits::MAX_TRIE_DEPTH;
use crate::node::Node;
use crate::position::{Position, nibble};

/// Decodes arbitrary bytes as a node at every place where they could belong.
///
/// # Panics
///
/// If they are accepted although their re-encoding differs, or at a place where they do not belong.
pub fn decode_node(bytes: &[u8]) {
    for depth in 0..=MAX_TRIE_DEPTH {
        let Some(position) = Position::from_nibbles(&vec![0; depth]) else { return };
        check(bytes, &position);
    }
    let Ok(Node::Leaf(leaf)) = Node::decode(bytes, &Position::ROOT) else { return };
    let Some((first, _)) = leaf.entries().first() else { return };
    // Along the first name's way, a leaf belongs wherever all its names do, and nowhere else.
    let slot = first.slot();
    for depth in 1..=MAX_TRIE_DEPTH {
        let nibbles: Vec<u8> = (0..depth).map(|depth| nibble(&slot, depth)).collect();
        let Some(position) = Position::from_nibbles(&nibbles) else { return };
        let belongs = leaf.entries().iter().all(|(name, _)| position.holds(&name.slot()));
        assert_eq!(Node::decode(bytes, &position).is_ok(), belongs, "a leaf in the wrong place");
    }
}

fn check(bytes: &[u8], position: &Position) {
    if let Ok(node) = Node::decode(bytes, position) {
        assert!(node.encode() == bytes, "an accepted node re-encodes differently");
        assert!(node.totals().is_ok(), "an accepted node has no totals");
    }
}

/// Decodes arbitrary bytes as a delta.
///
/// # Panics
///
/// If they are accepted although their re-encoding differs.
pub fn decode_delta(bytes: &[u8]) {
    if let Ok(delta) = Delta::decode(bytes) {
        let again = delta.encode();
        assert!(
            again.is_ok_and(|again| again == bytes),
            "an accepted delta re-encodes differently"
        );
    }
}

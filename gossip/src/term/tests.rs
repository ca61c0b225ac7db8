use std::cmp::Ordering;

use mirrormesh_merkle::Hash;
use proptest::prelude::*;

use super::Term;
use crate::fence::tests::term;

/// Ascending: each row loses to every later one.
#[test]
fn the_order_is_epoch_then_vote_then_base_then_smaller_hash() {
    let row = |epoch, voted, base, hash| Term {
        epoch,
        voted,
        base,
        certificate: Hash::from_bytes([hash; 32]),
    };
    let table = [
        row(1, false, (0, 0), 9),
        row(2, false, (1, 3), 9),
        row(2, false, (1, 3), 8),
        row(2, false, (1, 4), 9),
        row(2, true, (1, 2), 9),
        row(2, true, (1, 3), 9),
        row(2, true, (1, 3), 1),
        row(3, false, (1, 1), 9),
        row(3, false, (2, 1), 9),
        row(3, true, (1, 1), 9),
        row(4, false, (1, 1), 9),
    ];
    for (index, one) in table.iter().enumerate() {
        for (other_index, other) in table.iter().enumerate() {
            assert_eq!(one.cmp(other), index.cmp(&other_index), "{one:?} {other:?}");
        }
    }
    assert_eq!(table[0].short(), "090909090909");
    assert_eq!(table[0].to_string(), "090909090909");
}

proptest! {
    #[test]
    fn it_is_a_total_order(one in term(), other in term(), third in term()) {
        prop_assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
        prop_assert_eq!(one.cmp(&other) == Ordering::Equal, one == other);
        if one < other && other < third {
            prop_assert!(one < third);
        }
    }
}

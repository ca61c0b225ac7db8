//! What is too much for a replica.

use super::*;

#[test]
fn more_than_half_and_more_than_a_few() {
    let brake = Brake::default();
    assert!(brake.is_too_much(51, 100) && !brake.is_too_much(50, 100));
    assert!(brake.is_too_much(21, 21) && !brake.is_too_much(20, 20));
}

#[test]
fn a_half_copied_docroot_is_weighed_as_what_it_was_to_become() {
    let brake = Brake::bringing(120);
    assert!(!brake.is_too_much(42, 76), "the tree keeps 78 of 120 files");
    assert!(brake.is_too_much(61, 76), "most of the tree goes");
    // Files that others put there count.
    assert!(!brake.is_too_much(100, 200) && brake.is_too_much(101, 200));
}

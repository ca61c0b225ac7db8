//! What is too much for a replica.

use super::*;

fn at(seconds: u64) -> Instant {
    Instant(seconds * 1_000_000_000)
}

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

#[test]
fn what_is_stored_for_the_next_start_changes_with_what_counts() {
    let mut brake = Brake::default();
    let stored = |brake: &mut Brake| {
        let mut batch = Batch::default();
        brake.put(&mut batch, Wall(7));
        batch.writes.pop().map(|(_, _, value)| value.and_then(|value| state::unpair(&value)))
    };
    assert_eq!(stored(&mut brake), None);
    brake.remember(at(1), 100);
    assert_eq!(stored(&mut brake), Some(Some((7, 100))));
    // Fewer files: the largest still counts.
    brake.remember(at(2), 60);
    assert_eq!(stored(&mut brake), None);
    brake.had = Some(100);
    assert_eq!(stored(&mut brake), Some(Some((HELD, 100))));
    brake.had = None;
    brake.remember(at(700), 50);
    assert_eq!(stored(&mut brake), Some(Some((7, 50))));
}

#[test]
fn of_trees_that_pass_the_smallest_counts() {
    let mut brake = Brake::default();
    // A move is published from both ends, then from one; what comes after has names of its own.
    brake.publishes(at(1), 200);
    brake.publishes(at(2), 100);
    brake.publishes(at(3), 150);
    assert_eq!(brake.passing, Some((at(1), 100)));
}

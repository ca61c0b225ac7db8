use proptest::prelude::*;

use super::Sequence;

#[test]
fn nothing_is_given_out_that_is_not_durable() {
    let mut sequence = Sequence::new();
    assert!(sequence.wants_block());
    assert_eq!(sequence.next(), None);
    let bound = sequence.reserve_next(3);
    assert_eq!(sequence.next(), None);
    sequence.made_durable(bound);
    assert_eq!([1, 2, 3].map(Some), [sequence.next(), sequence.next(), sequence.next()]);
    assert_eq!(sequence.next(), None);
    let next_bound = sequence.reserve_next(3);
    sequence.made_durable(bound);
    assert_eq!(sequence.next(), None, "an older bound made durable again");
    sequence.made_durable(next_bound + 100);
    assert_eq!(sequence.remaining(), 3, "only what was reserved counts");
}

#[test]
fn a_block_is_wanted_once_and_in_time() {
    let mut sequence = Sequence::restart(1);
    let bound = sequence.reserve_next(Sequence::BLOCK);
    assert!(!sequence.wants_block(), "one is on its way");
    sequence.made_durable(bound);
    while !sequence.wants_block() {
        sequence.next().unwrap();
    }
    assert_eq!(sequence.remaining(), Sequence::BLOCK / 2 - 1);
}

#[test]
fn a_known_higher_number_is_passed() {
    let mut sequence = Sequence::restart(1);
    let bound = sequence.reserve_next(10);
    sequence.made_durable(bound);
    sequence.raise_above(5_000);
    assert_eq!(sequence.next(), None);
    assert!(sequence.wants_block());
    let bound = sequence.reserve_next(10);
    sequence.made_durable(bound);
    assert_eq!(sequence.next(), Some(5_001));
    sequence.raise_above(u64::MAX);
    let bound = sequence.reserve_next(10);
    sequence.made_durable(bound);
    assert_eq!(sequence.next(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Next,
    Reserve(u64),
    /// The stored bound reaches the disk, and the node hears of it.
    Durable,
    /// The stored bound reaches the disk, and the node dies before it hears of it.
    DurableThenCrash,
    Crash,
    Raise(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Next),
        2 => (0_u64..5).prop_map(Step::Reserve),
        2 => Just(Step::Durable),
        1 => Just(Step::DurableThenCrash),
        1 => Just(Step::Crash),
        1 => (0_u64..50).prop_map(Step::Raise),
    ]
}

proptest! {
    #[test]
    fn no_restart_repeats_a_number(steps in prop::collection::vec(step(), 0..200)) {
        let (mut on_disk, mut asked, mut last) = (1, 1, 0);
        let mut sequence = Sequence::restart(on_disk);
        for step in steps {
            match step {
                Step::Next => {
                    if let Some(number) = sequence.next() {
                        prop_assert!(number > last);
                        prop_assert!(number < on_disk, "used before it was durable");
                        last = number;
                    }
                }
                Step::Reserve(block) => asked = sequence.reserve_next(block),
                Step::Durable => {
                    on_disk = on_disk.max(asked);
                    sequence.made_durable(asked);
                }
                Step::DurableThenCrash => {
                    on_disk = on_disk.max(asked);
                    sequence = Sequence::restart(on_disk);
                }
                Step::Crash => {
                    asked = on_disk;
                    sequence = Sequence::restart(on_disk);
                }
                Step::Raise(seq) => sequence.raise_above(seq),
            }
        }
    }
}

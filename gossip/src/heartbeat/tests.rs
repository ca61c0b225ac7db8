use std::time::Duration;

use mirrormesh_merkle::Hash;
use proptest::prelude::*;

use super::Freshness;
use crate::fence::tests::term;
use crate::{Instant, Term};

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

const TERM: Term =
    Term { epoch: 1, voted: false, base: (0, 0), certificate: Hash::from_bytes([1; 32]) };

#[test]
fn fresh_is_less_than_ten_seconds() {
    let mut freshness = Freshness::new();
    assert!(!freshness.is_fresh(at(0)));
    assert!(freshness.receive(at(100), TERM, 5));
    assert!(freshness.is_fresh(at(100)));
    assert!(freshness.is_fresh(Instant(at(110).0 - 1)));
    assert!(!freshness.is_fresh(at(110)));
    assert!(!freshness.is_fresh(at(99)), "a clock that went back");
}

#[test]
fn a_repetition_freshens_nothing() {
    let mut freshness = Freshness::new();
    assert!(freshness.receive(at(100), TERM, 5));
    assert!(!freshness.receive(at(109), TERM, 5));
    assert!(!freshness.receive(at(109), TERM, 4));
    assert!(!freshness.is_fresh(at(110)));
    let next_term = Term { epoch: 2, ..TERM };
    assert!(freshness.receive(at(111), next_term, 1));
    assert!(!freshness.receive(at(112), TERM, 6));
}

#[test]
fn restarts_are_no_way_around_it() {
    let mut freshness = Freshness::new();
    freshness.receive(at(100), TERM, 5);
    let mut restarted = Freshness::restore(&freshness.stored()).unwrap();
    assert!(!restarted.is_fresh(at(100)));
    assert!(!restarted.receive(at(1), TERM, 5));
    assert!(restarted.receive(at(1), TERM, 6));
    assert!(restarted.is_fresh(at(1)));
}

#[test]
fn a_new_term_must_be_heard_itself() {
    let mut freshness = Freshness::new();
    freshness.receive(at(100), TERM, 5);
    freshness.begin_term();
    assert!(!freshness.is_fresh(at(100)));
    assert!(!freshness.receive(at(100), TERM, 5));
}

proptest! {
    #[test]
    fn positions_rise_strictly(beats in prop::collection::vec((term(), 0_u64..6, any::<bool>()), 0..50)) {
        let mut freshness = Freshness::new();
        let mut newest: Option<(Term, u64)> = None;
        for (term, number, restart) in beats {
            let expected = Some((term, number)) > newest;
            prop_assert_eq!(freshness.receive(Instant::ZERO, term, number), expected);
            newest = newest.max(Some((term, number)));
            prop_assert_eq!(freshness.newest(), newest.as_ref());
            if restart {
                freshness = Freshness::restore(&freshness.stored()).unwrap();
            }
        }
    }
}

use std::time::Duration;

use super::Entropy;

#[test]
fn one_seed_one_stream() {
    let mut one = Entropy::new([1; 32]);
    let mut other = Entropy::new([1; 32]);
    let mut long = [0; 200];
    one.fill(&mut long);
    for piece in long.chunks(7) {
        let mut bytes = vec![0; piece.len()];
        other.fill(&mut bytes);
        assert_eq!(bytes, piece);
    }
    assert_ne!(Entropy::new([2; 32]).next_u64(), Entropy::new([1; 32]).next_u64());
}

#[test]
fn forks_differ_by_purpose_and_by_turn() {
    let mut parent = Entropy::new([1; 32]);
    let mut same_parent = parent.clone();
    let mut first = parent.fork("dial");
    let mut second = parent.fork("dial");
    assert_ne!(first.next_u64(), second.next_u64());
    assert_ne!(
        same_parent.fork("gossip").next_u64(),
        Entropy::new([1; 32]).fork("dial").next_u64()
    );
}

#[test]
fn below_stays_below_and_reaches_everything() {
    let mut entropy = Entropy::new([3; 32]);
    let mut seen = [0_u32; 7];
    for _ in 0..7_000 {
        seen[entropy.below(7) as usize] += 1;
    }
    assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
    assert_eq!(entropy.below(0), 0);
    assert_eq!(entropy.below(1), 0);
    assert!(entropy.below(u64::MAX) < u64::MAX);
}

#[test]
fn jitter_lies_between_the_half_and_the_whole() {
    let mut entropy = Entropy::new([4; 32]);
    let second = Duration::from_secs(1);
    for _ in 0..1_000 {
        let wait = entropy.jitter(second);
        assert!(wait >= second / 2 && wait <= second);
    }
    assert_eq!(entropy.jitter(Duration::ZERO), Duration::ZERO);
    assert!(entropy.jitter(Duration::MAX) <= Duration::from_nanos(u64::MAX));
}

#[test]
fn the_seed_is_not_shown() {
    assert_eq!(format!("{:?}", Entropy::new([5; 32])), "Entropy { .. }");
}

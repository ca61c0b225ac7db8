use std::time::Duration;

use super::{Instant, Wall};

#[test]
fn an_instant_stops_at_both_ends() {
    let late = Instant(u64::MAX) + Duration::MAX;
    assert_eq!(late, Instant(u64::MAX));
    assert_eq!(Instant::ZERO.saturating_since(late), Duration::ZERO);
    assert_eq!((Instant(5) + Duration::from_nanos(7)).saturating_since(Instant(5)).as_nanos(), 7);
}

#[test]
fn walls_are_shown_as_dates() {
    for (nanoseconds, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_123_000_000, "2000-02-29T00:00:00.123Z"),
        (951_868_800_000_000_000, "2000-03-01T00:00:00.000Z"),
        (1_795_561_200_000_000_000, "2026-11-24T23:00:00.000Z"),
        (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000Z"),
        (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
        (i64::MAX, "2262-04-11T23:47:16.854Z"),
        (i64::MIN, "1677-09-21T00:12:43.145Z"),
    ] {
        assert_eq!(Wall(nanoseconds).to_string(), text);
    }
}

#[test]
fn a_token_expires_at_its_time_not_after_it() {
    let expires = Wall(10);
    assert!(!expires.is_past(Wall(9)));
    assert!(expires.is_past(Wall(10)));
    assert_eq!(Wall(i64::MAX - 1).after(Duration::from_secs(1)), Wall(i64::MAX));
}

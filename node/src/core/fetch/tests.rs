use super::*;

#[test]
fn bytes_that_trickle_count_only_while_nobody_else_is_there() {
    let start = Instant(1);
    let mut pace = Pace::new(start);
    for second in 1..8 {
        assert!(!pace.came(LEAST_BYTES / 8, start + Duration::from_secs(second)));
    }
    let now = start + Duration::from_secs(7);
    assert_eq!(pace.late_at(1, false), start + PATIENCE);
    assert_eq!(pace.late_at(1, true), now + PATIENCE);
    assert_eq!(pace.late_at(4, false), start + 4 * PATIENCE);
    pace.came(0, now + PATIENCE);
    assert_eq!(pace.late_at(1, true), now + PATIENCE, "nothing is no progress");
    assert!(pace.came(LEAST_BYTES / 8, now));
    assert_eq!(pace.late_at(1, false), now + PATIENCE);
    pace.excuse(Duration::from_secs(3));
    assert_eq!(pace.late_at(1, false), now + PATIENCE + Duration::from_secs(3));
    assert_eq!(pace.late_at(1, true), now + PATIENCE + Duration::from_secs(3));
}

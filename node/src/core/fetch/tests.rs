use super::*;

#[test]
fn bytes_that_trickle_do_not_count_as_coming() {
    let start = Instant(1);
    let mut pace = Pace::new(start);
    for second in 1..8 {
        pace.came(LEAST_BYTES / 8, start + Duration::from_secs(second));
    }
    assert_eq!(pace.late_at(), start + PATIENCE);
    let now = start + Duration::from_secs(7);
    pace.came(LEAST_BYTES / 8, now);
    assert_eq!(pace.late_at(), now + PATIENCE);
    pace.excuse(Duration::from_secs(3));
    assert_eq!(pace.late_at(), now + PATIENCE + Duration::from_secs(3));
}

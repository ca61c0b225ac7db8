//! Tests of what is to be hashed.

use super::*;

fn path(text: &str) -> Path {
    Path::from_bytes(text.as_bytes()).expect("a path")
}

#[test]
fn a_later_change_of_a_large_file_does_not_hide_the_first() {
    let mut watching = Watching::default();
    assert!(watching.wants_hash(&path("film"), Instant(1)));
    assert!(watching.wants_hash(&path("film"), Instant(3)));
    assert!(!watching.has_seen(Instant(2)), "what changed before has not been hashed");
    assert_eq!(watching.next_to_hash(), Some(path("film")));
    assert!(watching.wants_hash(&path("film"), Instant(4)));
    assert!(watching.wants_hash(&path("sound"), Instant(5)));
    assert_eq!(watching.next_to_hash(), Some(path("sound")), "one file is hashed once at a time");
    assert_eq!(watching.next_to_hash(), None);
    assert!(!watching.has_seen(Instant(2)));
}

#[test]
fn as_many_large_files_wait_as_may() {
    let mut watching = Watching::default();
    for number in 0..MAX_HASH_QUEUE {
        assert!(watching.wants_hash(&path(&format!("f{number}")), Instant(1)));
    }
    assert!(!watching.wants_hash(&path("one too many"), Instant(1)));
    assert!(watching.wants_hash(&path("f0"), Instant(2)), "it waits already");
}

use super::*;

fn peer(seed: u8) -> NodeId {
    mirrormesh_gossip::SecretKey::from_seed([seed; 32]).public()
}

#[test]
fn every_note_is_counted() {
    let notes = Notes::new();
    notes.take(&Note::Walk {});
    notes.take(&Note::Walk {});
    let counts: BTreeMap<_, _> = notes.counts().collect();
    assert_eq!(counts["walk"], 2);
    assert_eq!(counts["published"], 0);
}

#[test]
fn refusals_are_a_line_a_minute_with_their_number() {
    let notes = Notes::new();
    let start = Instant(1);
    assert_eq!(notes.refusal(peer(1), "bad-frame", start), Some(0));
    assert_eq!(notes.refusal(peer(1), "bad-frame", start), None);
    assert_eq!(notes.refusal(peer(1), "bad-frame", start + REFUSED_EVERY / 2), None);
    assert_eq!(notes.refusal(peer(1), "bad-head", start), Some(0));
    assert_eq!(notes.refusal(peer(2), "bad-frame", start), Some(0));
    assert_eq!(notes.refusal(peer(1), "bad-frame", start + REFUSED_EVERY), Some(2));
    assert_eq!(notes.refused(), [("bad-frame", 5), ("bad-head", 1)]);
}

#[test]
fn the_memory_is_bounded_and_forgets() {
    let notes = Notes::new();
    let start = Instant(1);
    let whats: Vec<&'static str> =
        (0..PEERS_REMEMBERED + 1).map(|number| &*number.to_string().leak()).collect();
    for what in &whats {
        notes.refusal(peer(1), what, start);
    }
    assert_eq!(notes.refused.lock().unwrap().lines.len(), PEERS_REMEMBERED);
    assert_eq!(notes.refusal(peer(1), "one more", start + REFUSED_EVERY), Some(0));
    assert_eq!(notes.refused.lock().unwrap().lines.len(), 1);
}

#[test]
fn a_line_is_one_line() {
    let note = Note::JobFailed { reason: "a\nb\u{1b}[31m".to_owned() };
    assert!(!sentence(&note).chars().any(char::is_control));
}

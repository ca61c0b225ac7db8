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

#[test]
fn who_comes_and_goes_all_the_time_is_named_a_few_times() {
    let notes = Notes::new();
    let start = Instant(1);
    let show = |number: u8, at| notes.refusals().show(peer(number), "connected", CONNECTIONS, at);
    for _ in 0..CONNECTIONS.lines {
        assert_eq!(show(1, start), Some(0));
    }
    assert_eq!(show(1, start), None);
    assert_eq!(show(2, start), Some(0), "others are named all the same");
    assert_eq!(show(1, start + REFUSED_EVERY), Some(1));
}

#[test]
fn strangers_with_ever_new_keys_are_not_all_named() {
    let notes = Notes::new();
    let start = Instant(1);
    let shown =
        (0..=u8::MAX).filter(|seed| notes.refusal(peer(*seed), "stranger", start).is_some());
    assert_eq!(shown.count(), REFUSALS.peers as usize);
    assert_eq!(notes.refusal(peer(1), "wrong-delta", start), Some(0), "of other things they are");
    let last = peer(u8::MAX);
    assert_eq!(notes.refusal(last, "stranger", start + REFUSED_EVERY), Some(0));
}

use super::*;

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn welcome(verdict: Verdict) -> Option<HandshakePlace> {
    match verdict {
        Verdict::Welcome(place) => Some(place),
        Verdict::Prove | Verdict::Full => None,
    }
}

#[test]
fn one_address_does_not_take_all_places() {
    let admission = Arc::new(Admission::default());
    let mut held = Vec::new();
    while let Verdict::Welcome(place) = admission.handshake(address(1), true) {
        held.push(place);
    }
    assert_eq!(held.len(), HANDSHAKES_OF_ONE);
    assert!(matches!(admission.handshake(address(1), false), Verdict::Prove));
    assert!(matches!(admission.handshake(address(2), false), Verdict::Prove));
    assert!(welcome(admission.handshake(address(2), true)).is_some());
    held.clear();
    assert!(welcome(admission.handshake(address(1), false)).is_some());
}

#[test]
fn handshakes_are_bounded_in_all() {
    let admission = Arc::new(Admission::default());
    let held: Vec<_> = (0..=u8::MAX)
        .flat_map(|last| (0..4).map(move |_| last))
        .filter_map(|last| welcome(admission.handshake(address(last), true)))
        .collect();
    assert_eq!(held.len(), HANDSHAKES);
}

#[test]
fn strangers_are_bounded_and_members_free_their_places() {
    let admission = Arc::new(Admission::default());
    let mut held: Vec<_> = (0..STRANGERS)
        .filter_map(|_| welcome(admission.handshake(address(1), true)))
        .map(HandshakePlace::connected)
        .collect();
    assert_eq!(held.len(), STRANGERS);
    assert!(matches!(admission.handshake(address(2), true), Verdict::Full));
    let (member, stranger) = held.pop().unwrap();
    drop(stranger);
    assert!(welcome(admission.handshake(address(2), true)).is_some());
    drop((member, held));
    assert_eq!(admission.counts().connections, 0);
    assert_eq!(admission.counts().sources.len(), 0);
}

#[test]
fn who_is_turned_away_is_counted_and_named_now_and_then() {
    let admission = Admission::default();
    let start = Instant(1);
    assert_eq!(admission.turned_away_now(start), Some(1));
    assert_eq!(admission.turned_away_now(start), None);
    assert_eq!(admission.turned_away_now(start + NAMED_EVERY / 2), None);
    assert_eq!(admission.turned_away_now(start + NAMED_EVERY), Some(3));
    assert_eq!(admission.turned_away(), 4);
}

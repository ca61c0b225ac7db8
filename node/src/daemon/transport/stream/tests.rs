use super::*;

fn stream() -> Arc<Stream> {
    Stream::new(StreamId(1), ConnectionId(1))
}

#[test]
fn orders_come_in_their_sequence() {
    let stream = stream();
    assert_eq!(stream.next_order(), Order::Wait);
    stream.write(Bytes::from_static(b"one"));
    stream.finish();
    assert_eq!(stream.next_order(), Order::Write(Bytes::from_static(b"one")));
    assert_eq!(stream.next_order(), Order::Finish);
}

#[test]
fn a_chunk_before_its_turn_resets() {
    let stream = stream();
    stream.write(Bytes::from_static(b"one"));
    stream.write(Bytes::from_static(b"two"));
    assert_eq!(stream.next_order(), Order::Reset);
    assert_eq!(stream.credit(), None);
}

#[test]
fn credit_adds_up_and_is_spent() {
    let stream = stream();
    stream.grant(u64::MAX);
    stream.grant(10);
    assert_eq!(stream.credit(), Some(u64::MAX));
    stream.spend(u64::MAX - 3);
    assert_eq!(stream.credit(), Some(3));
}

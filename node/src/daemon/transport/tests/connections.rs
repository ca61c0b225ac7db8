//! Who gets in.

use super::*;
use crate::core::{Event, FIRST_FRAMES, MAX_FRAME_BYTES};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_keys_are_proved_and_either_side_may_speak_first() {
    let (mut left, to_right, mut right, to_left) = pair().await;
    assert_eq!((to_right.peer, to_right.dialled), (right.id, true));
    assert_eq!((to_left.peer, to_left.dialled), (left.id, false));
    assert_eq!(to_right.address(), right.address().to_string());
    to_left.send_frame(Bytes::from_static(b"first"));
    assert_eq!(left.frame().await, "first");
    to_right.send_frame(Bytes::from_static(b"second"));
    assert_eq!(right.frame().await, "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_than_the_expected_is_refused() {
    let (mut left, mut right, third) = (End::new(1), End::new(2), End::new(3));
    left.endpoint.dial(third.id, vec![right.address().to_string()]);
    match left.next().await {
        Input::Event(Event::DialFailed { peer, reason }) => {
            assert_eq!(peer, third.id);
            assert!(reason.contains(&right.address().to_string()), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(right.inputs.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_address_is_tried_when_the_first_is_dead() {
    let (mut left, mut right) = (End::new(1), End::new(2));
    let nobody = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let dead = nobody.local_addr().unwrap().to_string();
    left.endpoint
        .dial(right.id, vec!["name.invalid:1".to_owned(), dead, right.address().to_string()]);
    assert_eq!(left.connected().await.peer, right.id);
    assert_eq!(right.connected().await.peer, left.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ipv6_socket_reaches_ipv4() {
    let mut left = End::on(1, (std::net::Ipv6Addr::UNSPECIFIED, 0).into());
    let mut right = End::new(2);
    left.dial(&right);
    assert_eq!(left.connected().await.address(), right.address().to_string());
    assert!(right.connected().await.address().starts_with("127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_frames_and_the_reason_arrive_before_the_end() {
    let (mut left, to_right, mut right, _to_left) = pair().await;
    let frame = Bytes::from(vec![7; MAX_FRAME_BYTES]);
    for _ in 0..FIRST_FRAMES {
        to_right.send_frame(frame.clone());
    }
    to_right.close("you were removed");
    to_right.send_frame(Bytes::from_static(b"too late"));
    for _ in 0..FIRST_FRAMES {
        assert_eq!(right.frame().await.len(), MAX_FRAME_BYTES);
    }
    let (_, reason) = right.disconnected().await;
    assert_eq!(reason, "closed by the peer: you were removed");
    assert_eq!(left.disconnected().await.1, "you were removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_too_long_ends_the_connection() {
    let (mut left, to_right, mut right, _to_left) = pair().await;
    to_right.send_frame(Bytes::from(vec![0; MAX_FRAME_BYTES + 1]));
    assert!(right.disconnected().await.1.contains("too long"));
    assert!(left.disconnected().await.1.contains("too long"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_an_error() {
    let left = End::new(1);
    let (inbox, _inputs) = Inbox::new();
    let secret = SecretKey::from_seed([2; 32]);
    let opened = Endpoint::open(&secret, left.address(), Tuning::default(), inbox);
    let message = opened.err().expect("refused").to_string();
    assert!(message.contains(&left.address().to_string()), "{message}");
}

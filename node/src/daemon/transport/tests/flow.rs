//! Credit, and bounds of streams.

use super::*;
use crate::core::{FIRST_FRAMES, MAX_CHUNK_BYTES, MAX_REQUEST_BYTES};

/// Waits until what `connection` was given before has surely arrived and been looked at: a stream
/// opened later has made its way there and back.
async fn settle(asking: &mut End, connection: &Arc<Connection>, answering: &mut End) {
    let id = StreamId(1_000_000);
    let stream = connection.open(id, Bytes::from_static(b"settle"), &asking.inbox);
    let (answer, request) = answering.opened().await;
    assert_eq!(request, "settle");
    answer.finish();
    assert!(matches!(asking.stream().await, (found, StreamEvent::End) if found == id));
    drop(stream);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_are_read_only_with_credit() {
    let (mut left, to_right, mut right, to_left) = pair().await;
    for number in 0..FIRST_FRAMES + 5 {
        to_right.send_frame(Bytes::from(number.to_string()));
    }
    for number in 0..FIRST_FRAMES {
        assert_eq!(right.frame().await, number.to_string());
    }
    settle(&mut left, &to_right, &mut right).await;
    assert!(right.inputs.try_recv().is_err());
    to_left.grant_frames(2);
    assert_eq!(right.frame().await, FIRST_FRAMES.to_string());
    assert_eq!(right.frame().await, (FIRST_FRAMES + 1).to_string());
    settle(&mut left, &to_right, &mut right).await;
    assert!(right.inputs.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_read_only_with_credit_and_its_end_without() {
    let (mut left, to_right, mut right, _to_left) = pair().await;
    let stream = to_right.open(StreamId(2), Bytes::from_static(b"please"), &left.inbox);
    let (answer, request) = right.opened().await;
    assert_eq!(request, "please");
    assert_eq!(answer.id.0 % 2, 1);
    let whole: Vec<u8> = (0..MAX_CHUNK_BYTES).map(|index| index as u8).collect();
    answer.write(Bytes::from(whole.clone()));
    assert!(matches!(right.stream().await, (id, StreamEvent::Writable) if id == answer.id));
    answer.finish();
    settle(&mut left, &to_right, &mut right).await;
    assert!(left.inputs.try_recv().is_err());

    let mut received = Vec::new();
    for granted in [1_000, 1, MAX_CHUNK_BYTES - 1_001] {
        stream.grant(granted as u64);
        let wanted = received.len() + granted;
        while received.len() < wanted {
            received.extend_from_slice(&left.chunk().await);
        }
        assert_eq!(received.len(), wanted);
    }
    assert_eq!(received, whole);
    assert!(matches!(left.stream().await, (StreamId(2), StreamEvent::End)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_long_is_reset_and_not_heard() {
    let (mut left, to_right, mut right, _to_left) = pair().await;
    let request = Bytes::from(vec![0; MAX_REQUEST_BYTES + 1]);
    let _stream = to_right.open(StreamId(2), request, &left.inbox);
    assert!(matches!(left.stream().await, (StreamId(2), StreamEvent::Reset)));
    settle(&mut left, &to_right, &mut right).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_up_is_heard_on_the_other_side() {
    let (mut left, to_right, mut right, _to_left) = pair().await;
    let stream = to_right.open(StreamId(2), Bytes::from_static(b"a"), &left.inbox);
    let (answer, _) = right.opened().await;
    stream.reset();
    assert!(matches!(right.stream().await, (id, StreamEvent::Reset) if id == answer.id));

    let _stream = to_right.open(StreamId(4), Bytes::from_static(b"b"), &left.inbox);
    let (answer, _) = right.opened().await;
    answer.reset();
    assert!(matches!(left.stream().await, (StreamId(4), StreamEvent::Reset)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_bounded_and_all_come_in_the_end() {
    const STREAMS: u64 = 200;
    let (mut left, to_right, mut right, to_left) = pair().await;
    let mut asked = Vec::new();
    for number in 0..STREAMS {
        let request = Bytes::from_static(b"one of many");
        asked.push(to_right.open(StreamId(number * 2), request, &left.inbox));
    }
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(right.opened().await.0);
    }
    assert!(right.inputs.try_recv().is_err(), "a stranger opens few streams");
    // Frames make nobody a member.
    to_left.grant_frames(100);
    to_left.admit();
    while answers.len() < 64 {
        answers.push(right.opened().await.0);
    }
    assert!(right.inputs.try_recv().is_err(), "a member opens a bounded number of streams");
    let mut opened = answers.len();
    for answer in answers {
        answer.finish();
    }
    let mut ended = 0;
    while ended < STREAMS {
        tokio::select! {
            input = left.next() => match input {
                Input::Stream { event: StreamEvent::End, .. } => ended += 1,
                other => panic!("{other:?}"),
            },
            (answer, _) = right.opened() => {
                opened += 1;
                answer.finish();
            }
        }
    }
    assert_eq!(opened as u64, STREAMS);
}

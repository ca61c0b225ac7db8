//! How fast it is. Not a check: `cargo test --release -- --ignored --nocapture speed`.

#![expect(clippy::print_stdout, reason = "what was measured is what it is for")]

use tokio::time::Instant;

use super::*;
use crate::core::MAX_CHUNK_BYTES;

const TOTAL: u64 = 1024 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn throughput_of_one_stream() {
    let (mut left, to_right, mut right, to_left) = pair().await;
    to_left.admit();
    let stream = to_right.open(StreamId(2), Bytes::from_static(b"all"), &left.inbox);
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        let (answer, _) = right.opened().await;
        let chunk = Bytes::from(vec![7; MAX_CHUNK_BYTES]);
        let mut left_over = TOTAL;
        while left_over > 0 {
            answer.write(chunk.clone());
            left_over -= chunk.len() as u64;
            let _ = right.stream().await;
        }
        answer.finish();
        right
    });
    stream.grant(4 * MAX_CHUNK_BYTES as u64);
    let (mut received, mut chunks) = (0, 0);
    while let (_, StreamEvent::Chunk(bytes)) = left.stream().await {
        received += bytes.len() as u64;
        chunks += 1;
        stream.grant(bytes.len() as u64);
    }
    assert_eq!(received, TOTAL);
    let seconds = start.elapsed().as_secs_f64();
    let rate = TOTAL as f64 / seconds / 1e6;
    let stats = to_left.quic().stats();
    println!("{rate:.0} MB/s, {} bytes a chunk, {:?}", received / chunks, stats.path);
    drop(sender.await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn round_trip_of_a_frame() {
    const ROUNDS: u32 = 5_000;
    let (mut left, to_right, mut right, to_left) = pair().await;
    to_left.grant_frames(ROUNDS);
    to_right.grant_frames(ROUNDS);
    let echo = tokio::spawn(async move {
        for _ in 0..ROUNDS {
            let frame = right.frame().await;
            to_left.send_frame(frame);
        }
        right
    });
    let start = Instant::now();
    for _ in 0..ROUNDS {
        to_right.send_frame(Bytes::from_static(b"head"));
        let _ = left.frame().await;
    }
    println!("{:?} a round trip", start.elapsed() / ROUNDS);
    drop(echo.await);
}

//! Figures, not tests: `cargo test -- --ignored --nocapture measure`.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // It measures, and says what.

use std::time::{Duration, Instant};

use super::tests::Watching;
use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// From before `close` until a task of the runtime has the hint.
#[test]
#[ignore = "measures"]
fn measure_latency() {
    let mut watching = Watching::new(20_000, SHARD_WATCHES);
    watching.watch("");
    let root = watching.full("");
    let (sender, mut closed) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for index in 0..3_000 {
            let name = format!("file-{index}");
            let file = std::fs::File::create(root.join(&name)).unwrap();
            std::io::Write::write_all(&mut &file, &[0; 4096]).unwrap();
            let start = Instant::now();
            drop(file);
            sender.send((name, start)).unwrap();
            // A pause between writers, not a wait for a result.
            std::thread::park_timeout(Duration::from_millis(1));
        }
    });
    let mut times = runtime().block_on(async move {
        tokio::spawn(async move {
            let mut times = Vec::new();
            while times.len() < 3_000 {
                for hint in watching.receiver.recv_batch().await {
                    let now = Instant::now();
                    if hint.kind == HintKind::Complete {
                        let (name, start) = closed.recv().await.unwrap();
                        assert_eq!(name.as_bytes(), hint.path.as_bytes());
                        times.push(now - start);
                    }
                }
            }
            times
        })
        .await
        .unwrap()
    });
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("close to hint: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
}

/// How long events wait while many watched directories are removed, by the size of an instance.
#[test]
#[ignore = "measures"]
fn measure_removal_of_directories() {
    for shard_watches in [usize::MAX, SHARD_WATCHES] {
        for removed in [1_000, 10_000] {
            let mut watching = Watching::new(20_001, shard_watches);
            watching.watch("");
            let names: Vec<String> = (0..20_000)
                .map(|index| format!("{}/some-directory-{index}", index / 1_000))
                .collect();
            for name in &names {
                std::fs::create_dir_all(watching.full(name)).unwrap();
            }
            let start = Instant::now();
            for name in &names {
                assert_eq!(watching.watch(name), Watched::Yes);
            }
            let placed = start.elapsed();
            while !watching.receiver.try_recv_batch().is_empty() {}
            let start = Instant::now();
            for name in &names[..removed] {
                std::fs::remove_dir(watching.full(name)).unwrap();
            }
            let removal = start.elapsed();
            let probe = watching.full("probe");
            let start = Instant::now();
            std::fs::write(probe, "x").unwrap();
            let stalled = runtime().block_on(async {
                loop {
                    let batch = watching.receiver.recv_batch().await;
                    // Or the loss of everything, the probe with it.
                    if batch
                        .iter()
                        .any(|hint| hint.path.is_root() || hint.path.as_bytes() == b"probe")
                    {
                        return start.elapsed();
                    }
                }
            });
            let start = Instant::now();
            while watching.watch.status().watches > 20_001 - removed
                && start.elapsed() < Duration::from_secs(60)
            {
                std::thread::yield_now();
            }
            println!(
                "instances of {shard_watches}: 20,000 placed in {placed:?}; {removed} removed in \
                 {removal:?}, an event in the docroot came after {stalled:?}, all forgotten {:?} \
                 later, overflows {}",
                start.elapsed(),
                watching.watch.status().overflows
            );
        }
    }
}

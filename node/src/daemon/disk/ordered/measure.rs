//! Figures, not tests: `cargo test -- --ignored --nocapture measure`. `MIRRORMESH_MEASURE` names the
//! directory, which should lie on a journalled file system.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // It measures, and says what.

use std::time::{Duration, Instant};

use redb::{Durability, ReadableDatabase, TableDefinition};

use super::*;

const COMMITS: u32 = 20_000;
const BETWEEN_DURABLE: Duration = Duration::from_millis(100);

fn folder() -> tempfile::TempDir {
    match std::env::var_os("MIRRORMESH_MEASURE") {
        Some(path) => tempfile::tempdir_in(path).unwrap(),
        None => tempfile::tempdir().unwrap(),
    }
}

/// A key without order and a value of the size of an index row.
fn row(index: u32) -> (Vec<u8>, Vec<u8>) {
    (blake3::hash(&index.to_be_bytes()).as_bytes()[..20].to_vec(), vec![index as u8; 120])
}

fn rows(indices: std::ops::Range<u32>) -> Batch {
    let mut batch = Batch::default();
    for index in indices {
        let (key, value) = row(index);
        batch.put(Table::Index, key.clone(), value);
        batch.put(Table::Contents, key, "");
    }
    batch
}

fn told(mut times: Vec<Duration>) -> String {
    times.sort();
    let mean = times.iter().sum::<Duration>() / times.len() as u32;
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!("mean {mean:?}, p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0))
}

fn megabytes(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len() >> 20
}

#[test]
#[ignore = "measures"]
fn measure_small_commits_of_redb_alone() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut builder = redb::Builder::new();
    let database = builder.set_cache_size(64 << 20).create(&path).unwrap();
    let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("index");
    let commit = |rows: std::ops::Range<u32>, durable| {
        let mut transaction = database.begin_write().unwrap();
        let durability = if durable { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).unwrap();
        transaction.set_two_phase_commit(durable);
        let mut open = transaction.open_table(table).unwrap();
        for index in rows {
            let (key, value) = row(index);
            open.insert(&*key, &*value).unwrap();
        }
        drop(open);
        transaction.commit().unwrap();
    };
    commit(0..200_000, true);
    println!("before: {} MiB", megabytes(&path));
    let (mut small, mut durable) = (Vec::new(), Vec::new());
    let mut last = Instant::now();
    let mut largest = 0;
    for index in 0..COMMITS {
        let start = Instant::now();
        commit(200_000 + index..200_001 + index, false);
        small.push(start.elapsed());
        if last.elapsed() > BETWEEN_DURABLE {
            largest = largest.max(megabytes(&path));
            let start = Instant::now();
            commit(0..1, true);
            durable.push(start.elapsed());
            last = Instant::now();
        }
    }
    println!("redb alone, small: {}", told(small));
    println!("redb alone, durable: {}; file {largest} MiB", told(durable));
    assert!(database.begin_read().is_ok());
}

#[test]
#[ignore = "measures"]
fn measure_small_commits() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = OrderedStore::open(&path).unwrap();
    let start = Instant::now();
    for index in 0..200 {
        store.commit(rows(index * 1_000..(index + 1) * 1_000), false).unwrap();
    }
    store.commit(Batch::default(), true).unwrap();
    println!("200,000 files' rows: {:?}, {} MiB", start.elapsed(), megabytes(&path));
    let (mut small, mut durable) = (Vec::new(), Vec::new());
    let mut last = Instant::now();
    for index in 0..COMMITS * 10 {
        let batch = rows(200_000 + index..200_001 + index);
        let start = Instant::now();
        store.commit(batch, false).unwrap();
        small.push(start.elapsed());
        if last.elapsed() > BETWEEN_DURABLE {
            let start = Instant::now();
            store.commit(rows(0..1), true).unwrap();
            durable.push(start.elapsed());
            last = Instant::now();
        }
    }
    println!("small: {}", told(small));
    println!("durable after each 100 ms: {}, {} MiB", told(durable), megabytes(&path));
    let mut lone = Vec::new();
    for index in 0..300 {
        let batch = rows(index..index + 1);
        let start = Instant::now();
        store.commit(batch, true).unwrap();
        lone.push(start.elapsed());
    }
    println!("durable, two rows: {}, {} MiB", told(lone), megabytes(&path));
}

#[test]
#[ignore = "measures"]
fn measure_durable_commits_side_by_side() {
    let folder = folder();
    let store = &OrderedStore::open(&folder.path().join("store")).unwrap();
    for threads in [1, 4, 16] {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                scope.spawn(move || {
                    for index in 0..200 {
                        store
                            .commit(rows(thread * 1_000 + index..thread * 1_000 + index + 1), true)
                            .unwrap();
                    }
                });
            }
        });
        let rate = f64::from(threads * 200) / start.elapsed().as_secs_f64();
        println!("{threads} threads: {rate:.0} durable commits a second");
    }
}

#[test]
#[ignore = "measures"]
fn measure_reads_during_durable_commits() {
    let folder = folder();
    let store = &OrderedStore::open(&folder.path().join("store")).unwrap();
    store.commit(rows(0..200_000), true).unwrap();
    let read = |label: &str| {
        let (mut gets, mut ranges) = (Vec::new(), Vec::new());
        for index in 0..50_000_u32 {
            let (key, _) = row(index.wrapping_mul(2_654_435_761) % 200_000);
            let start = Instant::now();
            assert!(store.get(Table::Index, &key).unwrap().is_some());
            gets.push(start.elapsed());
            if index % 50 == 0 {
                let start = Instant::now();
                let mut seen = 0;
                store
                    .range(Table::Index, &key, None, &mut |_, _| {
                        seen += 1;
                        seen < 100
                    })
                    .unwrap();
                ranges.push(start.elapsed());
            }
        }
        println!("{label}: get {}", told(gets));
        println!("{label}: range of 100 {}", told(ranges));
    };
    read("quiet");
    let done = &std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut durable = Vec::new();
            let mut index = 200_000;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                store.commit(rows(index..index + 5_000), false).unwrap();
                index += 5_000;
                let start = Instant::now();
                store.commit(Batch::default(), true).unwrap();
                durable.push(start.elapsed());
            }
            println!("meanwhile durable commits of 5,000 files' rows: {}", told(durable));
        });
        read("busy");
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
#[ignore = "measures"]
fn measure_opening_after_a_crash() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = OrderedStore::open(&path).unwrap();
    let start = Instant::now();
    for index in 0..1_000 {
        store.commit(rows(index * 1_000..(index + 1) * 1_000), false).unwrap();
    }
    store.commit(Batch::default(), true).unwrap();
    println!("1,000,000 files' rows: {:?}, {} MiB", start.elapsed(), megabytes(&path));
    let crashed = folder.path().join("crashed");
    std::fs::copy(&path, &crashed).unwrap();
    let start = Instant::now();
    drop(store);
    println!("closed in {:?}", start.elapsed());
    for (label, path) in [("after a clean stop", &path), ("after a crash", &crashed)] {
        let start = Instant::now();
        let store = OrderedStore::open(path).unwrap();
        println!("{label}: opened in {:?}", start.elapsed());
        assert!(store.get(Table::Index, &row(0).0).unwrap().is_some());
    }
}

#[test]
#[ignore = "measures"]
fn measure_filling_by_size_of_memory() {
    for sorted in [false, true] {
        for megabytes_of_memory in [8, 16, 32, 64] {
            let folder = folder();
            let path = folder.path().join("store");
            let store = OrderedStore::open_with_memory(&path, megabytes_of_memory << 20).unwrap();
            let start = Instant::now();
            for index in 0..1_000 {
                let mut batch = Batch::default();
                for index in index * 1_000..(index + 1) * 1_000 {
                    let (key, value) = row(index);
                    let key = if sorted {
                        format!("/directory/{:05}/file-{index:09}", index / 50).into_bytes()
                    } else {
                        key
                    };
                    batch.put(Table::Index, key, value);
                }
                store.commit(batch, false).unwrap();
            }
            store.commit(Batch::default(), true).unwrap();
            println!(
                "sorted {sorted}, memory {megabytes_of_memory} MiB: {:?}, file {} MiB",
                start.elapsed(),
                megabytes(&path)
            );
        }
    }
}

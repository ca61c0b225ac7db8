#![allow(clippy::print_stderr)] // What is skipped is said.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn open(folder: &tempfile::TempDir) -> OrderedStore {
    OrderedStore::open(&folder.path().join("store")).unwrap()
}

fn batch(writes: &[(Table, &str, Option<&str>)]) -> Batch {
    let mut batch = Batch::default();
    for (table, key, value) in writes {
        match value {
            Some(value) => batch.put(*table, key.to_string(), value.to_string()),
            None => batch.remove(*table, key.to_string()),
        }
    }
    batch
}

fn get(store: &OrderedStore, table: Table, key: &str) -> Option<String> {
    let value = store.get(table, key.as_bytes()).unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

fn rows(store: &OrderedStore, table: Table, start: &[u8], end: Option<&[u8]>) -> Rows {
    let mut rows = Vec::new();
    store
        .range(table, start, end, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
    rows
}

#[test]
fn a_commit_is_seen_at_once_and_tables_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.commit(batch(&[(Table::Index, "a", Some("1"))]), false).unwrap();
    store.commit(batch(&[(Table::State, "a", Some("2"))]), true).unwrap();
    store
        .commit(batch(&[(Table::State, "b", Some("3")), (Table::State, "a", None)]), false)
        .unwrap();
    assert_eq!(get(&store, Table::Index, "a").as_deref(), Some("1"));
    assert_eq!(get(&store, Table::State, "a"), None);
    assert_eq!(get(&store, Table::State, "b").as_deref(), Some("3"));
    assert_eq!(get(&store, Table::Kept, "a"), None);
    assert_eq!(rows(&store, Table::State, b"", None), [(b"b".to_vec(), b"3".to_vec())]);
}

#[test]
fn the_last_write_of_a_batch_wins() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for durable in [false, true] {
        let key = if durable { "durable" } else { "not" };
        let writes = [
            (Table::Kept, key, Some("1")),
            (Table::Kept, key, None),
            (Table::Kept, key, Some("2")),
        ];
        store.commit(batch(&writes), durable).unwrap();
        assert_eq!(get(&store, Table::Kept, key).as_deref(), Some("2"));
    }
}

#[test]
fn a_range_has_a_start_and_an_end_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let put = |key| batch(&[(Table::Nodes, key, Some("v"))]);
    for (key, durable) in [("b", true), ("d", false), ("a", false), ("c", true), ("e", false)] {
        store.commit(put(key), durable).unwrap();
    }
    let keys = |start: &[u8], end: Option<&[u8]>| -> String {
        rows(&store, Table::Nodes, start, end).iter().map(|(key, _)| key[0] as char).collect()
    };
    assert_eq!(keys(b"", None), "abcde");
    assert_eq!(keys(b"b", Some(b"d")), "bc");
    assert_eq!(keys(b"bb", Some(b"dd")), "cd");
    assert_eq!(keys(b"e", Some(b"b")), "");
    assert_eq!(keys(b"c", Some(b"c")), "");
    let mut seen = 0;
    store
        .range(Table::Nodes, b"", None, &mut |_, _| {
            seen += 1;
            seen < 3
        })
        .unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn a_range_sees_one_state_and_its_callback_may_use_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for index in 0..100 {
        let key = format!("{index:03}");
        store.commit(batch(&[(Table::Index, &key, Some("old"))]), index % 2 == 0).unwrap();
    }
    let mut seen = 0;
    store
        .range(Table::Index, b"", None, &mut |key, value| {
            assert_eq!(value, b"old");
            seen += 1;
            let key = String::from_utf8(key.to_vec()).unwrap();
            let later = format!("{key}+");
            let writes = [(Table::Index, "099", Some("new")), (Table::Index, &later, Some("new"))];
            store.commit(batch(&writes), seen % 10 == 0).unwrap();
            assert_eq!(get(&store, Table::Index, "099").as_deref(), Some("new"));
            true
        })
        .unwrap();
    assert_eq!(seen, 100);
    assert_eq!(rows(&store, Table::Index, b"", None).len(), 200);
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = open(&folder);
        assert_eq!(rows(&store, Table::Journal, b"", None).len(), 2 * round);
        let (one, two) = (format!("{round}-1"), format!("{round}-2"));
        store.commit(batch(&[(Table::Journal, &one, Some("1"))]), true).unwrap();
        store.commit(batch(&[(Table::Journal, &two, Some("2"))]), false).unwrap();
    }
}

/// The file as it is on the disk is what a crash would leave behind at this moment, or later.
#[test]
fn a_crash_keeps_what_was_durable() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.commit(batch(&[(Table::State, "early", Some("1"))]), false).unwrap();
    store.commit(batch(&[(Table::State, "durable", Some("2"))]), true).unwrap();
    store.commit(batch(&[(Table::State, "late", Some("3"))]), false).unwrap();
    let after = folder.path().join("after");
    std::fs::copy(folder.path().join("store"), &after).unwrap();
    let after = OrderedStore::open(&after).unwrap();
    assert_eq!(get(&after, Table::State, "early").as_deref(), Some("1"));
    assert_eq!(get(&after, Table::State, "durable").as_deref(), Some("2"));
    assert_eq!(get(&after, Table::State, "late"), None);
}

#[test]
fn memory_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = OrderedStore::open_with_memory(&folder.path().join("store"), 64 * 1024).unwrap();
    for index in 0..1_000_u32 {
        let mut batch = Batch::default();
        batch.put(Table::Nodes, index.to_be_bytes().to_vec(), vec![7; 1024]);
        store.commit(batch, false).unwrap();
        assert!(store.pending_bytes() < 66 * 1024);
    }
    assert_eq!(rows(&store, Table::Nodes, b"", None).len(), 1_000);
}

#[test]
fn many_threads_commit_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = &open(&folder);
    let done = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6)
            .map(|thread| {
                scope.spawn(move || {
                    for index in 0..60 {
                        let key = format!("{thread}-{index:03}");
                        // Both rows or none.
                        let writes =
                            [(Table::Index, &*key, Some("v")), (Table::Contents, &*key, Some("v"))];
                        store.commit(batch(&writes), index % 3 == 0).unwrap();
                        assert!(get(store, Table::Index, &key).is_some());
                        assert!(get(store, Table::Contents, &key).is_some());
                    }
                })
            })
            .collect();
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let first = rows(store, Table::Index, b"", None).len();
                let second = rows(store, Table::Contents, b"", None).len();
                assert!(second >= first, "a batch was seen in part: {first} of {second}");
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(rows(store, Table::Index, b"", None).len(), 360);
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _store = open(&folder);
    let second = OrderedStore::open(&folder.path().join("store"));
    assert!(matches!(second, Err(OrderedStoreError::AlreadyOpen { .. })));
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    std::fs::write(&path, "my diary\n".repeat(1000)).unwrap();
    let opened = OrderedStore::open(&path);
    assert!(matches!(opened, Err(OrderedStoreError::Foreign { .. })), "{:?}", opened.err());
    assert_eq!(std::fs::read(&path).unwrap().len(), 9000);

    let path = folder.path().join("redb");
    let other = redb::Database::create(&path).unwrap();
    let transaction = other.begin_write().unwrap();
    let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("numbers");
    transaction.open_table(table).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(other);
    let opened = OrderedStore::open(&path);
    assert!(matches!(opened, Err(OrderedStoreError::Foreign { .. })), "{:?}", opened.err());
}

#[test]
fn a_store_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder));
    let path = folder.path().join("store");
    let store = redb::Database::open(&path).unwrap();
    let transaction = store.begin_write().unwrap();
    let about: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("mirrormesh");
    transaction.open_table(about).unwrap().insert(&b"format"[..], &[0, 0, 0, 9][..]).unwrap();
    transaction.commit().unwrap();
    drop(store);
    let opened = OrderedStore::open(&path);
    assert!(matches!(opened, Err(OrderedStoreError::Version { found: 9, known: 1, .. })));
}

/// Damage is told or does no harm; it never ends the process.
#[test]
fn a_damaged_file_is_refused_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&folder);
    for index in 0..200_u32 {
        let mut batch = Batch::default();
        batch.put(Table::Nodes, index.to_be_bytes().to_vec(), vec![index as u8; 300]);
        store.commit(batch, false).unwrap();
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for offset in (0..whole.len().min(40_000)).step_by(997) {
        let mut bytes = whole.clone();
        bytes[offset..][..16].iter_mut().for_each(|byte| *byte ^= 0xff);
        std::fs::write(&path, bytes).unwrap();
        refused += u32::from(OrderedStore::open(&path).is_err());
    }
    assert!(refused > 0);
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(OrderedStore::open(&path).is_err());
}

/// A full disk fails the durable commit as a whole; what is in memory stays, and all goes on when
/// there is room again.
#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .arg(folder.path())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=2m", "none"]) {
        eprintln!("SKIPPED a_full_disk_loses_nothing: mounting takes root");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let store = open(&folder);
        store.commit(batch(&[(Table::State, "before", Some("1"))]), true).unwrap();
        store.commit(batch(&[(Table::State, "pending", Some("2"))]), false).unwrap();
        std::fs::write(folder.path().join("ballast"), vec![1; 1_500_000]).unwrap();
        let mut large = Batch::default();
        large.put(Table::State, "large", vec![2; 1_000_000]);
        large.put(Table::State, "before", "changed");
        let error = store.commit(large.clone(), true).unwrap_err();
        assert_eq!(error.kind, DiskErrorKind::NoSpace, "{error}");
        assert_eq!(get(&store, Table::State, "before").as_deref(), Some("1"));
        assert_eq!(get(&store, Table::State, "pending").as_deref(), Some("2"));
        assert_eq!(get(&store, Table::State, "large"), None);
        std::fs::remove_file(folder.path().join("ballast")).unwrap();
        store.commit(large, true).unwrap();
        assert_eq!(get(&store, Table::State, "before").as_deref(), Some("changed"));
        drop(store);
        let store = open(&folder);
        assert_eq!(get(&store, Table::State, "pending").as_deref(), Some("2"));
    });
    assert!(mount(&["umount", "-l"]));
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Commit { writes: Vec<(u8, u8, Option<u8>)>, durable: bool },
    Get { table: u8, key: u8 },
    Range { table: u8, start: u8, end: Option<u8>, stop: usize },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..3_u8, 0..40_u8, proptest::option::weighted(0.7, any::<u8>()));
    prop_oneof![
        6 => (proptest::collection::vec(write, 0..12), proptest::bool::weighted(0.2))
            .prop_map(|(writes, durable)| Step::Commit { writes, durable }),
        4 => (0..3_u8, 0..40_u8).prop_map(|(table, key)| Step::Get { table, key }),
        4 => (0..3_u8, 0..40_u8, proptest::option::of(0..40_u8), 1..50_usize)
            .prop_map(|(table, start, end, stop)| Step::Range { table, start, end, stop }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever lies in memory, is being written or lies in redb: the store is a map.
    #[test]
    fn the_store_is_a_map(steps in proptest::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let open = || OrderedStore::open_with_memory(&path, 4_000).unwrap();
        let mut store = Some(open());
        let mut model: [BTreeMap<Vec<u8>, Vec<u8>>; 7] = Default::default();
        let mut held = Vec::new();
        for step in steps {
            let current = store.as_ref().unwrap();
            match step {
                Step::Commit { writes, durable } => {
                    let mut batch = Batch::default();
                    for (table, key, value) in writes {
                        let rows = &mut model[usize::from(table)];
                        let table = Table::ALL[usize::from(table)];
                        match value {
                            Some(value) => {
                                rows.insert(vec![key], vec![value; 9]);
                                batch.put(table, vec![key], vec![value; 9]);
                            }
                            None => {
                                rows.remove(&vec![key]);
                                batch.remove(table, vec![key]);
                            }
                        }
                    }
                    current.commit(batch, durable).unwrap();
                    // As a range in progress does: makes the next commit lay a new layer.
                    held.push(current.state.read().unwrap().layers.of(Table::ALL[0]));
                    held.drain(..held.len().saturating_sub(20));
                }
                Step::Get { table, key } => {
                    let found = current.get(Table::ALL[usize::from(table)], &[key]).unwrap();
                    let expected = model[usize::from(table)].get(&vec![key]);
                    prop_assert_eq!(found, expected.cloned().map(Bytes::from));
                }
                Step::Range { table, start, end, stop } => {
                    let mut found = Vec::new();
                    let end = end.map(|end| vec![end]);
                    current.range(Table::ALL[usize::from(table)], &[start], end.as_deref(),
                        &mut |key, value| {
                            found.push((key.to_vec(), value.to_vec()));
                            found.len() < stop
                        }).unwrap();
                    let expected: Rows = model[usize::from(table)].iter()
                        .filter(|(key, _)| key[0] >= start
                            && end.as_ref().is_none_or(|end| key[0] < end[0]))
                        .take(stop)
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    prop_assert_eq!(found, expected);
                }
                Step::Reopen => {
                    drop(store.take());
                    store = Some(open());
                }
            }
            let state = store.as_ref().unwrap().state.read().unwrap();
            let counted: usize = Table::ALL.iter()
                .flat_map(|table| state.layers.of(*table))
                .map(|layer| layer.map.iter().map(|(key, value)| {
                    key.len() + value.as_ref().map_or(0, Bytes::len) + 96
                }).sum::<usize>())
                .sum();
            prop_assert_eq!(counted, state.layers.bytes());
        }
    }
}

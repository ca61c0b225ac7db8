//! What the ordered store owes: batches, ranges, and what a restart finds.

use bytes::Bytes;
use mirrormesh::store::{Batch, Disk, Table};

fn rows<D: Disk>(disk: &D, table: Table, start: &[u8], end: Option<&[u8]>) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    disk.range(table, start, end, &mut |key, _| {
        rows.push(key.to_vec());
        true
    })
    .unwrap();
    rows
}

pub(super) fn ordered_store<D: Disk>(disk: &D) {
    let get = |key: &[u8]| disk.get(Table::Index, key).unwrap();
    for durable in [false, true] {
        assert_eq!(get(b"a"), None);
        let mut batch = Batch::default();
        for key in [b"b".as_slice(), b"a", b"\xff", b"ab", b"b\0"] {
            batch.put(Table::Index, key.to_vec(), "value");
        }
        batch.put(Table::Index, "a", "first");
        batch.put(Table::Index, "a", "");
        batch.put(Table::Index, "gone", "x");
        batch.remove(Table::Index, "gone");
        batch.remove(Table::Index, "never there");
        disk.commit(batch, durable).unwrap();
        disk.commit(Batch::default(), durable).unwrap();
        assert_eq!(get(b"a"), Some(Bytes::new()), "the last write of a batch wins");
        assert_eq!(get(b"b"), Some(Bytes::from_static(b"value")));
        assert_eq!(get(b"gone"), None);
        assert_eq!(disk.get(Table::Contents, b"a").unwrap(), None, "tables are apart");

        let all: [&[u8]; 5] = [b"a", b"ab", b"b", b"b\0", b"\xff"];
        assert_eq!(rows(disk, Table::Index, b"", None), all);
        assert_eq!(rows(disk, Table::Index, b"ab", Some(b"b\0")), all[1..3]);
        assert_eq!(rows(disk, Table::Index, b"aa", Some(b"b")), all[1..2]);
        assert!(rows(disk, Table::Index, b"b", Some(b"b")).is_empty());
        assert!(rows(disk, Table::Index, b"c", Some(b"b")).is_empty());
        let mut seen = 0;
        disk.range(Table::Index, b"", None, &mut |_, _| {
            seen += 1;
            seen < 2
        })
        .unwrap();
        assert_eq!(seen, 2, "the call ends when it is told to");
        // Within a call others may read, and write.
        disk.range(Table::Index, b"a", Some(b"b"), &mut |key, _| {
            assert!(disk.get(Table::Index, key).unwrap().is_some());
            true
        })
        .unwrap();

        let mut batch = Batch::default();
        all.iter().for_each(|key| batch.remove(Table::Index, key.to_vec()));
        disk.commit(batch, durable).unwrap();
        assert!(rows(disk, Table::Index, b"", None).is_empty());
    }
    let mut batch = Batch::default();
    Table::ALL.iter().for_each(|&table| batch.put(table, "all", format!("{table:?}")));
    disk.commit(batch, true).unwrap();
    for table in Table::ALL {
        assert_eq!(disk.get(table, b"all").unwrap(), Some(format!("{table:?}").into()));
    }
}

/// Commits, restarts and looks: what was durable is there, and of the rest a prefix of whole
/// batches. `restart` ends the process and starts another.
pub(super) fn restarts<D: Disk>(disk: D, restart: &mut dyn FnMut(D) -> D) {
    let mut disk = disk;
    let mut floor = 0;
    for number in 1..=30u32 {
        let mut batch = Batch::default();
        batch.put(Table::Journal, number.to_be_bytes().to_vec(), vec![1; 1000]);
        batch.put(Table::State, "newest", number.to_be_bytes().to_vec());
        let durable = number % 7 == 3;
        disk.commit(batch, durable).unwrap();
        if durable {
            floor = number;
        }
        if number % 5 == 0 {
            disk = restart(disk);
            let newest = disk.get(Table::State, b"newest").unwrap().unwrap_or_default();
            let newest = newest.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
            assert!((floor..=number).contains(&newest), "{floor} <= {newest} <= {number}");
            let journal = rows(&disk, Table::Journal, b"", None);
            let all = (1..=newest).map(|number| number.to_be_bytes().to_vec());
            assert_eq!(journal, all.collect::<Vec<_>>(), "a batch is whole, and none is left out");
            // The next round counts on from what is there.
            let mut batch = Batch::default();
            for number in newest + 1..=number {
                batch.put(Table::Journal, number.to_be_bytes().to_vec(), "again");
            }
            batch.put(Table::State, "newest", number.to_be_bytes().to_vec());
            disk.commit(batch, true).unwrap();
            floor = number;
        }
    }
}

//! The slow model: a naive walk over what users see, and a tree made of it from nothing.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mirrormesh::store::index::{IndexRow, content_path, index_path};
use mirrormesh::store::pending::StoredNodes;
use mirrormesh::store::{Disk, Excludes, FileKind, Table};
use mirrormesh_merkle::{
    Change, Difference, Differences, File, Hash, MemoryNodes, Path, Record, Symlink, Tree, update,
};
use mirrormesh_simulation::disk::{Seen, SimDisk};

use super::fixture::Fixture;

/// Records of everything that is mirrored.
pub(super) fn records(disk: &SimDisk, excludes: &Excludes) -> BTreeMap<Path, Record> {
    let mut records = BTreeMap::new();
    for (bytes, seen) in disk.tree_of_docroot() {
        let path = Path::from_bytes(&bytes).unwrap();
        let is_directory = seen.kind == FileKind::Directory;
        if path.is_reserved() || excludes.covers(&path, is_directory) {
            continue;
        }
        if let Some(record) = record(&seen) {
            records.insert(path, record);
        }
    }
    records
}

fn record(seen: &Seen) -> Option<Record> {
    match seen.kind {
        FileKind::File => {
            let content = seen.content.as_ref().unwrap();
            Some(Record::File(File {
                mode: seen.mode,
                mtime: seen.mtime.unwrap(),
                size: content.size(),
                content: content.hash(),
                unserved: false,
                attributes: None,
            }))
        }
        FileKind::Directory => Some(Record::Directory { mode: seen.mode, attributes: None }),
        FileKind::Symlink => {
            Some(Record::Symlink(Symlink { target: seen.target.clone()?, attributes: None }))
        }
        _ => None,
    }
}

/// The tree of these records.
pub(super) fn tree(records: &BTreeMap<Path, Record>) -> Tree {
    let changes: Vec<Change> = records
        .iter()
        .map(|(path, record)| Change { path: path.clone(), record: Some(record.clone()) })
        .collect();
    update(&mut MemoryNodes::new(), &Tree::empty(), &changes).unwrap()
}

/// Everything in a stored tree.
pub(super) fn stored(disk: &SimDisk, tree: &Tree) -> BTreeMap<Path, Record> {
    Differences::new(StoredNodes(disk), &Tree::empty().root, &tree.root, None)
        .map(|difference| {
            let Difference { path, new, .. } = difference.unwrap();
            (path, new.unwrap())
        })
        .collect()
}

/// Every row of the index.
pub(super) fn rows(disk: &SimDisk) -> BTreeMap<Path, IndexRow> {
    let mut rows = BTreeMap::new();
    disk.range(Table::Index, &[], None, &mut |key, value| {
        rows.insert(index_path(key).unwrap(), IndexRow::decode(value).unwrap());
        true
    })
    .unwrap();
    rows
}

/// Tree, index and contents belong together.
pub(super) fn check_books(fixture: &Fixture) {
    let disk = &fixture.disk;
    let rows = rows(disk);
    let of_rows: BTreeMap<Path, Record> =
        rows.iter().map(|(path, row)| (path.clone(), row.record.clone())).collect();
    assert_eq!(of_rows, stored(disk, &fixture.current), "index and tree");
    let expected: BTreeSet<(Bytes, Path)> = of_rows
        .iter()
        .filter_map(|(path, record)| match record {
            Record::File(file) => Some((prefix(&file.content), path.clone())),
            _ => None,
        })
        .collect();
    let mut found = BTreeSet::new();
    disk.range(Table::Contents, &[], None, &mut |key, _| {
        found.insert((Bytes::copy_from_slice(&key[..16]), content_path(key).unwrap()));
        true
    })
    .unwrap();
    assert_eq!(found, expected, "contents");
}

fn prefix(content: &Hash) -> Bytes {
    Bytes::copy_from_slice(&content.as_bytes()[..16])
}

/// The tree is that of the docroot.
pub(super) fn check_tree(fixture: &Fixture) {
    let expected = records(&fixture.disk, &fixture.excludes);
    if fixture.current.root != tree(&expected).root {
        assert_eq!(stored(&fixture.disk, &fixture.current), expected);
        panic!("equal records, other roots");
    }
    assert_eq!(fixture.current, tree(&expected));
}

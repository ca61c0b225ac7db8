//! What an operation reads and writes grows with what changed, not with the tree.

use std::cell::Cell;
use std::convert::Infallible;

use bytes::Bytes;

use super::support::{directory, file, path, put, remove};
use crate::{
    Change, Hash, MemoryNodes, Name, NodeSource, NodeStore, Path, Tree, apply_delta, difference,
    list, lookup, update,
};

/// Counts what passes.
#[derive(Default)]
struct Counting {
    inner: MemoryNodes,
    reads: Cell<usize>,
    writes: usize,
}

impl NodeSource for Counting {
    type Error = Infallible;

    fn node(&self, hash: &Hash) -> Result<Option<Bytes>, Infallible> {
        self.reads.set(self.reads.get() + 1);
        self.inner.node(hash)
    }
}

impl NodeStore for Counting {
    fn put(&mut self, hash: Hash, bytes: Bytes) -> Result<(), Infallible> {
        self.writes += 1;
        self.inner.put(hash, bytes)
    }
}

impl Counting {
    /// Reads and writes since the last call.
    fn spent(&mut self) -> (usize, usize) {
        (self.reads.take(), std::mem::take(&mut self.writes))
    }
}

/// 20,000 files in `flat`, beside 20 directories of 50 files.
fn large(store: &mut Counting) -> Tree {
    let mut changes = vec![put("flat", directory())];
    changes.extend((0..20_000).map(|number| put(&format!("flat/{number}"), file(number))));
    for outer in 0..20 {
        changes.push(put(&format!("d{outer}"), directory()));
        changes.extend((0..50).map(|inner| put(&format!("d{outer}/{inner}"), file(inner))));
    }
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    let tree = update(store, &Tree::empty(), &changes).unwrap();
    store.spent();
    tree
}

#[test]
fn a_change_costs_the_way_to_it() {
    let mut store = Counting::default();
    let tree = large(&mut store);
    // The docroot, and 4 levels of trie at most for 20,000 entries; each is read to look the
    // directory up and again to rebuild.
    let next = update(&mut store, &tree, &[put("flat/777", file(1))]).unwrap();
    let (reads, writes) = store.spent();
    assert!(reads <= 7 && writes <= 5, "{reads} reads, {writes} writes");

    difference(&store, &tree.root, &next.root, None, 10).unwrap();
    assert!(store.spent().0 <= 10);

    let changes: Vec<Change> =
        (0..50).map(|inner| put(&format!("d7/{inner}"), file(900))).collect();
    let mut changes = changes;
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    update(&mut store, &tree, &changes).unwrap();
    let (reads, writes) = store.spent();
    assert!(reads <= 4 && writes == 2, "{reads} reads, {writes} writes");
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let mut store = Counting::default();
    let tree = large(&mut store);
    let changes = [
        remove("d1/none"),
        put("d2", directory()),
        put("d2/7", file(7)),
        remove("flat/none"),
        remove("none/none"),
    ];
    assert_eq!(update(&mut store, &tree, &changes).unwrap(), tree);
    assert_eq!(store.spent().1, 0);
}

#[test]
fn resuming_costs_the_way_and_not_a_restart() {
    let mut store = Counting::default();
    let tree = large(&mut store);
    let all = difference(&store, &Tree::empty().root, &tree.root, None, usize::MAX).unwrap();
    assert_eq!(all.len(), 20_000 + 1 + 20 * 51);
    store.spent();
    for at in (0..all.len() - 1).step_by(997) {
        let empty = Tree::empty().root;
        let next = difference(&store, &empty, &tree.root, Some(&all[at].path), 1).unwrap();
        assert_eq!(next, all[at + 1..at + 2]);
        // One leaf, the way to it, and at most the next few that turn out to be exhausted.
        assert!(store.spent().0 <= 12);
    }
}

#[test]
fn moving_a_directory_does_not_read_what_is_in_it() {
    let mut store = Counting::default();
    let tree = large(&mut store);
    let mut scratch = store.inner.clone();
    let Some(flat) = lookup(&scratch, &tree.root, &path("flat")).unwrap() else { panic!() };
    // The same tree with `flat` under another name, made the slow way.
    let mut changes: Vec<Change> = list(&scratch, &tree.root, &path("flat"))
        .unwrap()
        .into_iter()
        .map(|(name, entry)| Change {
            path: path("moved").join(&name),
            record: Some((&entry).into()),
        })
        .collect();
    changes.insert(0, put("moved", (&flat).into()));
    changes.insert(0, remove("flat"));
    let target = update(&mut scratch, &tree, &changes).unwrap().root;
    let moves = vec![crate::Move { from: path("flat"), to: path("moved") }];
    let delta = crate::Delta { base: tree.root, target, moves, changes: Vec::new() };
    assert!(delta.encode().unwrap().len() < 100);
    assert_eq!(apply_delta(&mut store, &tree, &delta).unwrap().root, target);
    let (reads, writes) = store.spent();
    assert!(reads <= 6 && writes == 1, "{reads} reads, {writes} writes");
}

/// 1,024 levels of directories, each wide enough to be a trie of its own: nothing recurses over
/// them. Runs on a test thread's small stack.
#[test]
fn the_deepest_tree_does_not_overflow_the_stack() {
    let mut store = MemoryNodes::new();
    let mut changes = Vec::new();
    let mut directory_path = Path::root();
    let level = Name::new("d").unwrap();
    for _ in 0..crate::MAX_DEPTH - 1 {
        directory_path = directory_path.join(&level);
        changes.push(Change { path: directory_path.clone(), record: Some(directory()) });
    }
    let bottom = directory_path.join(&level);
    changes.push(Change { path: bottom.clone(), record: Some(file(1)) });
    let tree = update(&mut store, &Tree::empty(), &changes).unwrap();
    assert_eq!(tree.files, 1);
    assert!(lookup(&store, &tree.root, &bottom).unwrap().is_some());
    let found = difference(&store, &Tree::empty().root, &tree.root, None, usize::MAX).unwrap();
    assert_eq!(found.len(), crate::MAX_DEPTH);
    let resumed =
        difference(&store, &Tree::empty().root, &tree.root, Some(&found[1000].path), 5).unwrap();
    assert_eq!(resumed, found[1001..1006]);
    let emptied = update(&mut store, &tree, &[remove("d")]).unwrap();
    assert_eq!(emptied, Tree::empty());
}

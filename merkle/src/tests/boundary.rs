//! Where a leaf becomes a trie and back: what counts is the total below a place.

use proptest::prelude::*;

use super::model::Model;
use super::support::{build, directory, file, name, path, put, reachable};
use crate::limits::LEAF_ENTRIES;
use crate::{Change, MemoryNodes, Name, Node, NodeSource, Path, Position, Tree, update};

fn numbered(directory: &Path, number: usize, present: bool) -> Change {
    Change {
        path: directory.join(&name(&format!("entry-{number:05}"))),
        record: present.then(|| file(number as u64)),
    }
}

/// Changes strictly ascending by path that make exactly `count` entries out of `before`.
fn resize(directory: &Path, before: usize, count: usize) -> Vec<Change> {
    (before.min(count)..before.max(count))
        .map(|number| numbered(directory, number, count > before))
        .collect()
}

fn is_leaf(store: &MemoryNodes, tree: &Tree) -> bool {
    let bytes = store.node(&tree.root).unwrap().unwrap();
    matches!(Node::decode(&bytes, &Position::ROOT).unwrap(), Node::Leaf(_))
}

#[test]
fn a_directory_splits_at_129_and_collapses_at_128() {
    let mut store = MemoryNodes::new();
    let root = Path::root();
    let mut tree = update(&mut store, &Tree::empty(), &resize(&root, 0, 128)).unwrap();
    let at_128 = tree;
    for _ in 0..3 {
        assert!(is_leaf(&store, &tree));
        tree = update(&mut store, &tree, &resize(&root, 128, 129)).unwrap();
        assert!(!is_leaf(&store, &tree));
        tree = update(&mut store, &tree, &resize(&root, 129, 128)).unwrap();
        assert_eq!(tree, at_128);
    }
}

/// Names whose slots begin with one nibble: they all lie below one child of the root.
fn crowded(count: usize) -> Vec<Name> {
    let names = (0..).map(|number| name(&format!("crowd-{number}")));
    names.filter(|name| name.slot()[0] >> 4 == 7).take(count).collect()
}

#[test]
fn one_remaining_child_is_not_what_collapses() {
    // 200 entries below one child of the root: an interior node with a single child stays.
    let names = crowded(200);
    let lone = (0..).map(|n| name(&format!("lone-{n}"))).find(|n| n.slot()[0] >> 4 == 3).unwrap();
    let mut model = Model::default();
    for name in names.iter().chain([&lone]) {
        model.0.insert(name.into(), file(1));
    }
    let mut store = MemoryNodes::new();
    let tree = build(&mut store, &model);
    assert_eq!(tree, model.tree());
    let change = Change { path: (&lone).into(), record: None };
    let tree = update(&mut store, &tree, std::slice::from_ref(&change)).unwrap();
    model.apply(&change);
    assert_eq!(tree, model.tree());
    let bytes = store.node(&tree.root).unwrap().unwrap();
    let Node::Interior(top) = Node::decode(&bytes, &Position::ROOT).unwrap() else {
        panic!("200 entries are no leaf")
    };
    assert_eq!(top.children().len(), 1);
    // From 200 to 128 through a chain of two interior nodes: both must go at once.
    for name in &names[LEAF_ENTRIES..] {
        model.0.remove(&Path::from(name));
    }
    let mut changes: Vec<Change> = names[LEAF_ENTRIES..]
        .iter()
        .map(|name| Change { path: name.into(), record: None })
        .collect();
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    let tree = update(&mut store, &tree, &changes).unwrap();
    assert_eq!(tree, model.tree());
    assert!(is_leaf(&store, &tree));
}

#[test]
fn a_large_directory_is_the_same_in_one_step_and_in_many() {
    let root = Path::root();
    let mut model = Model::default();
    model.apply_all(&resize(&root, 0, 3000));
    let mut at_once = MemoryNodes::new();
    let tree = build(&mut at_once, &model);
    assert_eq!(tree, model.tree());
    let mut store = MemoryNodes::new();
    let mut stepwise = Tree::empty();
    for (before, count) in [(0, 1), (1, 128), (128, 700), (700, 5000), (5000, 2999), (2999, 3000)] {
        stepwise = update(&mut store, &stepwise, &resize(&root, before, count)).unwrap();
    }
    assert_eq!(stepwise, tree);
    // A stream of it goes from leaf to leaf in the order of slots.
    let streamed: Vec<u8> = crate::entries(&store, &tree.root, &root)
        .unwrap()
        .map(|entry| entry.unwrap().0.slot()[0] >> 4)
        .collect();
    assert!(streamed.len() == 3000 && streamed.is_sorted());
    let emptied = update(&mut store, &tree, &resize(&root, 3000, 0)).unwrap();
    assert_eq!(emptied, Tree::empty());
    // Building at once stores only what the tree is made of.
    assert_eq!(at_once.len(), reachable(&at_once, tree.root).len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Sizes wander around the boundary, in the docroot and in a directory below, in one batch.
    #[test]
    fn churn_around_the_boundary(sizes in prop::collection::vec((118..140usize, 120..150usize), 1..10)) {
        let below = path("below");
        let mut model = Model::default();
        let mut store = MemoryNodes::new();
        let mut tree = Tree::empty();
        let (mut before_top, mut before_below) = (0, 0);
        for (top, inner) in sizes {
            let mut changes = resize(&Path::root(), before_top, top);
            changes.push(put("below", directory()));
            changes.extend(resize(&below, before_below, inner));
            changes.sort_by(|left, right| left.path.cmp(&right.path));
            (before_top, before_below) = (top, inner);
            prop_assert!(model.apply_all(&changes));
            tree = update(&mut store, &tree, &changes).unwrap();
            prop_assert_eq!(tree, model.tree());
        }
    }
}

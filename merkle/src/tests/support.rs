//! Strategies and small helpers that the tests share.

use bytes::Bytes;
use proptest::prelude::*;

use super::model::Model;
use crate::{
    Attributes, Change, Entry, File, Hash, MemoryNodes, Name, Node, NodeSource, Path, Position,
    Record, Symlink, Time, Tree, content_hash, update,
};

pub(crate) fn path(text: &str) -> Path {
    Path::from_bytes(text.as_bytes()).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A plain file whose content is told by a number.
pub(crate) fn file(content: u64) -> Record {
    Record::File(File {
        mode: 0o644,
        mtime: Time { seconds: 1_700_000_000, nanoseconds: 5 },
        size: content % 1000,
        content: content_hash(&content.to_le_bytes()),
        unserved: false,
        attributes: None,
    })
}

pub(crate) fn directory() -> Record {
    Record::Directory { mode: 0o755, attributes: None }
}

pub(crate) fn put(text: &str, record: Record) -> Change {
    Change { path: path(text), record: Some(record) }
}

pub(crate) fn remove(text: &str) -> Change {
    Change { path: path(text), record: None }
}

/// Makes a tree out of nothing, in one update.
pub(crate) fn build(store: &mut MemoryNodes, model: &Model) -> Tree {
    update(store, &Tree::empty(), &model.as_changes()).unwrap()
}

/// Every node that the tree with this root refers to, by hash and place.
pub(crate) fn reachable(store: &MemoryNodes, root: Hash) -> Vec<(Hash, Position)> {
    let mut all = Vec::new();
    let mut pending = vec![(root, Position::ROOT)];
    while let Some((hash, position)) = pending.pop() {
        if hash == crate::empty_node().0 || all.contains(&(hash, position)) {
            continue;
        }
        all.push((hash, position));
        let bytes = store.node(&hash).unwrap().unwrap();
        match Node::decode(&bytes, &position).unwrap() {
            Node::Leaf(leaf) => {
                for directory in leaf.entries().iter().filter_map(|(_, entry)| entry.as_directory())
                {
                    pending.push((directory.node, Position::ROOT));
                }
            }
            Node::Interior(interior) => {
                for (nibble, child) in interior.children() {
                    let nibbles: Vec<u8> = position.nibbles().chain([*nibble]).collect();
                    pending.push((child.hash, Position::from_nibbles(&nibbles).unwrap()));
                }
            }
        }
    }
    all
}

/// Names that collide often, with bytes that orders and quoting can get wrong.
fn names() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::sample::select(&b"abcd"[..]).prop_map(|byte| vec![byte]),
        1 => prop::sample::select(vec![
            b"a.b".to_vec(), b"a b".to_vec(), b"a!".to_vec(), b"\xff".to_vec(), b"...".to_vec(),
            b"\n".to_vec(), "\u{e4}".as_bytes().to_vec(), b"ab".to_vec(), vec![b'x'; 255],
        ]),
    ]
}

pub(crate) fn paths() -> impl Strategy<Value = Path> {
    prop::collection::vec(names(), 1..4)
        .prop_map(|names| Path::from_bytes(&names.join(&b'/')).unwrap())
}

fn attributes() -> impl Strategy<Value = Option<std::sync::Arc<Attributes>>> {
    let small = || prop::collection::vec(1..=255u8, 1..5).prop_map(Bytes::from);
    let some = (
        prop::option::of(small()),
        prop::option::of(small()),
        prop::collection::btree_map(small(), small(), 0..3),
    )
        .prop_map(|(owner, group, xattrs)| {
            Attributes::new(owner, group, xattrs.into_iter().collect()).unwrap()
        });
    prop_oneof![3 => Just(None), 1 => some]
}

pub(crate) fn records() -> impl Strategy<Value = Record> {
    let files = (0..0o10000u16, any::<i64>(), 0..1_000_000_000u32, 0..1u64 << 40, 0..4u64)
        .prop_flat_map(|(mode, seconds, nanoseconds, size, content)| {
            (any::<bool>(), attributes()).prop_map(move |(unserved, attributes)| {
                Record::File(File {
                    mode,
                    mtime: Time { seconds, nanoseconds },
                    size,
                    content: content_hash(&[content as u8]),
                    unserved,
                    attributes,
                })
            })
        });
    let symlinks =
        (prop::collection::vec(1..=255u8, 1..9), attributes()).prop_map(|(target, attributes)| {
            Record::Symlink(Symlink { target: target.into(), attributes })
        });
    let directories = (prop::sample::select(vec![0o755u16, 0o2775]), attributes())
        .prop_map(|(mode, attributes)| Record::Directory { mode, attributes });
    prop_oneof![2 => files, 2 => (0..3u64).prop_map(file), 1 => symlinks, 5 => directories]
}

/// One or many changes that a test means as a unit.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    One(Change),
    /// Files or directories `n<number>` in a directory, or their removal.
    Range {
        directory: Path,
        first: u16,
        count: u16,
        record: Option<Record>,
    },
}

impl Step {
    fn changes(&self) -> Vec<Change> {
        match self {
            Step::One(change) => vec![change.clone()],
            Step::Range { directory, first, count, record } => (*first..first + count)
                .map(|number| Change {
                    path: directory.join(&name(&format!("n{number}"))),
                    record: record.clone(),
                })
                .collect(),
        }
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let one = (paths(), prop::option::weighted(0.8, records()))
        .prop_map(|(path, record)| Step::One(Change { path, record }));
    let shallow = prop_oneof![
        Just(Path::root()),
        prop::sample::select(&b"abcd"[..]).prop_map(|byte| Path::from_bytes(&[byte]).unwrap()),
    ];
    let record = prop_oneof![
        2 => Just(None),
        3 => (0..3u64).prop_map(|content| Some(file(content))),
        1 => Just(Some(directory())),
    ];
    let range =
        (shallow, 0..120u16, 1..170u16, record).prop_map(|(directory, first, count, record)| {
            Step::Range { directory, first, count, record }
        });
    prop_oneof![5 => one, 1 => range]
}

/// Batches of changes, each strictly ascending by path; a batch may be one that is refused.
pub(crate) fn batches(
    count: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Vec<Change>>> {
    let batch = prop::collection::vec(steps(), 1..8).prop_map(|steps| {
        let all = steps.iter().flat_map(Step::changes);
        let by_path: std::collections::BTreeMap<Path, Option<Record>> =
            all.map(|change| (change.path, change.record)).collect();
        by_path.into_iter().map(|(path, record)| Change { path, record }).collect()
    });
    prop::collection::vec(batch, count)
}

/// A tree that grew from a history; every directory its steps need is there.
pub(crate) fn models() -> impl Strategy<Value = Model> {
    batches(0..6).prop_map(|batches| evolve(&Model::default(), &batches))
}

/// Two trees, the second mostly a descendant of the first.
pub(crate) fn pairs() -> impl Strategy<Value = (Model, Model)> {
    (models(), batches(0..4), prop::bool::weighted(0.2), models()).prop_map(
        |(base, batches, unrelated, other)| {
            let next = if unrelated { other } else { evolve(&base, &batches) };
            (base, next)
        },
    )
}

/// Applies each change that is not refused; makes missing parents first, to get somewhere.
pub(crate) fn evolve(model: &Model, batches: &[Vec<Change>]) -> Model {
    let mut model = model.clone();
    for change in batches.iter().flatten() {
        if change.record.is_some() {
            for depth in 1..change.path.depth() {
                let path = change.path.ancestor(depth);
                if !model.0.contains_key(&path) {
                    model.apply(&Change { path, record: Some(directory()) });
                }
            }
        }
        model.apply(change);
    }
    model
}

/// The entry that a record stands for where nothing is below it.
pub(crate) fn bare(record: &Record) -> Entry {
    let mut store = MemoryNodes::new();
    let tree = update(&mut store, &Tree::empty(), &[put("x", record.clone())]).unwrap();
    crate::lookup(&store, &tree.root, &path("x")).unwrap().unwrap()
}

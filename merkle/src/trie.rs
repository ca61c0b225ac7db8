//! Rebuilds one directory's trie after some of its names changed.
//!
//! The shape follows from counting alone: a place with at most [`LEAF_ENTRIES`] entries below it is
//! a leaf. What counts is the *total* below a place, never how many children it has. Nodes that no
//! change touches are neither read nor written, with one exception: where an interior node falls to
//! a leaf, its few remaining leaves are read. Each new node is encoded once, and only when it is
//! certain to be part of the result.
//!
//! Recursion follows the trie, so it is at most [`crate::limits::MAX_TRIE_DEPTH`] deep; it never
//! descends into directories.

use crate::entry::Entry;
use crate::error::{DecodeError, Limit, TreeError};
use crate::hash::Hash;
use crate::limits::LEAF_ENTRIES;
use crate::name::{Name, Slot};
use crate::node::{Child, Interior, Node, encode_leaf, is_empty_node, node_hash};
use crate::position::{Position, nibble};
use crate::source::{NodeStore, load};
use crate::totals::{Expected, Totals};

/// A name that is to be put, or removed.
struct Put {
    slot: Slot,
    name: Name,
    entry: Option<Entry>,
}

/// What lies below a place after the changes.
enum Built {
    /// At most [`LEAF_ENTRIES`] entries, ascending by name, not yet encoded: the place above may
    /// turn out to be the leaf.
    Few(Vec<(Name, Entry)>),
    /// A node that the store holds: an untouched one, or a new interior node.
    Stored(Child),
}

type Outcome<T, S> = Result<T, TreeError<<S as crate::source::NodeSource>::Error>>;

/// Applies `puts`, strictly ascending by name, to the directory with this node. Returns its new
/// node.
pub(crate) fn rebuild<S: NodeStore>(
    store: &mut S,
    node: Hash,
    expected: &Expected,
    puts: Vec<(Name, Option<Entry>)>,
) -> Outcome<Child, S> {
    let mut puts: Vec<Put> =
        puts.into_iter().map(|(name, entry)| Put { slot: name.slot(), name, entry }).collect();
    puts.sort_by_key(|put| put.slot);
    let (old, totals) = load(store, &node, &Position::ROOT, expected)?;
    let itself = Child { hash: node, totals };
    match rebuild_node(store, Position::ROOT, old, itself, &mut puts)? {
        Built::Few(entries) => put_leaf(store, &entries),
        Built::Stored(child) => Ok(child),
    }
}

/// `puts` all belong below `position` and are ascending by slot.
fn rebuild_node<S: NodeStore>(
    store: &mut S,
    position: Position,
    old: Node,
    itself: Child,
    puts: &mut [Put],
) -> Outcome<Built, S> {
    match old {
        Node::Leaf(leaf) => match merge(leaf.entries, puts) {
            Some(entries) => build(store, position, entries),
            None => Ok(Built::Stored(itself)),
        },
        Node::Interior(interior) => rebuild_interior(store, position, &interior, itself, puts),
    }
}

fn rebuild_interior<S: NodeStore>(
    store: &mut S,
    position: Position,
    old: &Interior,
    itself: Child,
    puts: &mut [Put],
) -> Outcome<Built, S> {
    let mut children = Vec::with_capacity(16);
    let mut rest = puts;
    for nibble in 0..16 {
        let count = rest.partition_point(|put| nibble_at(position, &put.slot) <= nibble);
        let (here, later) = rest.split_at_mut(count);
        rest = later;
        let deeper = position.child(nibble).ok_or(TreeError::Limit(Limit::Trie))?;
        let built = match (old.child(nibble), here.is_empty()) {
            (None, true) => continue,
            (Some(child), true) => Built::Stored(*child),
            (None, false) => match merge(Vec::new(), here) {
                Some(entries) => build(store, deeper, entries)?,
                None => continue,
            },
            (Some(child), false) => {
                let expected = Expected::Child(child.totals);
                let (node, _) = load(store, &child.hash, &deeper, &expected)?;
                rebuild_node(store, deeper, node, *child, here)?
            }
        };
        children.push((nibble, built));
    }
    let entries = children.iter().try_fold(0u64, |sum, (_, built)| match built {
        Built::Few(entries) => sum.checked_add(entries.len() as u64),
        Built::Stored(child) => sum.checked_add(child.totals.entries),
    });
    if entries.ok_or(TreeError::Limit(Limit::Totals))? <= LEAF_ENTRIES as u64 {
        return collapse(store, position, children).map(Built::Few);
    }
    let interior = put_children(store, position, children)?;
    if interior.children == old.children {
        return Ok(Built::Stored(itself));
    }
    put_interior(store, interior).map(Built::Stored)
}

/// The nibble of `slot` that chooses a child at `position`.
fn nibble_at(position: Position, slot: &Slot) -> u8 {
    nibble(slot, position.depth())
}

/// The entries after `puts`, ascending by name; `None` if the puts change nothing.
fn merge(entries: Vec<(Name, Entry)>, puts: &mut [Put]) -> Option<Vec<(Name, Entry)>> {
    puts.sort_by(|left, right| left.name.cmp(&right.name));
    let mut merged = Vec::with_capacity(entries.len() + puts.len());
    let mut changed = false;
    let mut old = entries.into_iter().peekable();
    for put in puts {
        while let Some(smaller) = old.next_if(|(name, _)| *name < put.name) {
            merged.push(smaller);
        }
        let replaced = old.next_if(|(name, _)| *name == put.name).map(|(_, entry)| entry);
        changed |= replaced != put.entry;
        if let Some(entry) = put.entry.take() {
            merged.push((put.name.clone(), entry));
        }
    }
    merged.extend(old);
    changed.then_some(merged)
}

/// Gives `entries`, ascending by name, their shape below `position`.
fn build<S: NodeStore>(
    store: &mut S,
    position: Position,
    entries: Vec<(Name, Entry)>,
) -> Outcome<Built, S> {
    if entries.len() <= LEAF_ENTRIES {
        return Ok(Built::Few(entries));
    }
    let mut parts: [Vec<(Name, Entry)>; 16] = Default::default();
    for (name, entry) in entries {
        let nibble = nibble_at(position, &name.slot());
        parts[usize::from(nibble)].push((name, entry));
    }
    let mut children = Vec::with_capacity(16);
    for (nibble, part) in (0..16).zip(parts).filter(|(_, part)| !part.is_empty()) {
        let deeper = position.child(nibble).ok_or(TreeError::Limit(Limit::Trie))?;
        children.push((nibble, build(store, deeper, part)?));
    }
    let interior = put_children(store, position, children)?;
    put_interior(store, interior).map(Built::Stored)
}

/// Gathers what is left below an interior node that has become a leaf.
fn collapse<S: NodeStore>(
    store: &S,
    position: Position,
    children: Vec<(u8, Built)>,
) -> Outcome<Vec<(Name, Entry)>, S> {
    let mut all = Vec::with_capacity(LEAF_ENTRIES);
    for (nibble, built) in children {
        match built {
            Built::Few(entries) => all.extend(entries),
            Built::Stored(child) => {
                let deeper = position.child(nibble).ok_or(TreeError::Limit(Limit::Trie))?;
                match load(store, &child.hash, &deeper, &Expected::Child(child.totals))?.0 {
                    Node::Leaf(leaf) => all.extend(leaf.entries),
                    // Unreachable: an interior node holds more than a leaf may.
                    Node::Interior(_) => {
                        let error = DecodeError::Shape;
                        return Err(TreeError::Decode { hash: child.hash, error });
                    }
                }
            }
        }
    }
    all.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    Ok(all)
}

/// Stores the leaves among `children` and makes the node above them.
fn put_children<S: NodeStore>(
    store: &mut S,
    position: Position,
    children: Vec<(u8, Built)>,
) -> Outcome<Interior, S> {
    let mut stored = Vec::with_capacity(children.len());
    for (nibble, built) in children {
        match built {
            Built::Few(entries) if entries.is_empty() => {}
            Built::Few(entries) => stored.push((nibble, put_leaf(store, &entries)?)),
            Built::Stored(child) => stored.push((nibble, child)),
        }
    }
    Ok(Interior { depth: position.depth() as u8, children: stored })
}

fn put_interior<S: NodeStore>(store: &mut S, interior: Interior) -> Outcome<Child, S> {
    let totals = Totals::sum(interior.children.iter().map(|(_, child)| child.totals));
    let totals = totals.ok_or(TreeError::Limit(Limit::Totals))?;
    let bytes = Node::Interior(interior).encode();
    let hash = node_hash(&bytes);
    store.put(hash, bytes).map_err(TreeError::Source)?;
    Ok(Child { hash, totals })
}

fn put_leaf<S: NodeStore>(store: &mut S, entries: &[(Name, Entry)]) -> Outcome<Child, S> {
    let totals = Totals::of_entries(entries).ok_or(TreeError::Limit(Limit::Totals))?;
    let bytes = encode_leaf(entries);
    let hash = node_hash(&bytes);
    if !is_empty_node(&hash) {
        store.put(hash, bytes).map_err(TreeError::Source)?;
    }
    Ok(Child { hash, totals })
}

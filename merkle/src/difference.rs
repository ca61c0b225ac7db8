//! What differs between two trees, in *tree order*: a directory before what is below it; within one
//! directory by slot, then by name.
//!
//! Tree order is the order in which the nodes hold the names, so equal subtrees are skipped by
//! their hash, and the comparison can resume after any path at the cost of the way to it. The path
//! need not exist in either tree.
//!
//! State is a stack on the heap: for each level of directories on the way, the names of one leaf
//! pair that still differ (at most 256) and at most fifteen places for each level of its trie.

use std::cmp::Ordering;
use std::vec;

use crate::entry::Entry;
use crate::error::{Limit, TreeError};
use crate::hash::Hash;
use crate::name::{Name, Slot};
use crate::node::{Interior, Node};
use crate::path::Path;
use crate::position::{Position, nibble};
use crate::record::Record;
use crate::source::{NodeSource, load};
use crate::totals::Expected;

/// One path that is not the same in both trees.
///
/// A directory appears only if it was added or removed, or if its own mode or attributes changed;
/// below one that was added or removed, everything appears by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: Path,
    /// What is there in the old tree.
    pub old: Option<Record>,
    /// What is there in the new tree; never equal to `old`.
    pub new: Option<Record>,
}

/// The first `limit` differences between two trees in tree order, strictly after the path `after`.
///
/// To go on, pass the last path that was returned. Fewer than `limit` mean that there are no more.
pub fn difference<S: NodeSource>(
    source: &S,
    old: &Hash,
    new: &Hash,
    after: Option<&Path>,
    limit: usize,
) -> Result<Vec<Difference>, TreeError<S::Error>> {
    Differences::new(source, old, new, after).take(limit).collect()
}

/// Compares two paths in tree order: the order of [`Differences`].
pub fn tree_order(left: &Path, right: &Path) -> Ordering {
    let key = |name: Name| (name.slot(), name);
    left.components().map(key).cmp(right.components().map(key))
}

/// What one of the two trees has at a place.
#[derive(Debug)]
enum Side {
    Nothing,
    Node(Hash, Expected),
    /// Entries of a leaf further up, where the other tree has an interior node.
    Entries(Vec<(Name, Entry)>),
}

impl Side {
    fn child(interior: &Interior, nibble: u8) -> Side {
        match interior.child(nibble) {
            Some(child) => Side::Node(child.hash, Expected::Child(child.totals)),
            None => Side::Nothing,
        }
    }

    fn directory(entry: Option<&Entry>) -> Side {
        match entry.and_then(Entry::as_directory) {
            Some(directory) => Side::Node(directory.node, directory.expected()),
            None => Side::Nothing,
        }
    }
}

/// A side whose node has been read.
enum Opened {
    Entries(Vec<(Name, Entry)>),
    Interior(Interior),
}

impl Opened {
    /// The side's sixteen parts one level down.
    fn split(self, position: &Position) -> [Side; 16] {
        match self {
            Opened::Interior(interior) => {
                std::array::from_fn(|nibble| Side::child(&interior, nibble as u8))
            }
            Opened::Entries(entries) => {
                let mut parts: [Vec<(Name, Entry)>; 16] = Default::default();
                for (name, entry) in entries {
                    let nibble = nibble(&name.slot(), position.depth());
                    parts[usize::from(nibble)].push((name, entry));
                }
                parts.map(|part| if part.is_empty() { Side::Nothing } else { Side::Entries(part) })
            }
        }
    }
}

/// A name whose entries differ.
#[derive(Debug)]
struct Pair {
    slot: Slot,
    name: Name,
    old: Option<Entry>,
    new: Option<Entry>,
}

/// Work still to be done. `resume` says how many names of the path to resume after lead to this
/// directory, if the path leads through this place: what comes before it is left out.
#[derive(Debug)]
enum Task {
    Compare { directory: Path, position: Position, old: Side, new: Side, resume: Option<usize> },
    Names { directory: Path, pairs: vec::IntoIter<Pair>, resume: Option<usize> },
}

/// Streams the differences between two trees. Ends after an error.
#[derive(Debug)]
pub struct Differences<S> {
    source: S,
    /// The next task last.
    tasks: Vec<Task>,
    /// Names of the path to resume after, with their slots.
    after: Vec<(Slot, Name)>,
}

impl<S: NodeSource> Differences<S> {
    /// All differences strictly after `after` in tree order.
    pub fn new(source: S, old: &Hash, new: &Hash, after: Option<&Path>) -> Differences<S> {
        let after: Vec<_> = after
            .iter()
            .flat_map(|path| path.components())
            .map(|name| (name.slot(), name))
            .collect();
        let compare = Task::Compare {
            directory: Path::root(),
            position: Position::ROOT,
            old: Side::Node(*old, Expected::Nothing),
            new: Side::Node(*new, Expected::Nothing),
            resume: if after.is_empty() { None } else { Some(0) },
        };
        Differences { source, tasks: vec![compare], after }
    }

    fn step(&mut self) -> Result<Option<Difference>, TreeError<S::Error>> {
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Compare { directory, position, old, new, resume } => {
                    self.compare(directory, position, old, new, resume)?;
                }
                Task::Names { directory, mut pairs, resume } => {
                    let Some(pair) = pairs.next() else { continue };
                    self.tasks.push(Task::Names { directory: directory.clone(), pairs, resume });
                    if let Some(difference) = self.pair(&directory, pair, resume)? {
                        return Ok(Some(difference));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Schedules what is below one place.
    fn compare(
        &mut self,
        directory: Path,
        position: Position,
        old: Side,
        new: Side,
        resume: Option<usize>,
    ) -> Result<(), TreeError<S::Error>> {
        if let (Side::Node(old, _), Side::Node(new, _)) = (&old, &new)
            && old == new
        {
            return Ok(());
        }
        match (self.open(old, &position)?, self.open(new, &position)?) {
            (Opened::Entries(old), Opened::Entries(new)) => {
                let mut pairs = differing(old, new);
                if let Some((slot, name)) = self.resume_name(resume) {
                    pairs.retain(|pair| (&pair.slot, &pair.name) >= (slot, name));
                }
                self.tasks.push(Task::Names { directory, pairs: pairs.into_iter(), resume });
            }
            (old, new) => {
                let (old, new) = (old.split(&position), new.split(&position));
                let first =
                    self.resume_name(resume).map(|(slot, _)| nibble(slot, position.depth()));
                for (nibble, (old, new)) in (0..16).zip(old.into_iter().zip(new)).rev() {
                    let empty = matches!((&old, &new), (Side::Nothing, Side::Nothing));
                    if empty || first.is_some_and(|first| nibble < first) {
                        continue;
                    }
                    let resume = if first == Some(nibble) { resume } else { None };
                    let position = position.child(nibble).ok_or(TreeError::Limit(Limit::Trie))?;
                    let directory = directory.clone();
                    self.tasks.push(Task::Compare { directory, position, old, new, resume });
                }
            }
        }
        Ok(())
    }

    /// The difference of one name, and what is below it scheduled.
    fn pair(
        &mut self,
        directory: &Path,
        pair: Pair,
        resume: Option<usize>,
    ) -> Result<Option<Difference>, TreeError<S::Error>> {
        let Pair { slot, name, old, new } = pair;
        let path = directory.join(&name);
        if !path.is_within_limits() {
            return Err(TreeError::Limit(Limit::Path));
        }
        // On the way to the path to resume after, a name comes before it; so does the path itself.
        let on_the_way = self.resume_name(resume) == Some((&slot, &name));
        let below = match resume {
            Some(depth) if on_the_way && depth + 1 < self.after.len() => Some(depth + 1),
            _ => None,
        };
        let (side_old, side_new) = (Side::directory(old.as_ref()), Side::directory(new.as_ref()));
        if !matches!((&side_old, &side_new), (Side::Nothing, Side::Nothing)) {
            self.tasks.push(Task::Compare {
                directory: path.clone(),
                position: Position::ROOT,
                old: side_old,
                new: side_new,
                resume: below,
            });
        }
        let (old, new) = (old.as_ref().map(Record::from), new.as_ref().map(Record::from));
        Ok((!on_the_way && old != new).then_some(Difference { path, old, new }))
    }

    fn resume_name(&self, resume: Option<usize>) -> Option<(&Slot, &Name)> {
        self.after.get(resume?).map(|(slot, name)| (slot, name))
    }

    fn open(&self, side: Side, position: &Position) -> Result<Opened, TreeError<S::Error>> {
        Ok(match side {
            Side::Nothing => Opened::Entries(Vec::new()),
            Side::Entries(entries) => Opened::Entries(entries),
            Side::Node(hash, expected) => match load(&self.source, &hash, position, &expected)?.0 {
                Node::Leaf(leaf) => Opened::Entries(leaf.entries),
                Node::Interior(interior) => Opened::Interior(interior),
            },
        })
    }
}

/// The names whose entries differ, by slot and name. Slots are computed for those alone.
fn differing(old: Vec<(Name, Entry)>, new: Vec<(Name, Entry)>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut push = |name: Name, old, new| {
        if old != new {
            pairs.push(Pair { slot: name.slot(), name, old, new });
        }
    };
    let mut new = new.into_iter().peekable();
    for (name, entry) in old {
        while let Some((added, entry)) = new.next_if(|(other, _)| *other < name) {
            push(added, None, Some(entry));
        }
        let other = new.next_if(|(other, _)| *other == name).map(|(_, entry)| entry);
        push(name, Some(entry), other);
    }
    for (added, entry) in new {
        push(added, None, Some(entry));
    }
    pairs.sort_by(|left, right| (&left.slot, &left.name).cmp(&(&right.slot, &right.name)));
    pairs
}

impl<S: NodeSource> Iterator for Differences<S> {
    type Item = Result<Difference, TreeError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.step();
        if result.is_err() {
            self.tasks.clear();
        }
        result.transpose()
    }
}

#[cfg(test)]
mod tests;

//! Applies a delta to a tree and proves that it fits on both ends.

use crate::delta::{Delta, Move};
use crate::difference::{Difference, Differences};
use crate::error::TreeError;
use crate::source::NodeStore;
use crate::tree::{Trail, Tree, lookup};
use crate::update::{Action, Change, Update, update};

type Outcome<T, S> = Result<T, TreeError<<S as crate::source::NodeSource>::Error>>;

/// Stores the nodes of the tree that `delta` leads to from `base`.
///
/// Succeeds only if the delta starts from `base`, each path is what the delta says it was, the
/// result has the root that the delta says, and the delta lists every difference and nothing else.
/// After an error the store may hold nodes that no tree refers to; `base` is as it was.
pub fn apply_delta<S: NodeStore>(store: &mut S, base: &Tree, delta: &Delta) -> Outcome<Tree, S> {
    if delta.base != base.root {
        return Err(TreeError::WrongBase { delta: delta.base, tree: base.root });
    }
    let mut moved = *base;
    for step in &delta.moves {
        moved = apply_move(store, &moved, step)?;
    }
    // What follows would find a change that does not fit, but only after writing nodes, and often
    // as a symptom.
    let mut trail = Trail::new(moved.root);
    for change in &delta.changes {
        let fits = match (&change.old, trail.find(store, &change.path)?) {
            (None, None) => true,
            (Some(record), Some(entry)) => record.describes(&entry),
            _ => false,
        };
        if !fits {
            return Err(TreeError::BaseMismatch(change.path.clone()));
        }
    }
    let changes: Vec<Change> = delta.changes.iter().map(Change::from).collect();
    let reached = update(store, &moved, &changes)?;
    if reached.root != delta.target {
        return Err(TreeError::WrongTarget { target: delta.target, reached: reached.root });
    }
    check_complete(store, &moved, delta)?;
    Ok(reached)
}

/// Whether the delta's changes are the difference, all of it and no more.
fn check_complete<S: NodeStore>(store: &S, moved: &Tree, delta: &Delta) -> Outcome<(), S> {
    let mut found = vec![false; delta.changes.len()];
    for difference in Differences::new(store, &moved.root, &delta.target, None) {
        let Difference { path, old, new } = difference?;
        let index = delta.changes.binary_search_by(|change| change.path.cmp(&path));
        match index {
            Ok(index) if delta.changes[index].old == old && delta.changes[index].new == new => {
                found[index] = true;
            }
            _ => return Err(TreeError::BaseMismatch(path)),
        }
    }
    match found.iter().position(|found| !found) {
        Some(index) => Err(TreeError::BaseMismatch(delta.changes[index].path.clone())),
        None => Ok(()),
    }
}

fn apply_move<S: NodeStore>(store: &mut S, tree: &Tree, step: &Move) -> Outcome<Tree, S> {
    let Move { from, to } = step;
    let refused = || TreeError::Move { from: from.clone(), to: to.clone() };
    if to.starts_with(from) || lookup(store, &tree.root, to)?.is_some() {
        return Err(refused());
    }
    let entry = lookup(store, &tree.root, from)?.ok_or_else(refused)?;
    let mut steps = [(from, Action::Remove), (to, Action::Entry(entry))];
    steps.sort_by_key(|(path, _)| (*path).clone());
    let mut update = Update::new(tree);
    for (path, action) in steps {
        update.apply(store, path, action)?;
    }
    update.finish(store)
}

#[cfg(test)]
mod tests;

//! Changes that programs see and that are not durable yet.
//!
//! A crash keeps some of them and loses the others; a sync moves some to the durable tree. What
//! may not be kept without what is said by every change of names:
//!
//! - it needs the earlier changes of the same names;
//! - the removal of a directory needs the changes that emptied it, and a directory that moves
//!   needs earlier such moves, so that no directory ever lies in itself;
//! - names in a new directory need the directory's own name. A sync of the new directory does not
//!   bring that name along; only a *move* into it does, because no file system loses a durable
//!   file by moving it.
//!
//! Sectors and attributes need nothing: each inode and each sector survives in any version since
//! its last sync. Invariant: every index names only changes that are pending.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use mirrormesh_merkle::Name;

use super::tree::{Change, ChangeId, Key, Naming, Tree};

#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) change: Rc<Change>,
    /// Changes of names without which this one cannot be.
    pub(super) after: Vec<ChangeId>,
    /// Changes that give a name to a directory in which this one puts something.
    pub(super) parents: Vec<ChangeId>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    last: ChangeId,
    operations: BTreeMap<ChangeId, Operation>,
    /// Inode -> changes that concern it.
    of: BTreeMap<Key, BTreeSet<ChangeId>>,
    /// Name -> its last change.
    names: BTreeMap<(Key, Name), ChangeId>,
    /// Directory -> the change that gave it its first name.
    births: BTreeMap<Key, ChangeId>,
    last_move: Option<ChangeId>,
}

fn concerned(change: &Change) -> Vec<Key> {
    match change {
        Change::Sector { inode, .. }
        | Change::Share { inode, .. }
        | Change::Attributes { inode, .. } => vec![*inode],
        Change::Names(naming) => {
            let bindings = naming.bindings.iter();
            let mut keys: Vec<Key> = bindings
                .flat_map(|binding| [Some(binding.directory), binding.inode, binding.was])
                .flatten()
                .collect();
            keys.extend(naming.removed);
            keys.sort_unstable();
            keys.dedup();
            keys
        }
    }
}

impl Pending {
    /// No changes; numbers go on where another list ended.
    pub(super) fn after(last: ChangeId) -> Pending {
        Pending { last, ..Pending::default() }
    }

    /// The number of the last change that was ever added.
    pub(super) fn last(&self) -> ChangeId {
        self.last
    }

    /// The number that the next change will have.
    pub(super) fn next(&self) -> ChangeId {
        self.last + 1
    }

    /// All pending changes in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ChangeId, &Operation)> {
        self.operations.iter().map(|(&id, operation)| (id, operation))
    }

    /// Number of pending changes.
    pub(super) fn count(&self) -> usize {
        self.operations.len()
    }

    /// Pending changes that concern an inode, in order.
    pub(super) fn of(&self, key: Key) -> impl Iterator<Item = (ChangeId, &Change)> {
        let ids = self.of.get(&key).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.operations.get(id)?.change.as_ref())))
    }

    /// Inodes that any pending change concerns, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.of.keys().copied()
    }

    pub(super) fn concerns(&self, key: Key) -> bool {
        self.of.contains_key(&key)
    }

    pub(super) fn push(&mut self, change: Rc<Change>) -> ChangeId {
        self.last += 1;
        let id = self.last;
        for key in concerned(&change) {
            self.of.entry(key).or_default().insert(id);
        }
        let (after, parents) = match change.as_ref() {
            Change::Names(naming) => self.push_names(id, naming),
            _ => (Vec::new(), Vec::new()),
        };
        self.operations.insert(id, Operation { change, after, parents });
        id
    }

    fn push_names(&mut self, id: ChangeId, naming: &Naming) -> (Vec<ChangeId>, Vec<ChangeId>) {
        let mut after = BTreeSet::new();
        let mut parents = BTreeSet::new();
        for binding in &naming.bindings {
            after.extend(self.names.insert((binding.directory, binding.name.clone()), id));
            parents.extend(self.births.get(&binding.directory));
        }
        if let Some(removed) = naming.removed {
            let concerning = self.of.get(&removed).into_iter().flatten();
            after.extend(concerning.filter(|&other| {
                let operation = self.operations.get(other);
                operation.is_some_and(|operation| matches!(*operation.change, Change::Names(_)))
            }));
        }
        if naming.moves_directory {
            after.extend(self.last_move.replace(id));
        }
        if let Some(born) = naming.born {
            self.births.insert(born, id);
        }
        after.remove(&id);
        (after.into_iter().collect(), parents.into_iter().collect())
    }

    fn take(&mut self, id: ChangeId) -> Option<Operation> {
        let operation = self.operations.remove(&id)?;
        for key in concerned(&operation.change) {
            if let Some(ids) = self.of.get_mut(&key) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.of.remove(&key);
                }
            }
        }
        if let Change::Names(naming) = operation.change.as_ref() {
            for binding in &naming.bindings {
                let place = (binding.directory, binding.name.clone());
                if self.names.get(&place) == Some(&id) {
                    self.names.remove(&place);
                }
            }
            if let Some(born) = naming.born {
                self.births.remove(&born);
            }
            if self.last_move == Some(id) {
                self.last_move = None;
            }
        }
        Some(operation)
    }

    /// Forgets data that a failed sync has lost. Attributes stay.
    pub(super) fn lose_data(&mut self, key: Key) {
        let is_data =
            |change: &Change| matches!(change, Change::Sector { .. } | Change::Share { .. });
        let lost: Vec<ChangeId> =
            self.of(key).filter(|(_, change)| is_data(change)).map(|(id, _)| id).collect();
        for id in lost {
            self.take(id);
        }
    }

    /// Forgets all changes of an inode.
    pub(super) fn forget(&mut self, key: Key) {
        let ids: Vec<ChangeId> = self.of(key).map(|(id, _)| id).collect();
        for id in ids {
            self.take(id);
        }
    }

    /// Moves changes, and all that they need, to the durable tree. Returns the inodes concerned.
    pub(super) fn flush(
        &mut self,
        wanted: impl IntoIterator<Item = ChangeId>,
        durable: &mut Tree,
    ) -> BTreeSet<Key> {
        let mut ids = BTreeSet::new();
        let mut open: Vec<ChangeId> = wanted.into_iter().collect();
        while let Some(id) = open.pop() {
            let Some(operation) = self.operations.get(&id) else { continue };
            if ids.insert(id) {
                open.extend(&operation.after);
                if matches!(operation.change.as_ref(), Change::Names(naming) if naming.is_move) {
                    open.extend(&operation.parents);
                }
            }
        }
        let mut keys = BTreeSet::new();
        for id in ids {
            if let Some(operation) = self.take(id) {
                durable.apply(id, &operation.change);
                keys.extend(concerned(&operation.change));
            }
        }
        keys
    }

    /// The changes of an inode that a sync of the file or of the directory makes durable.
    pub(super) fn for_sync(&self, key: Key) -> Vec<ChangeId> {
        let of_names =
            |naming: &Naming| naming.bindings.iter().any(|binding| binding.directory == key);
        self.of(key)
            .filter(|(_, change)| match change {
                Change::Names(naming) => of_names(naming),
                _ => true,
            })
            .map(|(id, _)| id)
            .collect()
    }
}

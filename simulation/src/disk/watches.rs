//! Watched directories, and the hints that changes in them cause.
//!
//! No hint is lost or doubled here: that is the world's business.

use std::collections::BTreeMap;

use mirrormesh::core::{Hint, HintKind};
use mirrormesh_merkle::{Name, Path};

use super::seen::Actor;
use super::state::State;
use super::tree::Key;

#[derive(Debug, Default)]
pub(super) struct Watches {
    /// Directory -> the path that its hints name.
    directories: BTreeMap<Key, Path>,
    hints: Vec<Hint>,
}

impl Watches {
    /// Watches a directory; `false` beyond the limit. A further call renames.
    pub(super) fn add(&mut self, directory: Key, path: Path, limit: usize) -> bool {
        let may = self.directories.contains_key(&directory) || self.directories.len() < limit;
        if may {
            self.directories.insert(directory, path);
        }
        may
    }

    pub(super) fn forget(&mut self, directory: Key) {
        self.directories.remove(&directory);
    }

    pub(super) fn paths(&self) -> Vec<Path> {
        self.directories.values().cloned().collect()
    }

    pub(super) fn take(&mut self) -> Vec<Hint> {
        std::mem::take(&mut self.hints)
    }
}

impl State {
    /// Something happened to a name.
    pub(super) fn hint(&mut self, directory: Key, name: &Name, kind: HintKind) {
        if self.actor == Actor::Mirrormesh && !self.options.echo_hints {
            return;
        }
        if let Some(path) = self.watches.directories.get(&directory) {
            self.watches.hints.push(Hint { path: path.join(name), kind });
        }
    }

    /// Something happened to an inode, under the name it is known by.
    pub(super) fn hint_at(&mut self, key: Key, kind: HintKind) {
        if let Some((directory, name)) = self.live.get(key).and_then(|inode| inode.home.clone()) {
            self.hint(directory, &name, kind);
        }
    }
}

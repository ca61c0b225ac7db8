//! Which directories are watched, and by which instance.

use std::collections::{BTreeMap, BTreeSet};

use mirrormesh_merkle::Path;

/// Refused directories that are counted.
const REFUSED: usize = 1_024;

/// A watch in place.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    /// Device and inode of the directory.
    pub(super) identity: (u64, u64),
    /// Number of the instance.
    pub(super) shard: u64,
}

/// What a handler cannot do itself.
pub(super) enum Removal {
    /// A watch that outlived the name it was placed by.
    Watch {
        /// Number of the instance.
        shard: u64,
        /// The directory's former path.
        path: Path,
    },
    /// An instance that lost events.
    Shard(u64),
}

/// What is watched and what is not.
#[derive(Default)]
pub(super) struct State {
    watched: BTreeMap<Path, Placed>,
    used: BTreeMap<u64, usize>,
    refused: BTreeSet<Path>,
    refusal: String,
    /// Work for the keeper: at most one entry for each watch there was.
    pub(super) removals: Vec<Removal>,
    /// How often events were lost.
    pub(super) overflows: u64,
    /// Whether the keeper ends.
    pub(super) closed: bool,
}

impl State {
    /// The watch at a path.
    pub(super) fn placed(&self, path: &Path) -> Option<Placed> {
        self.watched.get(path).copied()
    }

    /// Number of watches.
    pub(super) fn watches(&self) -> usize {
        self.watched.len()
    }

    /// Number of watches of one instance.
    pub(super) fn watches_of(&self, shard: u64) -> usize {
        self.used.get(&shard).copied().unwrap_or(0)
    }

    /// Number of directories that were refused and not watched since, as far as counted.
    pub(super) fn refused(&self) -> usize {
        self.refused.len()
    }

    /// Why not everything is watched, or that it is.
    pub(super) fn reason(&self) -> String {
        if self.refused.is_empty() {
            return "inotify watches every directory".to_owned();
        }
        let number = match self.refused.len() {
            REFUSED => format!("{REFUSED} or more"),
            number => number.to_string(),
        };
        format!("{number} directories are scanned instead of watched: {}", self.refusal)
    }

    /// Notes a watch.
    pub(super) fn insert(&mut self, path: &Path, placed: Placed) {
        self.refused.remove(path);
        *self.used.entry(placed.shard).or_default() += 1;
        if let Some(old) = self.watched.insert(path.clone(), placed) {
            self.release(old.shard);
        }
    }

    /// Notes that a directory is not watched.
    pub(super) fn refuse(&mut self, path: &Path, reason: String) {
        if self.refused.len() < REFUSED {
            self.refused.insert(path.clone());
        }
        self.refusal = reason;
    }

    /// Forgets a watch.
    pub(super) fn remove_one(&mut self, path: &Path) {
        if let Some(placed) = self.watched.remove(path) {
            self.release(placed.shard);
        }
    }

    /// Forgets the watches at and below a path; returns them.
    pub(super) fn remove_tree(&mut self, path: &Path) -> Vec<(Path, Placed)> {
        while let Some(refused) = self.refused.range(path..).next()
            && refused.starts_with(path)
        {
            let refused = refused.clone();
            self.refused.remove(&refused);
        }
        let removed: Vec<(Path, Placed)> = self
            .watched
            .range(path..)
            .take_while(|(below, _)| below.starts_with(path))
            .map(|(below, placed)| (below.clone(), *placed))
            .collect();
        for (path, _) in &removed {
            self.remove_one(path);
        }
        removed
    }

    /// Forgets all watches of an instance.
    pub(super) fn remove_shard(&mut self, shard: u64) {
        self.watched.retain(|_, placed| placed.shard != shard);
        self.used.remove(&shard);
    }

    /// Forgets everything but what happened.
    pub(super) fn clear(&mut self) {
        self.watched.clear();
        self.used.clear();
        self.refused.clear();
        self.removals.clear();
    }

    fn release(&mut self, shard: u64) {
        if let Some(used) = self.used.get_mut(&shard) {
            *used = used.saturating_sub(1);
        }
    }
}

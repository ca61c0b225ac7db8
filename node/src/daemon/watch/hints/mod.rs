//! Hints on their way from a back end to whoever takes them: a bounded set, and no timer.
//!
//! A path is in the set once. Of two hints about it the later counts, and [`HintKind::Lost`] counts
//! most: it also takes the place of everything below its path. When the set is full, the deepest
//! paths are replaced by a loss at their directory, again and again, until it is half empty: what is
//! then scanned too much is as little as can be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mirrormesh_merkle::Path;
use tokio::sync::Notify;

use crate::core::{Hint, HintKind};

/// Paths in the set at most.
const CAPACITY: usize = 8_192;

/// Hints taken at once at most.
const BATCH: usize = 256;

/// The end that back ends put hints in.
#[derive(Default)]
pub(super) struct Hints {
    set: Mutex<Set>,
    arrived: Notify,
}

/// The end that hints are taken from.
pub struct HintReceiver {
    hints: Arc<Hints>,
}

impl Hints {
    /// Both ends of an empty set.
    pub(super) fn new() -> (Arc<Hints>, HintReceiver) {
        let hints = Arc::new(Hints::default());
        (Arc::clone(&hints), HintReceiver { hints })
    }

    /// Puts a hint in; never waits.
    pub(super) fn add(&self, path: Path, kind: HintKind) {
        let first = {
            let mut set = self.lock();
            let first = set.kinds.is_empty();
            set.add(path, kind);
            first
        };
        // Whoever takes hints goes on until there are none: only the first has to wake it.
        if first {
            self.arrived.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HintReceiver {
    /// Waits until there are hints, and takes those that have waited longest, 256 at most. Waits for
    /// ever where no back end gives any. Nothing is lost when the future is dropped.
    pub async fn recv_batch(&mut self) -> Vec<Hint> {
        loop {
            let batch = self.hints.lock().take(BATCH);
            if !batch.is_empty() {
                return batch;
            }
            self.hints.arrived.notified().await;
        }
    }

    /// Takes what is there.
    pub fn try_recv_batch(&mut self) -> Vec<Hint> {
        self.hints.lock().take(BATCH)
    }
}

/// Paths in their order, each directory directly before what lies below it, and by age.
#[derive(Default)]
struct Set {
    kinds: BTreeMap<Path, (HintKind, u64)>,
    ages: BTreeMap<u64, Path>,
    next: u64,
}

impl Set {
    fn add(&mut self, path: Path, kind: HintKind) {
        if self.is_covered(&path) {
            return;
        }
        if kind == HintKind::Lost {
            self.remove_below(&path);
        }
        match self.kinds.get_mut(&path) {
            Some((known, _)) => {
                if *known != HintKind::Lost {
                    *known = kind;
                }
            }
            None => {
                self.ages.insert(self.next, path.clone());
                self.kinds.insert(path, (kind, self.next));
                self.next += 1;
            }
        }
        if self.kinds.len() > CAPACITY {
            self.collapse();
        }
    }

    /// Whether a loss above `path` is in the set. Nothing is below a loss, so that it would be the
    /// last before `path`.
    fn is_covered(&self, path: &Path) -> bool {
        self.kinds
            .range(..path)
            .next_back()
            .is_some_and(|(before, (kind, _))| *kind == HintKind::Lost && path.starts_with(before))
    }

    fn remove_below(&mut self, path: &Path) {
        let below: Vec<(Path, u64)> = self
            .kinds
            .range(path..)
            .skip_while(|(below, _)| *below == path)
            .take_while(|(below, _)| below.starts_with(path))
            .map(|(below, (_, age))| (below.clone(), *age))
            .collect();
        for (path, age) in below {
            self.kinds.remove(&path);
            self.ages.remove(&age);
        }
    }

    fn collapse(&mut self) {
        while self.kinds.len() > CAPACITY / 2 {
            let depth = self.kinds.keys().map(Path::depth).max().unwrap_or(0);
            let mut parents: Vec<Path> = self
                .kinds
                .keys()
                .filter(|path| path.depth() == depth)
                .map(|path| path.parent().unwrap_or_default())
                .collect();
            // In order, so that equal ones follow each other.
            parents.dedup();
            for parent in parents {
                self.add(parent, HintKind::Lost);
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<Hint> {
        let mut batch = Vec::with_capacity(count.min(self.ages.len()));
        while batch.len() < count
            && let Some((_, path)) = self.ages.pop_first()
            && let Some((kind, _)) = self.kinds.remove(&path)
        {
            batch.push(Hint { path, kind });
        }
        batch
    }
}

#[cfg(test)]
mod tests;

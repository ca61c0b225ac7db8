//! What has to be looked at, and when: hints settle here before they become looks.
//!
//! State: a bounded map from path to the moment at which it is due. A complete change is due at
//! once; one whose writer may go on is due after a short quiet, but no later than a hard cap after
//! its first hint. Names that were not stable are due again after a while.
//!
//! Invariants: at most [`MAX_DIRTY`] paths; beyond that everything collapses into one scan of the
//! docroot. Nothing that was put in is ever forgotten without a look that covers it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mirrormesh_gossip::Instant;
use mirrormesh_merkle::Path;

use super::hint::{Hint, HintKind};
use crate::store::{Depth, Look};

/// Most paths that wait for a look.
pub(crate) const MAX_DIRTY: usize = 16_384;
/// Most looks of one Observe.
pub(crate) const MAX_LOOKS: usize = 256;
/// Quiet that is waited for after a hint of a change that may go on.
const SETTLE: Duration = Duration::from_millis(50);
/// Longest wait for quiet.
const SETTLE_CAP: Duration = Duration::from_millis(500);

#[derive(Debug, Clone)]
struct Waiting {
    due: Instant,
    /// No later than the first hint that no look has covered yet.
    first: Instant,
    depth: Depth,
    after: Option<Path>,
    /// Due again after it was not stable: a barrier does not hurry it.
    retry: bool,
}

/// Paths that wait for a look.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    paths: BTreeMap<Path, Waiting>,
    /// The same by the moment they are due.
    due: BTreeSet<(Instant, Path)>,
}

impl Dirty {
    /// Takes a hint. Without `settle` nobody asks whether the writer goes on.
    pub(crate) fn hint(&mut self, hint: Hint, now: Instant, settle: bool) {
        let depth = if hint.kind == HintKind::Lost { Depth::Subtree } else { Depth::Name };
        let at_once = hint.kind != HintKind::Changing || !settle;
        let waiting = self.paths.get(&hint.path);
        let due = match waiting {
            _ if at_once => now,
            Some(waiting) if waiting.retry => (now + SETTLE).min(waiting.due),
            Some(waiting) => (now + SETTLE).min(waiting.first + SETTLE_CAP),
            None => now + SETTLE,
        };
        self.put(hint.path, Waiting { due, first: now, depth, after: None, retry: false });
    }

    /// Wants a look now.
    pub(crate) fn look(&mut self, path: Path, depth: Depth, now: Instant) {
        self.put(path, Waiting { due: now, first: now, depth, after: None, retry: false });
    }

    /// Wants another look later at a name that was not stable.
    pub(crate) fn retry(&mut self, path: Path, due: Instant, now: Instant) {
        if !self.paths.contains_key(&path) {
            let depth = Depth::Name;
            self.put(path, Waiting { due, first: now, depth, after: None, retry: true });
        }
    }

    /// Puts back what an Observe left of looks that have been due since `first`.
    pub(crate) fn look_from(&mut self, look: Look, due: Instant, first: Instant) {
        let Look { path, depth, after } = look;
        self.put(path, Waiting { due, first, depth, after, retry: false });
    }

    fn put(&mut self, path: Path, mut new: Waiting) {
        if let Some(old) = self.remove(&path) {
            new.first = old.first.min(new.first);
            // The wider look wins, and the one that begins earlier: both must be covered.
            new.after = match (old.depth, new.depth) {
                (Depth::Name, _) => new.after,
                (_, Depth::Name) => old.after,
                _ => old.after.min(new.after),
            };
            new.depth = new.depth.max(old.depth);
        } else if self.paths.len() >= MAX_DIRTY {
            self.collapse(new.first);
        }
        self.due.insert((new.due, path.clone()));
        self.paths.insert(path, new);
    }

    fn remove(&mut self, path: &Path) -> Option<Waiting> {
        let waiting = self.paths.remove(path)?;
        self.due.remove(&(waiting.due, path.clone()));
        Some(waiting)
    }

    /// Replaces everything by one scan of the docroot: so many hints cost more than a scan. It is
    /// dirty since the oldest of them, which a wait may be for.
    fn collapse(&mut self, now: Instant) {
        let waiting = self.paths.values().filter(|waiting| !waiting.retry);
        let first = waiting.map(|waiting| waiting.first).min().unwrap_or(now).min(now);
        self.paths.clear();
        self.due.clear();
        self.look(Path::root(), Depth::Subtree, first);
    }

    /// Takes up to [`MAX_LOOKS`] looks that are due, and since when the oldest waited.
    pub(crate) fn take(&mut self, now: Instant) -> (Vec<Look>, Option<Instant>) {
        let mut looks = Vec::new();
        let mut oldest = None;
        while looks.len() < MAX_LOOKS && self.is_due(now) {
            let Some((_, path)) = self.due.pop_first() else { break };
            if let Some(waiting) = self.paths.remove(&path) {
                oldest =
                    Some(oldest.map_or(waiting.first, |oldest: Instant| oldest.min(waiting.first)));
                looks.push(Look { path, depth: waiting.depth, after: waiting.after });
            }
        }
        (looks, oldest)
    }

    /// Whether nothing that was put in up to `moment` waits, but for names that are not stable.
    pub(crate) fn has_settled(&self, moment: Instant) -> bool {
        !self.paths.values().any(|waiting| !waiting.retry && waiting.first <= moment)
    }

    /// Makes everything that only settles due now, for a barrier. Retries keep their time.
    pub(crate) fn hurry(&mut self, now: Instant) {
        let settling: Vec<Path> = self
            .paths
            .iter()
            .filter(|(_, waiting)| !waiting.retry && waiting.due > now)
            .map(|(path, _)| path.clone())
            .collect();
        for path in settling {
            if let Some(waiting) = self.remove(&path) {
                self.put(path, Waiting { due: now, ..waiting });
            }
        }
    }

    /// The next moment at which something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Whether something is due.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|due| due <= now)
    }
}

#[cfg(test)]
mod tests;

//! Many consecutive deltas as one.

use std::collections::BTreeMap;
use std::collections::btree_map;

use crate::delta::{Delta, DeltaChange};
use crate::hash::Hash;
use crate::path::Path;
use crate::record::Record;

/// Coalesces consecutive deltas path by path: what was there first, what is there last.
///
/// Holds every path that differs so far: bound it by [`Fold::len`] and [`Fold::bytes`]. Exact for
/// deltas that [`apply_delta`](crate::apply_delta) accepted, since those list every difference.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    ends: Option<(Hash, Hash)>,
    changes: BTreeMap<Path, Coalesced>,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Coalesced {
    old: Option<Record>,
    new: Option<Record>,
    bytes: usize,
}

/// Why a delta cannot be folded in. The fold is as it was before, except after
/// [`FoldError::Inconsistent`], where it is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The delta has moves, which are not path by path.
    #[error("a delta with moves cannot be folded")]
    Moves,
    /// The delta does not start where the one before ended.
    #[error("the delta starts from {base}, not from {expected}")]
    Gap {
        /// Target root of the delta before.
        expected: Hash,
        /// Base root of the delta.
        base: Hash,
    },
    /// The delta says that something else was there than the delta before left.
    #[error("deltas contradict each other at {0}")]
    Inconsistent(Path),
}

impl Fold {
    /// Nothing folded yet.
    pub fn new() -> Fold {
        Fold::default()
    }

    /// Takes the next delta.
    pub fn push(&mut self, delta: &Delta) -> Result<(), FoldError> {
        if !delta.moves.is_empty() {
            return Err(FoldError::Moves);
        }
        let base = match self.ends {
            Some((_, target)) if target != delta.base => {
                return Err(FoldError::Gap { expected: target, base: delta.base });
            }
            Some((base, _)) => base,
            None => delta.base,
        };
        for change in &delta.changes {
            self.push_change(change)?;
        }
        self.ends = Some((base, delta.target));
        Ok(())
    }

    fn push_change(&mut self, change: &DeltaChange) -> Result<(), FoldError> {
        match self.changes.entry(change.path.clone()) {
            btree_map::Entry::Vacant(place) => {
                let bytes = change.encoded_bound();
                self.bytes += bytes;
                let (old, new) = (change.old.clone(), change.new.clone());
                place.insert(Coalesced { old, new, bytes });
            }
            btree_map::Entry::Occupied(mut place) => {
                if place.get().new != change.old {
                    return Err(FoldError::Inconsistent(change.path.clone()));
                }
                self.bytes -= place.get().bytes;
                if place.get().old == change.new {
                    place.remove();
                    return Ok(());
                }
                let coalesced = place.get_mut();
                coalesced.new = change.new.clone();
                let whole = DeltaChange {
                    path: change.path.clone(),
                    old: coalesced.old.clone(),
                    new: coalesced.new.clone(),
                };
                coalesced.bytes = whole.encoded_bound();
                self.bytes += coalesced.bytes;
            }
        }
        Ok(())
    }

    /// Base root of the first delta and target root of the last; `None` before the first.
    pub fn ends(&self) -> Option<(Hash, Hash)> {
        self.ends
    }

    /// Number of paths that differ so far.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether no path differs so far.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Most bytes that the changes so far take when encoded; shared prefixes save some.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The changes, strictly ascending by path.
    pub fn finish(self) -> impl Iterator<Item = DeltaChange> {
        self.changes.into_iter().map(|(path, Coalesced { old, new, .. })| DeltaChange {
            path,
            old,
            new,
        })
    }

    /// The one delta that does what all of them did; `None` before the first. It may be beyond the
    /// limits of an encoding.
    pub fn into_delta(self) -> Option<Delta> {
        let (base, target) = self.ends?;
        Some(Delta { base, target, moves: Vec::new(), changes: self.finish().collect() })
    }
}

#[cfg(test)]
mod tests;

//! What happens when: one heap, ordered by time, then by a drawn tie-break, then by age.
//!
//! Invariants: time never goes back; nothing that was put in is forgotten; things of one moment
//! come in an order that the seed decides.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::draw::Draws;

/// Nanoseconds of virtual time since the start of a world.
pub(crate) type Time = u64;

/// One millisecond.
pub(crate) const MILLISECOND: Time = 1_000_000;
/// One second.
pub(crate) const SECOND: Time = 1_000 * MILLISECOND;

#[derive(Debug)]
struct Entry<T> {
    key: (Time, u64, u64),
    what: T,
}

/// Things that will happen.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    draws: Draws,
    put: u64,
    now: Time,
}

impl<T> Schedule<T> {
    /// Nothing will happen.
    pub(crate) fn new(draws: Draws) -> Schedule<T> {
        Schedule { heap: BinaryHeap::new(), draws, put: 0, now: 0 }
    }

    /// The present.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Something will happen at a moment, which is not in the past.
    pub(crate) fn put(&mut self, at: Time, what: T) {
        self.put += 1;
        let tie = self.draws.of("tie", self.put).next();
        self.heap.push(Reverse(Entry { key: (at.max(self.now), tie, self.put), what }));
    }

    /// The next thing that happens; time goes on to it.
    pub(crate) fn pop(&mut self) -> Option<(Time, T)> {
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.key.0;
        Some((self.now, entry.what))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Entry<T>) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Entry<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Entry<T>) -> Ordering {
        self.key.cmp(&other.key)
    }
}

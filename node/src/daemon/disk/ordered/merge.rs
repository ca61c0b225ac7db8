//! Several sources in order of keys as one: what lies above wins.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::database::{Changes, Row, Rows};
use super::layers::{Layer, Pile};
use crate::store::{Batch, DiskResult, Table};

/// Calls `each` with the rows of `layers` over `below` from `start` to before `end`, in order, until
/// it returns `false`.
pub(super) fn merge(
    layers: &[Arc<Layer>],
    mut below: Rows,
    start: &[u8],
    end: Option<&[u8]>,
    each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> DiskResult<()> {
    let bounds = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
    let mut sources: Vec<Source<'_>> =
        layers.iter().map(|layer| Source::new(layer.map.range::<[u8], _>(bounds))).collect();
    let mut lowest: Option<Row> = below.next().transpose()?;
    loop {
        let above = sources.iter().filter_map(|source| source.head).map(|(key, _)| key).min();
        let from_below = match (above, &lowest) {
            (None, None) => return Ok(()),
            (Some(above), Some(row)) => row.key() < above.as_ref(),
            (None, Some(_)) => true,
            (Some(_), None) => false,
        };
        if from_below {
            if let Some(row) = &lowest
                && !each(row.key(), row.value())
            {
                return Ok(());
            }
            lowest = below.next().transpose()?;
            continue;
        }
        let Some(key) = above else { return Ok(()) };
        if lowest.as_ref().is_some_and(|row| row.key() == key.as_ref()) {
            lowest = below.next().transpose()?;
        }
        // The last source that has the key is the uppermost.
        let mut value = &None;
        for source in &mut sources {
            if let Some(found) = source.take(key) {
                value = found;
            }
        }
        if let Some(value) = value
            && !each(key, value)
        {
            return Ok(());
        }
    }
}

/// One layer, read in order.
struct Source<'a> {
    rest: btree_map::Range<'a, Bytes, Option<Bytes>>,
    head: Option<(&'a Bytes, &'a Option<Bytes>)>,
}

impl<'a> Source<'a> {
    fn new(mut rest: btree_map::Range<'a, Bytes, Option<Bytes>>) -> Source<'a> {
        let head = rest.next();
        Source { rest, head }
    }

    /// The value at `key`, if that comes next; then moves on.
    fn take(&mut self, key: &Bytes) -> Option<&'a Option<Bytes>> {
        let (_, value) = self.head.filter(|(next, _)| *next == key)?;
        self.head = self.rest.next();
        Some(value)
    }
}

/// What a transaction has to write: each key once, in order, later batches over earlier ones over
/// all layers.
pub(super) fn collect<'a>(
    layers: &'a [Pile; Table::ALL.len()],
    batches: &'a [Batch],
) -> Changes<'a> {
    let mut changes: Changes<'a> = std::array::from_fn(|_| BTreeMap::new());
    for (pile, changes) in layers.iter().zip(&mut changes) {
        for layer in pile {
            changes.extend(layer.map.iter().map(|(key, value)| (&key[..], value.as_deref())));
        }
    }
    for (table, key, value) in batches.iter().flat_map(|batch| &batch.writes) {
        changes[*table as usize].insert(key, value.as_deref());
    }
    changes
}

//! Changes that redb does not hold yet, in layers.
//!
//! Each table has a pile of maps, the newest on top. Readers that need more than one key take the
//! pile as it is, by reference; a map that somebody holds is never changed: the next change lays a
//! new one on top. So a reader costs no copy and blocks nobody.
//!
//! While redb writes, the lowest maps are those being written; they go when that succeeds.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::{Batch, Table};

/// Maps a pile may have above those being written before they are made one.
const PILE: usize = 8;

/// What an entry costs beside its key and value: the two `Bytes` and its share of a map's node.
const ENTRY_BYTES: usize = 96;

/// Key, and new value or `None` for removed.
pub(super) type Map = BTreeMap<Bytes, Option<Bytes>>;

/// One map of changes and its size.
#[derive(Default)]
pub(super) struct Layer {
    pub(super) map: Map,
    bytes: usize,
}

impl Layer {
    /// Sets a change; returns by how many bytes that made the layer larger.
    fn put(&mut self, key: Bytes, value: Option<Bytes>) -> isize {
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let (key_bytes, value_bytes) = (key.len(), size(&value));
        let before = match self.map.insert(key, value) {
            Some(old) => size(&old) as isize,
            None => -((key_bytes + ENTRY_BYTES) as isize),
        };
        let difference = value_bytes as isize - before;
        self.bytes = self.bytes.saturating_add_signed(difference);
        difference
    }
}

/// Layers of one table, the oldest first.
pub(super) type Pile = Vec<Arc<Layer>>;

/// The piles of all tables.
#[derive(Default)]
pub(super) struct Layers {
    piles: [Pile; Table::ALL.len()],
    /// How many of each pile's lowest layers are being written.
    writing: [usize; Table::ALL.len()],
    bytes: usize,
}

impl Layers {
    /// Lays a batch on top.
    pub(super) fn put(&mut self, batch: Batch) {
        for (table, key, value) in batch.writes {
            // The batch's buffers may be slices of larger ones that would be kept alive.
            let key = Bytes::copy_from_slice(&key);
            let value = value.map(|value| Bytes::copy_from_slice(&value));
            let difference = self.top(table as usize).put(key, value);
            self.bytes = self.bytes.saturating_add_signed(difference);
        }
    }

    /// The newest change of a key: its value, or `None` in it for removed.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Bytes>> {
        self.piles[table as usize].iter().rev().find_map(|layer| layer.map.get(key))
    }

    /// A table's layers as they are now.
    pub(super) fn of(&self, table: Table) -> Pile {
        self.piles[table as usize].clone()
    }

    /// Bytes that all layers take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Marks every layer as being written and hands them out.
    pub(super) fn begin_write(&mut self) -> [Pile; Table::ALL.len()] {
        self.writing = std::array::from_fn(|index| self.piles[index].len());
        self.piles.clone()
    }

    /// Takes away what was written, or keeps it where that failed.
    pub(super) fn end_write(&mut self, written: bool) {
        for (pile, writing) in self.piles.iter_mut().zip(std::mem::take(&mut self.writing)) {
            if written {
                self.bytes -= pile.drain(..writing).map(|layer| layer.bytes).sum::<usize>();
            }
        }
    }

    /// The uppermost layer of a pile, one that nobody else holds.
    fn top(&mut self, index: usize) -> &mut Layer {
        let writing = self.writing[index];
        let pile = &mut self.piles[index];
        let free = pile.len() > writing
            && pile.last_mut().is_some_and(|layer| Arc::get_mut(layer).is_some());
        if !free {
            if pile.len() - writing >= PILE {
                self.bytes -= flatten(pile, writing);
            }
            pile.push(Arc::default());
        }
        let top = pile.last_mut().and_then(Arc::get_mut);
        top.unwrap_or_else(|| unreachable!("the top was made or found to be nobody else's"))
    }
}

/// Makes one layer of all above the lowest `keep`; returns the bytes that saves.
fn flatten(pile: &mut Pile, keep: usize) -> usize {
    let before: usize = pile[keep..].iter().map(|layer| layer.bytes).sum();
    let mut whole = Layer::default();
    for layer in pile.drain(keep..) {
        for (key, value) in &layer.map {
            whole.put(key.clone(), value.clone());
        }
    }
    let saved = before - whole.bytes;
    pile.push(Arc::new(whole));
    saved
}

//! What a job has changed and not yet committed, laid over the ordered store.
//!
//! A job reads through a [`Pending`], so that it sees its own writes, and commits everything in
//! one batch at its end: index, contents and nodes change together or not at all. Nodes are put
//! with the current generation, so that a collection running later knows them as new.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use mirrormesh_merkle::{Hash, NodeSource, NodeStore};

use super::disk::{Batch, Disk, DiskResult, Table};

/// Uncommitted writes over a disk's ordered store.
pub struct Pending<'disk, D: Disk> {
    disk: &'disk D,
    writes: BTreeMap<(Table, Bytes), Option<Bytes>>,
}

impl<'disk, D: Disk> Pending<'disk, D> {
    /// Nothing written yet.
    pub fn new(disk: &'disk D) -> Pending<'disk, D> {
        Pending { disk, writes: BTreeMap::new() }
    }

    /// A value, as this job sees it.
    pub fn get(&self, table: Table, key: &[u8]) -> DiskResult<Option<Bytes>> {
        match self.writes.get(&(table, Bytes::copy_from_slice(key))) {
            Some(value) => Ok(value.clone()),
            None => self.disk.get(table, key),
        }
    }

    /// Sets a value.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.insert((table, key.into()), Some(value.into()));
    }

    /// Removes a key.
    pub fn remove(&mut self, table: Table, key: impl Into<Bytes>) {
        self.writes.insert((table, key.into()), None);
    }

    /// Keys and values from `start` to `end` (excluded) in order, at most `limit`.
    pub fn range(
        &self,
        table: Table,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> DiskResult<Vec<(Bytes, Bytes)>> {
        let mut rows = BTreeMap::new();
        let from = (table, Bytes::copy_from_slice(start));
        let overlaid: Vec<(&Bytes, &Option<Bytes>)> = self
            .writes
            .range(from..)
            .take_while(|((at, key), _)| *at == table && end.is_none_or(|end| &key[..] < end))
            .map(|((_, key), value)| (key, value))
            .collect();
        // Removed rows below hide stored ones, so that many more have to be read at worst.
        let hidden = overlaid.iter().filter(|(_, value)| value.is_none()).count();
        let mut stored = 0;
        self.disk.range(table, start, end, &mut |key, value| {
            rows.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
            stored += 1;
            stored < limit.saturating_add(hidden)
        })?;
        for (key, value) in overlaid {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    /// Number of uncommitted writes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The writes as one batch.
    pub fn into_batch(self) -> Batch {
        Batch {
            writes: self
                .writes
                .into_iter()
                .map(|((table, key), value)| (table, key, value))
                .collect(),
        }
    }

    /// Commits everything.
    pub fn commit(self, durable: bool) -> DiskResult<()> {
        let disk = self.disk;
        disk.commit(self.into_batch(), durable)
    }
}

impl<D: Disk> NodeSource for Pending<'_, D> {
    type Error = super::disk::DiskError;

    fn node(&self, hash: &Hash) -> DiskResult<Option<Bytes>> {
        Ok(self.get(Table::Nodes, hash.as_bytes())?.map(|value| node_bytes(&value)))
    }
}

impl<D: Disk> NodeStore for Pending<'_, D> {
    fn put(&mut self, hash: Hash, bytes: Bytes) -> DiskResult<()> {
        let key = Bytes::copy_from_slice(hash.as_bytes());
        Pending::put(self, Table::Nodes, key, node_value(GENERATION_NEW, &bytes));
        Ok(())
    }
}

/// Reads nodes of any disk without writing.
pub struct StoredNodes<'disk, D: Disk>(pub &'disk D);

impl<D: Disk> NodeSource for StoredNodes<'_, D> {
    type Error = super::disk::DiskError;

    fn node(&self, hash: &Hash) -> DiskResult<Option<Bytes>> {
        Ok(self.0.get(Table::Nodes, hash.as_bytes())?.map(|value| node_bytes(&value)))
    }
}

/// The generation of nodes that no collection has seen.
pub const GENERATION_NEW: u32 = 0;

/// The value of a row of [`Table::Nodes`].
pub fn node_value(generation: u32, bytes: &[u8]) -> Bytes {
    let mut value = BytesMut::with_capacity(4 + bytes.len());
    value.put_u32(generation);
    value.put_slice(bytes);
    value.freeze()
}

/// The encoded node in a row of [`Table::Nodes`]; empty if the row is too short.
pub fn node_bytes(value: &Bytes) -> Bytes {
    value.slice(value.len().min(4)..)
}

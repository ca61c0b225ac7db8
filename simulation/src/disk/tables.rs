//! The ordered store: what is committed, and how much of it is durable.
//!
//! Commits become durable in order and whole. After a crash some first commits of those that were
//! not durable are there, and none of the others.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use mirrormesh::store::{Batch, Table};

pub(super) type Rows = BTreeMap<Bytes, Bytes>;

/// All tables at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tables(BTreeMap<Table, Rc<Rows>>);

impl Tables {
    /// The rows of a table, as they are now: later changes do not show.
    pub(super) fn rows(&self, table: Table) -> Rc<Rows> {
        self.0.get(&table).cloned().unwrap_or_default()
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.0.get(&table)?.get(key).cloned()
    }

    fn apply(&mut self, batch: &Batch) {
        for (table, key, value) in &batch.writes {
            let rows = Rc::make_mut(self.0.entry(*table).or_default());
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct OrderedStore {
    pub(super) live: Tables,
    durable: Tables,
    pending: Vec<Rc<Batch>>,
}

impl OrderedStore {
    pub(super) fn new(tables: Tables) -> OrderedStore {
        OrderedStore { live: tables.clone(), durable: tables, pending: Vec::new() }
    }

    pub(super) fn commit(&mut self, batch: Batch, durable: bool) {
        self.live.apply(&batch);
        self.pending.push(Rc::new(batch));
        if durable {
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
        for batch in self.pending.drain(..) {
            self.durable.apply(&batch);
        }
    }

    /// Number of commits that are not durable.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The tables with the first `count` commits of those that are not durable.
    pub(super) fn with_first(&self, count: usize) -> Tables {
        let mut tables = self.durable.clone();
        for batch in self.pending.iter().take(count) {
            tables.apply(batch);
        }
        tables
    }
}

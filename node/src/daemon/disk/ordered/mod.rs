//! The ordered store: redb, with what is not durable yet in memory in front of it.
//!
//! A commit that need not be durable goes to memory and costs microseconds; the next durable commit
//! writes everything that waits, and its own batch, in one transaction of redb. So many small
//! commits cost one write of each key, in order of keys, and the file does not grow by the pages
//! that each of them would have copied.
//!
//! State: layers of changes in memory, and a snapshot of redb below them; both change hands under
//! one lock, so that every reader sees one state of the store. The lock is never held during input
//! or output, nor while a callback runs.
//!
//! Invariants: a change is visible as a whole or not at all; a durable commit's own changes are seen
//! when they are durable and not before, and if it fails, never. Durable commits that arrive while
//! one is written share the next transaction. Memory is bounded: the commit that fills it writes it
//! out before it returns.
//!
//! After an error of the file redb refuses all further work until it is opened again, which is done
//! here at once; changes in memory survive that.

mod database;
mod error;
mod layers;
mod merge;
mod queue;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;

pub use self::error::OrderedStoreError;

use self::database::{Database, Snapshot};
use self::layers::Layers;
use self::queue::Queue;
use crate::store::{Batch, DiskError, DiskErrorKind, DiskResult, Table};

/// Changes kept in memory before a commit that need not be durable writes them out: 16 MiB with
/// what the maps cost. While they are written, as much again may gather. More makes filling the
/// store faster (a million rows in no order: 20 s with 8 MiB, 14 s with 16, 10 s with 32), less makes
/// the wait of a durable commit behind them shorter (half a second).
const MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// The ordered store of one node.
pub struct OrderedStore {
    path: PathBuf,
    memory_bytes: usize,
    state: RwLock<State>,
    /// Whoever has the turn to write holds this too.
    database: Mutex<Option<Database>>,
    queue: Queue,
}

/// What readers see.
struct State {
    layers: Layers,
    /// None after an error of the file that opening it again did not mend.
    snapshot: Option<Arc<Snapshot>>,
}

impl OrderedStore {
    /// Opens the store, or makes a new one where there is no file or an empty one.
    pub fn open(path: &Path) -> Result<OrderedStore, OrderedStoreError> {
        OrderedStore::open_with_memory(path, MEMORY_BYTES)
    }

    fn open_with_memory(
        path: &Path,
        memory_bytes: usize,
    ) -> Result<OrderedStore, OrderedStoreError> {
        let database = Database::open(path)?;
        let snapshot = database
            .snapshot()
            .map_err(|error| OrderedStoreError::Disk { path: path.to_owned(), error })?;
        Ok(OrderedStore {
            path: path.to_owned(),
            memory_bytes,
            state: RwLock::new(State {
                layers: Layers::default(),
                snapshot: Some(Arc::new(snapshot)),
            }),
            database: Mutex::new(Some(database)),
            queue: Queue::default(),
        })
    }

    /// A value.
    pub fn get(&self, table: Table, key: &[u8]) -> DiskResult<Option<Bytes>> {
        let snapshot = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = state.layers.get(table, key) {
                return Ok(value.clone());
            }
            state.snapshot.clone()
        };
        snapshot.ok_or_else(|| closed("get"))?.get(table, key)
    }

    /// Calls `each` with keys from `start` to before `end`, in order, until it returns `false`. What
    /// is committed meanwhile is not seen.
    pub fn range(
        &self,
        table: Table,
        start: &[u8],
        end: Option<&[u8]>,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> DiskResult<()> {
        if end.is_some_and(|end| end <= start) {
            return Ok(());
        }
        let (layers, snapshot) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            (state.layers.of(table), state.snapshot.clone())
        };
        let below = snapshot.ok_or_else(|| closed("range"))?.range(table, start, end)?;
        merge::merge(&layers, below, start, end, each)
    }

    /// Makes the changes of a batch. A durable commit makes all earlier ones durable.
    pub fn commit(&self, batch: Batch, durable: bool) -> DiskResult<()> {
        if durable {
            return self.commit_durably(batch);
        }
        let full = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.layers.put(batch);
            state.layers.bytes() > self.memory_bytes
        };
        // The changes are made; should writing them out fail, they stay in memory and the next
        // durable commit tells.
        if full {
            self.relieve();
        }
        Ok(())
    }

    /// Number of bytes that changes in memory take.
    pub fn pending_bytes(&self) -> usize {
        self.state.read().unwrap_or_else(PoisonError::into_inner).layers.bytes()
    }

    fn commit_durably(&self, batch: Batch) -> DiskResult<()> {
        self.queue.commit(batch, |batches| self.write(batches))
    }

    /// Writes out what is in memory, unless another thread has done so by the time redb is free.
    fn relieve(&self) {
        let written = self.queue.write_unless(
            || self.pending_bytes() <= self.memory_bytes,
            |batches| self.write(batches),
        );
        if let Err(error) = written {
            tracing::warn!(%error, "changes stay in memory");
        }
    }

    /// One transaction of redb with everything in memory and `batches`.
    fn write(&self, batches: &[Batch]) -> DiskResult<()> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            self.open_again(&mut database)?;
        }
        let layers = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.layers.begin_write()
        };
        let changes = merge::collect(&layers, batches);
        let written = match &*database {
            Some(database) => database.write(&changes).and_then(|()| database.snapshot()),
            None => return Err(closed("commit")),
        };
        match written {
            Ok(snapshot) => {
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                state.layers.end_write(true);
                let old = state.snapshot.replace(Arc::new(snapshot));
                drop(state);
                drop(old);
                Ok(())
            }
            Err(error) => {
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                state.layers.end_write(false);
                drop(state);
                if let Err(error) = self.open_again(&mut database) {
                    tracing::error!(%error, "the store cannot be opened again");
                }
                Err(error)
            }
        }
    }

    /// Closes redb's file and opens it again; readers wait.
    fn open_again(&self, database: &mut Option<Database>) -> DiskResult<()> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.snapshot = None;
        *database = None;
        let opened = Database::open(&self.path)?;
        state.snapshot = Some(Arc::new(opened.snapshot()?));
        *database = Some(opened);
        Ok(())
    }
}

impl Drop for OrderedStore {
    /// Writes out what is in memory: not promised, but the next start finds more.
    fn drop(&mut self) {
        if self.pending_bytes() > 0
            && let Err(error) = self.commit_durably(Batch::default())
        {
            tracing::warn!(%error, "changes that were not durable are lost");
        }
    }
}

fn closed(operation: &'static str) -> DiskError {
    DiskError {
        kind: DiskErrorKind::Failed,
        operation,
        detail: "the store's file failed and could not be opened again".to_owned(),
    }
}

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;

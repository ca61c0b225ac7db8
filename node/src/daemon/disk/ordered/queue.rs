//! Whose turn it is to write, and whose batches go with it.
//!
//! One thread writes at a time. It takes the batches of all that wait with it, and tells each of
//! them the result: what arrives while one transaction is made durable goes into the next.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::store::{Batch, DiskError, DiskErrorKind, DiskResult};

/// Threads that wait for redb.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Told when a turn is over.
    over: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// Whether a thread is writing.
    writing: bool,
    next: u64,
    batches: BTreeMap<u64, Batch>,
    results: BTreeMap<u64, DiskResult<()>>,
}

impl Queue {
    /// Writes `batch` and all that wait, by `write`, or waits until another thread has.
    pub(super) fn commit(
        &self,
        batch: Batch,
        write: impl FnOnce(&[Batch]) -> DiskResult<()>,
    ) -> DiskResult<()> {
        let mut waiting = self.lock();
        let ticket = waiting.next;
        waiting.next += 1;
        waiting.batches.insert(ticket, batch);
        loop {
            if let Some(result) = waiting.results.remove(&ticket) {
                return result;
            }
            if !waiting.writing {
                break;
            }
            waiting = self.over.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let result = self.take_turn(waiting, write);
        self.lock().results.remove(&ticket);
        result
    }

    /// Writes all that waits, unless `enough` says that another thread's turn was enough.
    pub(super) fn write_unless(
        &self,
        enough: impl Fn() -> bool,
        write: impl FnOnce(&[Batch]) -> DiskResult<()>,
    ) -> DiskResult<()> {
        let mut waiting = self.lock();
        loop {
            if enough() {
                return Ok(());
            }
            if !waiting.writing {
                break;
            }
            waiting = self.over.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        self.take_turn(waiting, write)
    }

    fn take_turn(
        &self,
        mut waiting: MutexGuard<'_, Waiting>,
        write: impl FnOnce(&[Batch]) -> DiskResult<()>,
    ) -> DiskResult<()> {
        waiting.writing = true;
        let (tickets, batches) = std::mem::take(&mut waiting.batches).into_iter().unzip();
        drop(waiting);
        let panicked = Err(DiskError {
            kind: DiskErrorKind::Failed,
            operation: "commit",
            detail: "the thread that wrote panicked".to_owned(),
        });
        let mut turn = Turn { queue: self, tickets, result: panicked };
        let batches: Vec<Batch> = batches;
        turn.result = write(&batches);
        turn.result.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn; when it ends, also by a panic, everybody in it is told.
struct Turn<'a> {
    queue: &'a Queue,
    tickets: Vec<u64>,
    result: DiskResult<()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.writing = false;
        for ticket in self.tickets.drain(..) {
            waiting.results.insert(ticket, self.result.clone());
        }
        drop(waiting);
        self.queue.over.notify_all();
    }
}

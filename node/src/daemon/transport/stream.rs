//! One stream, as the core and the stream's own task share it.
//!
//! Purpose: the core's orders (grant, write, finish, reset) are put down here without waiting, and
//! the task that moves the bytes takes them from here.
//!
//! State: credit, at most one chunk, two flags.
//!
//! Invariants: bounded whatever the core does: a second chunk while one is unwritten breaks the
//! contract and resets the stream; after a reset nothing else happens.
//!
//! Never touches the network itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::core::{ConnectionId, StreamId};

/// Application error code of a stream that was given up.
pub(super) const GIVEN_UP: quinn::VarInt = quinn::VarInt::from_u32(1);

/// A stream.
#[derive(Debug)]
pub struct Stream {
    /// Its name.
    pub id: StreamId,
    /// On which connection.
    pub connection: ConnectionId,
    orders: Mutex<Orders>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Orders {
    credit: u64,
    chunk: Option<Bytes>,
    finish: bool,
    reset: bool,
}

/// What the answering task is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Write this, then say so.
    Write(Bytes),
    /// The answer is whole.
    Finish,
    /// Give up.
    Reset,
    /// Nothing yet.
    Wait,
}

impl Stream {
    pub(super) fn new(id: StreamId, connection: ConnectionId) -> Arc<Stream> {
        Arc::new(Stream { id, connection, orders: Mutex::default(), changed: Notify::new() })
    }

    /// Lets this many more bytes be read.
    pub fn grant(&self, bytes: u64) {
        let mut orders = self.orders();
        orders.credit = orders.credit.saturating_add(bytes);
        drop(orders);
        self.changed.notify_one();
    }

    /// Hands over the next chunk of an answer.
    pub fn write(&self, bytes: Bytes) {
        let mut orders = self.orders();
        if orders.chunk.is_some() {
            tracing::error!(stream = self.id.0, "a chunk was written before its turn");
            orders.reset = true;
        } else {
            orders.chunk = Some(bytes);
        }
        drop(orders);
        self.changed.notify_one();
    }

    /// The answer is whole.
    pub fn finish(&self) {
        self.orders().finish = true;
        self.changed.notify_one();
    }

    /// Gives the stream up.
    pub fn reset(&self) {
        self.orders().reset = true;
        self.changed.notify_one();
    }

    /// What the answering task is to do next; a chunk is handed out once.
    pub(super) fn next_order(&self) -> Order {
        let mut orders = self.orders();
        if orders.reset {
            Order::Reset
        } else if let Some(chunk) = orders.chunk.take() {
            Order::Write(chunk)
        } else if orders.finish {
            Order::Finish
        } else {
            Order::Wait
        }
    }

    /// Bytes that may be read now; `None` when the stream is given up.
    pub(super) fn credit(&self) -> Option<u64> {
        let orders = self.orders();
        (!orders.reset).then_some(orders.credit)
    }

    /// Takes what was read off the credit.
    pub(super) fn spend(&self, bytes: u64) {
        let mut orders = self.orders();
        orders.credit = orders.credit.saturating_sub(bytes);
    }

    /// Waits for the next order. A single task may wait.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until the stream is given up.
    pub(super) async fn given_up(&self) {
        while !self.orders().reset {
            self.changed().await;
        }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

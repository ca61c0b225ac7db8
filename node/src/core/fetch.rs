//! Answers of peers as they come in: contents of parcels, and chunks of large files.

use bytes::{Bytes, BytesMut};

use super::event::{ConnectionId, Effect, StreamId};
use super::node::Node;
use super::transfer::{ALONE, Ready};
use crate::store::{LARGE_BYTES, PARCEL_BYTES, PARCEL_ITEMS};

/// Bytes of an answer, as they came.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) connection: ConnectionId,
    chunks: Vec<Bytes>,
    bytes: u64,
    limit: u64,
}

impl Incoming {
    pub(super) fn new(connection: ConnectionId, limit: u64) -> Incoming {
        Incoming { connection, chunks: Vec::new(), bytes: 0, limit }
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len() as u64;
        if self.bytes <= self.limit {
            self.chunks.push(chunk);
        }
    }

    /// Everything as one buffer; `None` if it was more than the limit.
    pub(super) fn concat(&self) -> Option<Bytes> {
        if self.bytes > self.limit {
            return None;
        }
        if let [only] = &self.chunks[..] {
            return Some(only.clone());
        }
        let mut all = BytesMut::with_capacity(self.bytes as usize);
        self.chunks.iter().for_each(|chunk| all.extend_from_slice(chunk));
        Some(all.freeze())
    }
}

impl Node {
    /// Asks a member for what a parcel wants. While nobody is there, the pass waits.
    pub(super) fn fetch(&mut self, ready: Ready) {
        let Some(connection) = self.whom_to_ask() else {
            let since = self.transfer.pass.as_ref().map_or(self.now, |pass| pass.since);
            let mut ready = ready;
            if self.is_origin() && self.now.saturating_since(since) >= ALONE {
                // An answer without a byte: every want of it is missing.
                ready.contents = vec![Bytes::new()];
            }
            self.transfer.ready.insert(ready.order, ready);
            return;
        };
        let stream = self.stream_id();
        let limit = PARCEL_BYTES + LARGE_BYTES + 16 * PARCEL_ITEMS as u64;
        let request = ready.parcel.request.clone();
        self.out.push(Effect::Open { stream, connection, request });
        self.out.push(Effect::Grant { stream, bytes: limit });
        let incoming = Incoming::new(connection, limit);
        self.transfer.fetching.insert(stream, (ready, incoming));
    }

    /// Bytes came. Returns whether the stream was one of a transfer.
    pub(super) fn transfer_chunk(&mut self, stream: StreamId, chunk: Bytes) -> bool {
        if let Some((_, incoming)) = self.transfer.fetching.get_mut(&stream) {
            incoming.push(chunk);
            return true;
        }
        let Some(content) = self.large_of(stream) else { return false };
        if let Some(large) = self.transfer.large.get_mut(&content) {
            large.waiting.push(chunk);
        }
        self.write_large(content);
        true
    }

    /// A stream has ended.
    pub(super) fn transfer_ended(&mut self, stream: StreamId, whole: bool) -> bool {
        if let Some((mut ready, incoming)) = self.transfer.fetching.remove(&stream) {
            if whole && incoming.bytes <= incoming.limit {
                // An answer without a byte still is one: every want of it is missing.
                ready.contents =
                    if incoming.chunks.is_empty() { vec![Bytes::new()] } else { incoming.chunks };
                self.transfer.ready.insert(ready.order, ready);
            } else {
                self.abandon_pass();
            }
            return true;
        }
        let Some(content) = self.large_of(stream) else { return false };
        if let Some(large) = self.transfer.large.get_mut(&content) {
            large.stream = None;
            large.ended = whole;
            large.tries += u32::from(!whole);
        }
        self.write_large(content);
        true
    }

    /// A connection is gone, and its streams with it.
    pub(super) fn transfer_lost(&mut self, connection: ConnectionId) {
        let fetching: Vec<StreamId> = self
            .transfer
            .fetching
            .iter()
            .filter(|(_, (_, incoming))| incoming.connection == connection)
            .map(|(stream, _)| *stream)
            .collect();
        let large: Vec<StreamId> = self
            .transfer
            .large
            .values()
            .filter_map(|large| large.stream.filter(|(_, on)| *on == connection))
            .map(|(stream, _)| stream)
            .collect();
        for stream in fetching.into_iter().chain(large) {
            self.transfer_ended(stream, false);
        }
    }
}

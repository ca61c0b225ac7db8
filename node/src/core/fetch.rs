//! Answers of peers as they come in: contents of parcels, and chunks of large files.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mirrormesh_gossip::Instant;
use mirrormesh_merkle::Hash;

use super::event::{ConnectionId, Effect, StreamId};
use super::node::Node;
use super::transfer::{ALONE, Ready};
use crate::store::{LARGE_BYTES, PARCEL_BYTES, PARCEL_ITEMS};

/// How long a peer may leave a stream without a byte.
const PATIENCE: Duration = Duration::from_secs(8);

/// Bytes of an answer, as they came.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) connection: ConnectionId,
    chunks: Vec<Bytes>,
    bytes: u64,
    limit: u64,
    /// When the last bytes came, or were asked for.
    pub(super) heard: Instant,
}

impl Incoming {
    pub(super) fn new(connection: ConnectionId, limit: u64, now: Instant) -> Incoming {
        Incoming { connection, chunks: Vec::new(), bytes: 0, limit, heard: now }
    }

    pub(super) fn push(&mut self, chunk: Bytes, now: Instant) {
        self.heard = now;
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
        let incoming = Incoming::new(connection, limit, self.now);
        self.transfer.fetching.insert(stream, (ready, incoming));
    }

    /// Bytes came. Returns whether the stream was one of a transfer.
    pub(super) fn transfer_chunk(&mut self, stream: StreamId, chunk: Bytes) -> bool {
        if let Some((_, incoming)) = self.transfer.fetching.get_mut(&stream) {
            incoming.push(chunk, self.now);
            return true;
        }
        let Some(content) = self.large_of(stream) else { return false };
        if let Some(large) = self.transfer.large.get_mut(&content) {
            large.waiting.push(chunk);
            large.heard = self.now;
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

    /// Gives up what has stood still for too long: the peer takes streams and does not answer.
    pub(super) fn expire_streams(&mut self) {
        let late = |heard: Instant| self.now.saturating_since(heard) >= PATIENCE;
        let fetching = self.transfer.fetching.iter();
        let fetching = fetching.filter(|(_, (_, incoming))| late(incoming.heard));
        let large = self
            .transfer
            .large
            .values()
            .filter(|large| late(large.heard) && !large.is_busy() && large.waiting.is_empty());
        let expired: Vec<StreamId> = fetching
            .map(|(stream, _)| *stream)
            .chain(large.filter_map(|large| large.stream.map(|(stream, _)| stream)))
            .chain(self.late_question(PATIENCE))
            .collect();
        for stream in expired {
            self.out.push(Effect::Reset { stream });
            if !self.question_ended(stream, false) {
                self.transfer_ended(stream, false);
            }
        }
    }

    /// When the next stream has stood still for too long.
    pub(super) fn stream_deadline(&self) -> Option<Instant> {
        let fetching = self.transfer.fetching.values().map(|(_, incoming)| incoming.heard);
        let large = self.transfer.large.values().filter(|large| large.stream.is_some());
        let large = large.map(|large| large.heard);
        fetching.chain(large).chain(self.question_heard()).min().map(|heard| heard + PATIENCE)
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
        let large: Vec<Hash> = self
            .transfer
            .large
            .iter()
            .filter(|(_, large)| large.stream.is_some_and(|(_, on)| on == connection))
            .map(|(content, _)| *content)
            .collect();
        // Somebody else is asked, or the same peer when it is back: that is no fault of the pass.
        for stream in fetching {
            let Some((ready, _)) = self.transfer.fetching.remove(&stream) else { continue };
            self.transfer.ready.insert(ready.order, ready);
        }
        for content in large {
            let Some(large) = self.transfer.large.get_mut(&content) else { continue };
            large.stream = None;
            self.write_large(content);
        }
    }
}

//! Answers of peers as they come in: contents of parcels, and chunks of large files.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mirrormesh_gossip::Instant;

use super::event::{ConnectionId, Effect, StreamId};
use super::node::Node;
use super::transfer::{ALONE, Ready};
use crate::store::{LARGE_BYTES, PARCEL_BYTES, PARCEL_ITEMS};

/// How long a peer may take for [`LEAST_BYTES`] of an answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// What counts as coming: a peer that lets single bytes trickle holds up as much as a silent one.
const LEAST_BYTES: u64 = 64 * 1024;

/// Whether an answer gets on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    since: Instant,
    bytes: u64,
}

impl Pace {
    /// It was asked for just now.
    pub(super) fn new(now: Instant) -> Pace {
        Pace { since: now, bytes: 0 }
    }

    /// Bytes of it came.
    pub(super) fn came(&mut self, bytes: u64, now: Instant) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= LEAST_BYTES {
            *self = Pace::new(now);
        }
    }

    /// The peer could send nothing for so long, because nothing was taken here.
    pub(super) fn excuse(&mut self, pause: Duration) {
        self.since = self.since + pause;
    }

    /// When it has stood still for too long, if nothing more comes.
    pub(super) fn late_at(&self) -> Instant {
        self.since + PATIENCE
    }
}

/// Bytes of an answer, as they came.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) connection: ConnectionId,
    chunks: Vec<Bytes>,
    bytes: u64,
    limit: u64,
    pub(super) pace: Pace,
}

impl Incoming {
    pub(super) fn new(connection: ConnectionId, limit: u64, now: Instant) -> Incoming {
        Incoming { connection, chunks: Vec::new(), bytes: 0, limit, pace: Pace::new(now) }
    }

    pub(super) fn push(&mut self, chunk: Bytes, now: Instant) {
        self.pace.came(chunk.len() as u64, now);
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
            large.pace.came(chunk.len() as u64, self.now);
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
                ready.from = self.peers.member_of(incoming.connection);
                self.transfer.ready.insert(ready.order, ready);
            } else {
                self.failed_on(incoming.connection);
                self.abandon_pass();
            }
            return true;
        }
        let Some(content) = self.large_of(stream) else { return false };
        if let Some(large) = self.transfer.large.get_mut(&content) {
            let asked = large.stream.take();
            large.ended = whole;
            large.tries += u32::from(!whole);
            if let Some((_, connection)) = asked.filter(|_| !whole) {
                self.failed_on(connection);
            }
        }
        self.write_large(content);
        true
    }

    /// Gives up what has stood still for too long: the peer takes streams and does not answer.
    pub(super) fn expire_streams(&mut self) {
        let late = |pace: &Pace| pace.late_at() <= self.now;
        let fetching = self.transfer.fetching.iter();
        let fetching = fetching.filter(|(_, (_, incoming))| late(&incoming.pace));
        let large = self
            .transfer
            .large
            .values()
            .filter(|large| late(&large.pace) && !large.is_busy() && large.waiting.is_empty());
        let fetching = fetching.map(|(stream, (_, incoming))| (*stream, incoming.connection));
        let expired: Vec<(StreamId, ConnectionId)> = fetching
            .chain(large.filter_map(|large| large.stream))
            .chain(self.question_asked().filter(|_| self.question_is_late()))
            .collect();
        for (stream, connection) in expired {
            if let Some(peer) = self.peers.member_of(connection) {
                self.refuse(peer, "late-answer", "it was asked and does not get on");
            }
            self.out.push(Effect::Reset { stream });
            if !self.question_ended(stream, false) {
                self.transfer_ended(stream, false);
            }
        }
    }

    /// When the next stream has stood still for too long.
    pub(super) fn stream_deadline(&self) -> Option<Instant> {
        let fetching = self.transfer.fetching.values().map(|(_, incoming)| incoming.pace.late_at());
        let large = self.transfer.large.values().filter(|large| large.stream.is_some());
        let large = large.map(|large| large.pace.late_at());
        fetching.chain(large).chain(self.question_late_at()).min()
    }

    /// The origin is there: what others were asked for is asked of it instead.
    pub(super) fn ask_only(&mut self, connection: ConnectionId) {
        for stream in self.streams_asked(|asked| asked != connection) {
            self.out.push(Effect::Reset { stream });
            self.ask_elsewhere(stream);
        }
    }

    /// A connection is gone, and its streams with it.
    pub(super) fn answers_lost(&mut self, connection: ConnectionId) {
        for stream in self.streams_asked(|asked| asked == connection) {
            self.ask_elsewhere(stream);
        }
    }

    /// An answer will not come on this stream: somebody else is asked, or the same peer when it is
    /// back. That is no fault of the pass.
    fn ask_elsewhere(&mut self, stream: StreamId) {
        if self.question_ended(stream, false) {
            return;
        }
        if let Some((ready, _)) = self.transfer.fetching.remove(&stream) {
            self.transfer.ready.insert(ready.order, ready);
        } else if let Some(content) = self.large_of(stream) {
            if let Some(large) = self.transfer.large.get_mut(&content) {
                large.stream = None;
            }
            self.write_large(content);
        }
    }

    /// The streams on which answers are awaited, of connections that fulfil a condition.
    fn streams_asked(&self, wanted: impl Fn(ConnectionId) -> bool) -> Vec<StreamId> {
        let fetching = self.transfer.fetching.iter();
        let fetching = fetching.map(|(stream, (_, incoming))| (*stream, incoming.connection));
        let large = self.transfer.large.values().filter_map(|large| large.stream);
        let asked = fetching.chain(large).chain(self.question_asked());
        asked.filter(|(_, connection)| wanted(*connection)).map(|(stream, _)| stream).collect()
    }
}

#[cfg(test)]
mod tests;

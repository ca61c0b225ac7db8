//! Answers of peers as they come in: contents of parcels, and chunks of large files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mirrormesh_gossip::Instant;

use super::event::{ConnectionId, Effect, StreamId};
use super::node::Node;
use super::transfer::{ALONE, Ready};
use crate::store::{LARGE_BYTES, PARCEL_BYTES, PARCEL_ITEMS};

/// How long a peer may take for the next byte of an answer; and for [`LEAST_BYTES`] of it, if there
/// is another to be asked. One that was too slow gets twice the time when it is asked again, so that
/// two peers on slow links do not give way to each other for ever.
const PATIENCE: Duration = Duration::from_secs(8);
/// What counts as coming while others could be asked: a peer that lets single bytes trickle would
/// hold up as much as a silent one.
const LEAST_BYTES: u64 = 64 * 1024;

/// Whether an answer gets on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The last byte came then.
    last: Instant,
    /// Since then so many bytes came.
    since: Instant,
    bytes: u64,
}

impl Pace {
    /// It was asked for just now.
    pub(super) fn new(now: Instant) -> Pace {
        Pace { last: now, since: now, bytes: 0 }
    }

    /// Bytes of it came. Returns whether that makes enough of them to count.
    pub(super) fn came(&mut self, bytes: u64, now: Instant) -> bool {
        if bytes > 0 {
            self.last = now;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        let enough = self.bytes >= LEAST_BYTES;
        if enough {
            *self = Pace::new(now);
        }
        enough
    }

    /// The peer could send nothing for so long, because nothing was taken here.
    pub(super) fn excuse(&mut self, pause: Duration) {
        self.last = self.last + pause;
        self.since = self.since + pause;
    }

    /// When it is too late for it, if nothing more comes. One that crawls is borne as long as
    /// there is nobody else to ask.
    pub(super) fn late_at(&self, patience: u32, is_only: bool) -> Instant {
        let begun = if is_only { self.last } else { self.since };
        begun + PATIENCE.saturating_mul(patience)
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

    /// Takes a chunk. Returns whether enough came to count.
    pub(super) fn push(&mut self, chunk: Bytes, now: Instant) -> bool {
        let enough = self.pace.came(chunk.len() as u64, now);
        self.bytes += chunk.len() as u64;
        if self.bytes <= self.limit {
            self.chunks.push(chunk);
        }
        enough
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
            let good = whole && incoming.bytes <= incoming.limit;
            if !good {
                self.failed_on(incoming.connection);
            }
            if good || !self.is_origin() {
                ready.cut = !good;
                ready.from = self.peers.member_of(incoming.connection).filter(|_| good);
                self.answered(ready, incoming);
            } else {
                // What an origin takes back, it asks for as a whole.
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

    /// An answer as far as it came.
    fn answered(&mut self, mut ready: Ready, incoming: Incoming) {
        // An answer without a byte still is one: every want of it is missing.
        ready.contents =
            if incoming.chunks.is_empty() { vec![Bytes::new()] } else { incoming.chunks };
        self.transfer.ready.insert(ready.order, ready);
    }

    /// Whether nobody else would be asked if this connection were given up.
    fn is_only(&self, connection: ConnectionId) -> bool {
        match self.peers.primary(self.authority.origin()) {
            Some(origin) => origin == connection,
            None => self.peers.live().all(|(_, other)| other == connection),
        }
    }

    /// When it is too late for an answer on this connection.
    pub(super) fn late_at(&self, connection: ConnectionId, pace: &Pace) -> Instant {
        pace.late_at(self.peers.patience_with(connection), self.is_only(connection))
    }

    /// Gives up what does not get on: the peer takes streams and does not answer. If there is
    /// another to be asked, everything that the peer was asked for is asked of that one.
    pub(super) fn expire_streams(&mut self) {
        let late = |connection, pace: &Pace| self.late_at(connection, pace) <= self.now;
        let fetching = self.transfer.fetching.iter();
        let fetching = fetching.map(|(stream, (_, incoming))| (*stream, incoming));
        let fetching = fetching.filter(|(_, incoming)| late(incoming.connection, &incoming.pace));
        let large = self.transfer.large.values();
        let large = large.filter(|large| !large.is_busy() && large.waiting.is_empty());
        let large = large.filter_map(|large| Some((large.stream?, &large.pace)));
        let large = large.filter(|((_, connection), pace)| late(*connection, pace));
        let late: BTreeMap<StreamId, ConnectionId> = fetching
            .map(|(stream, incoming)| (stream, incoming.connection))
            .chain(large.map(|(asked, _)| asked))
            .chain(self.question_asked().filter(|_| self.question_is_late()))
            .collect();
        if late.is_empty() {
            return;
        }
        let connections: BTreeSet<ConnectionId> = late.values().copied().collect();
        let left: Vec<ConnectionId> =
            connections.iter().copied().filter(|connection| !self.is_only(*connection)).collect();
        let mut streams: BTreeSet<StreamId> = late.into_keys().collect();
        streams.extend(self.streams_asked(|connection| left.contains(&connection)));
        for connection in connections {
            if let Some(peer) = self.peers.member_of(connection) {
                self.refuse(peer, "late-answer", "it was asked and does not get on");
                self.peers.too_slow(&peer);
            }
        }
        for stream in streams {
            self.out.push(Effect::Reset { stream });
            if !self.question_ended(stream, false) {
                self.transfer_ended(stream, false);
            }
        }
    }

    /// When the next stream has stood still for too long.
    pub(super) fn stream_deadline(&self) -> Option<Instant> {
        let fetching = self.transfer.fetching.values();
        let fetching =
            fetching.map(|(_, incoming)| self.late_at(incoming.connection, &incoming.pace));
        let large = self.transfer.large.values();
        let large = large.filter_map(|large| Some((large.stream?.1, &large.pace)));
        let large = large.map(|(connection, pace)| self.late_at(connection, pace));
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

    /// An answer will not come on this stream: what came of it is taken, and for the rest somebody
    /// else is asked, or the same peer when it is back. That is no fault of the pass or the peer.
    fn ask_elsewhere(&mut self, stream: StreamId) {
        if self.question_withdrawn(stream) {
            return;
        }
        if let Some((mut ready, incoming)) = self.transfer.fetching.remove(&stream) {
            if incoming.bytes > 0 && !self.is_origin() {
                ready.cut = true;
                return self.answered(ready, incoming);
            }
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

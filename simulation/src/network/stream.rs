//! Streams: a request, and an answer that is read only as far as was granted.

use std::collections::VecDeque;

use bytes::Bytes;
use mirrormesh::core::{
    ConnectionId, Event, MAX_CHUNK_BYTES, MAX_REQUEST_BYTES, StreamEvent, StreamId,
};

use super::packet::Packet;
use super::{About, HostId, Network, Traffic, within};
use crate::schedule::MILLISECOND;

/// A stream, with both its sides.
#[derive(Debug)]
pub(super) struct Stream {
    asker: (ConnectionId, HostId, StreamId),
    answerer: Option<(ConnectionId, HostId, StreamId)>,
    /// Bytes that may still be read.
    credit: u64,
    /// What has come and was not read.
    arrived: VecDeque<Bytes>,
    ended: bool,
    /// A chunk that the window has no room for.
    blocked: Option<Bytes>,
    /// A chunk was handed over and the core not told yet that the next may come.
    writing: bool,
    finished: bool,
    /// Bytes sent and not read.
    unread: u64,
    pub(super) last_arrival: u64,
    chunks: u64,
}

impl Network {
    /// The core opens a stream.
    pub(crate) fn open(&mut self, host: HostId, id: StreamId, on: ConnectionId, request: Bytes) {
        within(&request, MAX_REQUEST_BYTES, "a request", &mut self.faults);
        if !id.0.is_multiple_of(2) || id.0 <= self.newest_names[host] {
            self.fault(format!("stream {} is not an even number never used before", id.0));
        }
        self.newest_names[host] = id.0;
        if self.ends.get(&on).is_none_or(|end| end.closing) {
            return;
        }
        self.next += 1;
        let number = self.next;
        let stream = Stream {
            asker: (on, host, id),
            answerer: None,
            credit: 0,
            arrived: VecDeque::new(),
            ended: false,
            blocked: None,
            writing: false,
            finished: false,
            unread: 0,
            last_arrival: 0,
            chunks: 0,
        };
        self.streams.insert(number, stream);
        self.names.insert((host, id), number);
        let length = request.len();
        self.send(on, Packet::Request { stream: number, bytes: request }, length);
    }

    pub(super) fn request_arrived(&mut self, on: ConnectionId, number: u64, request: Bytes) {
        let Some(end) = self.ends.get(&on).filter(|end| !end.closing) else { return };
        let life = end.life;
        let Some(stream) = self.streams.get_mut(&number) else { return };
        // Streams opened by peers have odd names.
        let id = StreamId(number * 2 + 1);
        stream.answerer = Some((on, life.host, id));
        self.names.insert((life.host, id), number);
        let event = Event::Opened { stream: id, connection: on, request };
        self.tell(life, About::Stream(id), event);
    }

    fn number(&mut self, host: HostId, id: StreamId) -> Option<u64> {
        let number = self.names.get(&(host, id)).copied();
        if number.is_none() && id.0.is_multiple_of(2) && id.0 > self.newest_names[host] {
            self.fault(format!("stream {} was never opened", id.0));
        }
        number
    }

    /// The core grants bytes.
    pub(crate) fn grant(&mut self, host: HostId, id: StreamId, bytes: u64) {
        let Some(number) = self.number(host, id) else { return };
        let Some(stream) = self.streams.get_mut(&number) else { return };
        stream.credit = stream.credit.saturating_add(bytes);
        self.read(number);
    }

    /// The core writes a chunk of an answer.
    pub(crate) fn write(&mut self, host: HostId, id: StreamId, bytes: Bytes) {
        within(&bytes, MAX_CHUNK_BYTES, "a chunk", &mut self.faults);
        let Some(number) = self.number(host, id) else { return };
        let Some(stream) = self.streams.get_mut(&number) else { return };
        if stream.writing || stream.finished {
            return self.fault(format!("a chunk of stream {} before its turn", id.0));
        }
        stream.writing = true;
        stream.blocked = Some(bytes);
        self.take_chunk(number);
    }

    /// Takes the chunk that waits, if there is room.
    fn take_chunk(&mut self, number: u64) {
        let window = self.window;
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let Some((from, _, _)) = stream.answerer else { return };
        let Some(length) = stream.blocked.as_ref().map(|bytes| bytes.len() as u64) else { return };
        if stream.unread > 0 && stream.unread + length > window {
            return;
        }
        let Some(bytes) = stream.blocked.take() else { return };
        stream.unread += length;
        stream.chunks += 1;
        let (finished, chunks) = (stream.finished, stream.chunks);
        self.counts.chunks += 1;
        self.send(from, Packet::Chunk { stream: number, bytes }, length as usize);
        if finished {
            self.send_end(number);
        } else {
            let wait = self.draws.of_pair("write", number, chunks, 0).below(MILLISECOND);
            self.later.push((self.now + wait, Traffic::Writable { stream: number }));
        }
    }

    pub(super) fn writable(&mut self, number: u64) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        stream.writing = false;
        if let Some((end, _, id)) = stream.answerer {
            let Some(life) = self.ends.get(&end).map(|end| end.life) else { return };
            let event = Event::Stream { stream: id, event: StreamEvent::Writable };
            self.tell(life, About::Stream(id), event);
        }
    }

    /// The core has written the whole answer.
    pub(crate) fn finish(&mut self, host: HostId, id: StreamId) {
        let Some(number) = self.number(host, id) else { return };
        let Some(stream) = self.streams.get_mut(&number) else { return };
        stream.finished = true;
        let waits = stream.blocked.is_some();
        self.forget_name(host, id);
        if !waits {
            self.send_end(number);
        }
    }

    fn send_end(&mut self, number: u64) {
        if let Some((from, _, _)) = self.streams.get(&number).and_then(|stream| stream.answerer) {
            self.send(from, Packet::End { stream: number }, 0);
        }
    }

    /// The core gives a stream up.
    pub(crate) fn reset(&mut self, host: HostId, id: StreamId) {
        let Some(number) = self.number(host, id) else { return };
        self.forget_name(host, id);
        let Some(stream) = self.streams.get(&number) else { return };
        let by_asker = stream.asker.1 == host && stream.asker.2 == id;
        let end = if by_asker { Some(stream.asker.0) } else { stream.answerer.map(|it| it.0) };
        if let Some(end) = end {
            self.send(end, Packet::Reset { stream: number, by_asker }, 0);
        }
    }

    pub(super) fn chunk_arrived(&mut self, number: u64, bytes: Bytes) {
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.arrived.push_back(bytes);
            self.read(number);
        }
    }

    pub(super) fn answer_ended(&mut self, number: u64) {
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.ended = true;
            self.read(number);
        }
    }

    /// Hands on what has come, as far as it was granted.
    fn read(&mut self, number: u64) {
        loop {
            let Some(stream) = self.streams.get_mut(&number) else { return };
            let (on, _, id) = stream.asker;
            let Some(life) = self.ends.get(&on).map(|end| end.life) else { return };
            let Some(first) = stream.arrived.front_mut() else {
                if stream.ended {
                    self.streams.remove(&number);
                    let event = Event::Stream { stream: id, event: StreamEvent::End };
                    self.tell(life, About::Stream(id), event);
                }
                return;
            };
            let may = stream.credit.min(first.len() as u64).min(MAX_CHUNK_BYTES as u64);
            if may == 0 && !first.is_empty() {
                return;
            }
            // What comes off the wire does not keep the shape in which it was written.
            let mut draw = self.draws.of_pair("piece", number, stream.credit, 0);
            let length = if draw.one_in(4) { draw.between(may.min(1), may) } else { may };
            let piece = first.split_to(length as usize);
            if first.is_empty() {
                stream.arrived.pop_front();
            }
            stream.credit -= length;
            let event = Event::Stream { stream: id, event: StreamEvent::Chunk(piece) };
            self.send(on, Packet::Room { stream: number, bytes: length }, 0);
            if length > 0 {
                self.tell(life, About::Stream(id), event);
            }
        }
    }

    pub(super) fn room_arrived(&mut self, number: u64, bytes: u64) {
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.unread = stream.unread.saturating_sub(bytes);
            self.take_chunk(number);
        }
    }

    pub(super) fn reset_arrived(&mut self, number: u64, by_asker: bool) {
        let Some(stream) = self.streams.remove(&number) else { return };
        let side = if by_asker { stream.answerer } else { Some(stream.asker) };
        let Some((on, _, id)) = side else { return };
        let Some(life) = self.ends.get(&on).map(|end| end.life) else { return };
        self.tell(life, About::Stream(id), Event::Stream { stream: id, event: StreamEvent::Reset });
    }

    pub(super) fn forget_name(&mut self, host: HostId, id: StreamId) {
        self.names.remove(&(host, id));
    }

    /// Forgets the streams of one end, as far as that end goes.
    pub(super) fn forget_streams(&mut self, end: ConnectionId) {
        let names: Vec<(HostId, StreamId)> = self
            .streams
            .values()
            .flat_map(|stream| [Some(stream.asker), stream.answerer])
            .flatten()
            .filter(|side| side.0 == end)
            .map(|(_, host, id)| (host, id))
            .collect();
        for (host, id) in names {
            self.forget_name(host, id);
        }
        let is_over = |stream: &Stream| {
            stream.asker.0 == end || stream.answerer.is_some_and(|side| side.0 == end)
        };
        self.streams.retain(|_, stream| !is_over(stream));
    }
}

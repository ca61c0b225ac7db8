//! What travels between the two ends of a connection, and how.

use std::fmt;

use bytes::Bytes;
use mirrormesh::core::ConnectionId;

use super::{Network, Traffic};
use crate::schedule::{SECOND, Time};

/// Something that travels to the other end.
pub(crate) enum Packet {
    /// A control frame.
    Frame(Bytes),
    /// The end closes.
    Close(&'static str),
    /// A stream begins: its whole request.
    Request { stream: u64, bytes: Bytes },
    /// Bytes of an answer.
    Chunk { stream: u64, bytes: Bytes },
    /// The answer is whole.
    End { stream: u64 },
    /// One side gave a stream up; whether the asker did.
    Reset { stream: u64, by_asker: bool },
    /// The asker has read, and there is room for so many more bytes.
    Room { stream: u64, bytes: u64 },
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Packet::Frame(bytes) => write!(f, "frame of {}", bytes.len()),
            Packet::Close(reason) => write!(f, "close: {reason}"),
            Packet::Request { stream, bytes } => write!(f, "request {stream} of {}", bytes.len()),
            Packet::Chunk { stream, bytes } => write!(f, "chunk {stream} of {}", bytes.len()),
            Packet::End { stream } => write!(f, "end {stream}"),
            Packet::Reset { stream, by_asker } => write!(f, "reset {stream} {by_asker}"),
            Packet::Room { stream, bytes } => write!(f, "room {stream} {bytes}"),
        }
    }
}

impl Packet {
    fn stream(&self) -> Option<u64> {
        match self {
            Packet::Frame(_) | Packet::Close(_) => None,
            Packet::Request { stream, .. }
            | Packet::Chunk { stream, .. }
            | Packet::End { stream }
            | Packet::Reset { stream, .. }
            | Packet::Room { stream, .. } => Some(*stream),
        }
    }

    fn is_answer(&self) -> bool {
        matches!(self, Packet::Chunk { .. } | Packet::End { .. })
            || matches!(self, Packet::Reset { by_asker: false, .. })
    }
}

impl Network {
    /// Sends from an end to the other, with so many bytes to carry. What cannot go waits.
    pub(super) fn send(&mut self, from: ConnectionId, packet: Packet, bytes: usize) {
        let Some(end) = self.ends.get(&from) else { return };
        let (host, peer) = (end.life.host, end.peer_host);
        if !self.link(host, peer).up {
            self.counts.stalled_packets += 1;
            if let Some(end) = self.ends.get_mut(&from) {
                end.stalled.push((packet, bytes));
            }
            return;
        }
        self.travel(from, packet, bytes, 0);
    }

    fn travel(&mut self, from: ConnectionId, packet: Packet, bytes: usize, late: Time) {
        let Some(end) = self.ends.get(&from) else { return };
        let (host, peer, to) = (end.life.host, end.peer_host, end.other);
        let draws = self.draws;
        let (time, lost) = self.link_mut(host, peer).travel(draws, bytes);
        self.counts.lost_packets += lost;
        let mut at = self.now + time + late;
        // Frames follow frames, and chunks of an answer each other; nothing else is in order.
        match packet.stream() {
            None => {
                if let Some(end) = self.ends.get_mut(&from) {
                    at = at.max(end.last_frame + 1);
                    end.last_frame = at;
                }
            }
            Some(stream) if packet.is_answer() => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    at = at.max(stream.last_arrival + 1);
                    stream.last_arrival = at;
                }
            }
            Some(_) => {}
        }
        self.later.push((at, Traffic::Arrives { to, packet }));
    }

    /// What waited for a link goes on.
    pub(super) fn release_stalled(&mut self, host: usize, peer: usize) {
        let waiting: Vec<ConnectionId> = self
            .ends
            .iter()
            .filter(|(_, end)| {
                (end.life.host, end.peer_host) == (host, peer) && !end.stalled.is_empty()
            })
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            let Some(end) = self.ends.get_mut(&id) else { continue };
            let packets = std::mem::take(&mut end.stalled);
            // The sender tries again after a growing pause.
            let late = self.draws.of("resend", id.0 ^ self.now).below(SECOND);
            for (packet, bytes) in packets {
                self.travel(id, packet, bytes, late);
            }
        }
    }

    /// A packet is there.
    pub(super) fn arrived(&mut self, to: ConnectionId, packet: Packet) {
        if !self.ends.contains_key(&to) {
            return;
        }
        match packet {
            Packet::Frame(bytes) => self.frame_arrived(to, bytes),
            Packet::Close(reason) => self.peer_closed(to, reason),
            Packet::Request { stream, bytes } => self.request_arrived(to, stream, bytes),
            Packet::Chunk { stream, bytes } => self.chunk_arrived(stream, bytes),
            Packet::End { stream } => self.answer_ended(stream),
            Packet::Reset { stream, by_asker } => self.reset_arrived(stream, by_asker),
            Packet::Room { stream, bytes } => self.room_arrived(stream, bytes),
        }
    }
}

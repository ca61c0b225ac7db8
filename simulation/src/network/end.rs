//! Ends of connections: frames and their credit, silence, and how an end comes.

use std::collections::VecDeque;

use bytes::Bytes;
use mirrormesh::core::{ConnectionId, Event, FIRST_FRAMES, MAX_FRAME_BYTES};
use mirrormesh_gossip::NodeId;

use super::packet::Packet;
use super::{About, HostId, Life, Network, SILENCE, Traffic, within};
use crate::schedule::{MILLISECOND, SECOND, Time};

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End {
    pub(super) life: Life,
    pub(super) peer_host: HostId,
    pub(super) peer: Option<NodeId>,
    pub(super) other: ConnectionId,
    /// Whether the host knows of it: one that dialled does not at first.
    pub(super) is_known: bool,
    /// It was closed here; nothing is told of it but its end.
    pub(super) closing: bool,
    /// Frames that may still be read.
    credit: u32,
    /// Frames that have come and may not be read yet.
    inbox: VecDeque<Bytes>,
    /// When the last frame that was sent from here arrives.
    pub(super) last_frame: Time,
    /// What waits for the link.
    pub(super) stalled: Vec<(Packet, usize)>,
    silent_since: Option<Time>,
}

impl End {
    pub(super) fn new(life: Life, peer_host: HostId, other: ConnectionId) -> End {
        End {
            life,
            peer_host,
            peer: None,
            other,
            is_known: true,
            closing: false,
            credit: FIRST_FRAMES,
            inbox: VecDeque::new(),
            last_frame: 0,
            stalled: Vec::new(),
            silent_since: None,
        }
    }
}

impl Network {
    /// The core sends a frame.
    pub(crate) fn frame(&mut self, id: ConnectionId, bytes: Bytes) {
        within(&bytes, MAX_FRAME_BYTES, "a frame", &mut self.faults);
        if self.ends.get(&id).is_some_and(|end| !end.closing) {
            self.counts.frames += 1;
            let length = bytes.len();
            self.send(id, Packet::Frame(bytes), length);
        }
    }

    pub(super) fn frame_arrived(&mut self, id: ConnectionId, bytes: Bytes) {
        if let Some(end) = self.ends.get_mut(&id) {
            end.inbox.push_back(bytes);
        }
        self.read_frames(id);
    }

    /// The core grants frames.
    pub(crate) fn grant_frames(&mut self, id: ConnectionId, frames: u32) {
        if let Some(end) = self.ends.get_mut(&id) {
            end.credit = end.credit.saturating_add(frames);
            self.read_frames(id);
        }
    }

    fn read_frames(&mut self, id: ConnectionId) {
        loop {
            let Some(end) = self.ends.get_mut(&id).filter(|end| !end.closing) else { return };
            if end.credit == 0 {
                return;
            }
            let Some(bytes) = end.inbox.pop_front() else { return };
            end.credit -= 1;
            let life = end.life;
            self.tell(life, About::Connection(id), Event::Frame { connection: id, bytes });
        }
    }

    /// The core closes a connection.
    pub(crate) fn close(&mut self, id: ConnectionId, reason: &'static str) {
        let now = self.now;
        let Some(end) = self.ends.get_mut(&id).filter(|end| !end.closing) else { return };
        end.closing = true;
        let (host, peer) = (end.life.host, end.peer_host);
        self.forget_streams(id);
        self.send(id, Packet::Close(reason), 0);
        let wait = if self.link(host, peer).up { MILLISECOND } else { SECOND };
        self.later.push((now + wait, Traffic::Closed { end: id, reason }));
    }

    pub(super) fn peer_closed(&mut self, id: ConnectionId, reason: &'static str) {
        if self.ends.get(&id).is_some_and(|end| !end.closing) {
            self.end_over(id, reason);
        }
    }

    /// An end is over: the host is told.
    pub(super) fn end_over(&mut self, id: ConnectionId, reason: &str) {
        let Some(end) = self.ends.get(&id) else { return };
        let (life, is_known, peer) = (end.life, end.is_known, end.peer);
        self.remove_end(id);
        let reason = reason.to_string();
        let event = match peer.filter(|_| !is_known) {
            Some(peer) => Event::DialFailed { peer, reason },
            None => Event::Disconnected { connection: id, reason },
        };
        self.tell(life, About::Nothing, event);
        self.listen_again();
    }

    pub(super) fn remove_end(&mut self, id: ConnectionId) {
        self.forget_streams(id);
        self.ends.remove(&id);
    }

    /// Who hears whom has changed: ends that hear nothing begin to count.
    pub(super) fn listen_again(&mut self) {
        let ids: Vec<ConnectionId> = self.ends.keys().copied().collect();
        for id in ids {
            let Some(end) = self.ends.get(&id) else { continue };
            let (host, peer, other) = (end.life.host, end.peer_host, end.other);
            let known = self.ends.contains_key(&other);
            let hears = known && self.link(peer, host).up;
            let both = self.link(peer, host).up && self.link(host, peer).up;
            let is_reset = !known && both && self.listens[peer] && self.lives[peer].is_some();
            let now = self.now;
            let mut later = Vec::new();
            if let Some(end) = self.ends.get_mut(&id) {
                match (hears, end.silent_since) {
                    (true, _) => end.silent_since = None,
                    (false, None) => {
                        end.silent_since = Some(now);
                        later.push((now + SILENCE, Traffic::Silence { end: id, since: now }));
                    }
                    (false, Some(_)) => {}
                }
            }
            if is_reset {
                let wait = self.draws.of("reset", id.0).below(2 * SECOND);
                later.push((now + wait, Traffic::Stranger { end: id }));
            }
            self.later.append(&mut later);
        }
    }

    pub(super) fn silence(&mut self, id: ConnectionId, since: Time) {
        if self.ends.get(&id).is_some_and(|end| end.silent_since == Some(since)) {
            self.counts.silences += 1;
            self.end_over(id, "silent for 6 s");
        }
    }

    /// A packet of this end reaches a program that knows nothing of it.
    pub(super) fn met_stranger(&mut self, id: ConnectionId) {
        let Some(end) = self.ends.get(&id) else { return };
        let (host, peer) = (end.life.host, end.peer_host);
        let goes = self.link(host, peer).up && self.link(peer, host).up;
        if goes && self.lives[peer].is_some() && !self.ends.contains_key(&end.other) {
            self.counts.resets += 1;
            self.end_over(id, "the peer has restarted");
        }
    }
}

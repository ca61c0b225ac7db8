//! The network: what QUIC promises the core, and all that it does not.
//!
//! A connection has two ends; each end has its own name and ends by itself. Frames of a connection
//! stay in order and are never lost while it lives; streams overtake each other and the frames. A
//! lost packet is a later packet. In a cut, what is sent waits; an end that hears nothing for
//! [`SILENCE`] gives up, each by itself, so that a one-way cut ends one end long before the other.
//! A peer that is back knows nothing of old connections and resets them.
//!
//! State: directed links, ends, streams. Time comes with each call; what takes time comes back in
//! [`Network::later`], what a host is to be told in [`Network::ready`].
//!
//! Invariants, asserted of the core or kept for it: nothing is delivered beyond what was granted; at
//! most one chunk of a stream is unwritten; nothing is told of an end or stream after its end;
//! names are never used twice.
//!
//! Never decides what is sent.

mod dial;
mod end;
mod link;
mod packet;
mod stream;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use mirrormesh::core::{ConnectionId, Event, StreamEvent, StreamId};

use crate::draw::Draws;
use crate::schedule::Time;

use self::end::End;
use self::link::Link;
pub(crate) use self::link::Weather;
use self::packet::Packet;
use self::stream::Stream;

/// An end that hears nothing for so long gives up.
pub(crate) const SILENCE: Time = 6 * crate::schedule::SECOND;

/// Names a machine: its place in the world.
pub(crate) type HostId = usize;

/// One run of the program on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life {
    pub(crate) host: HostId,
    pub(crate) number: u64,
}

/// Something in the network that takes time.
#[derive(Debug)]
pub(crate) enum Traffic {
    /// A packet arrives at an end.
    Arrives { to: ConnectionId, packet: Packet },
    /// A handshake is over, or would be.
    Dialled { from: Life, to: HostId, peer: mirrormesh_gossip::NodeId, number: u64 },
    /// The dialler knows.
    Established { end: ConnectionId },
    /// Nobody answered the dialler.
    Unanswered { from: Life, peer: mirrormesh_gossip::NodeId },
    /// An end has heard nothing for long, unless it has.
    Silence { end: ConnectionId, since: Time },
    /// An end's packet meets a host that does not know it.
    Stranger { end: ConnectionId },
    /// An end that is closing has sent what it had.
    Closed { end: ConnectionId, reason: &'static str },
    /// The next chunk of a stream can be taken.
    Writable { stream: u64 },
}

/// Something a host is to be told.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) to: Life,
    /// The connection it belongs to: it must still be open.
    about: About,
    pub(crate) event: Event,
}

#[derive(Debug, Clone, Copy)]
enum About {
    Nothing,
    Connection(ConnectionId),
    Stream(StreamId),
}

/// How much of each thing there was.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct NetworkCounts {
    pub(crate) frames: u64,
    pub(crate) lost_packets: u64,
    pub(crate) stalled_packets: u64,
    pub(crate) silences: u64,
    pub(crate) resets: u64,
    pub(crate) failed_dials: u64,
    pub(crate) chunks: u64,
}

/// See the module's head.
pub(crate) struct Network {
    pub(super) draws: Draws,
    hosts: usize,
    links: Vec<Link>,
    /// The life of each host that runs.
    lives: Vec<Option<Life>>,
    /// Whether it takes connections.
    listens: Vec<bool>,
    keys: Vec<mirrormesh_gossip::NodeId>,
    ends: BTreeMap<ConnectionId, End>,
    streams: BTreeMap<u64, Stream>,
    /// Streams by the names hosts have for them.
    names: BTreeMap<(HostId, StreamId), u64>,
    /// The newest name each host gave a stream.
    newest_names: Vec<u64>,
    next: u64,
    dials: u64,
    now: Time,
    /// Things that take time: to be scheduled.
    pub(crate) later: Vec<(Time, Traffic)>,
    /// Things to be told now, in order.
    ready: VecDeque<Ready>,
    /// What the core did against the contract.
    pub(crate) faults: Vec<String>,
    pub(crate) counts: NetworkCounts,
    /// Most bytes that travel or wait on a stream.
    window: u64,
}

impl Network {
    /// A network of hosts with these keys.
    pub(crate) fn new(
        keys: Vec<mirrormesh_gossip::NodeId>,
        draws: Draws,
        weather: &Weather,
    ) -> Network {
        let hosts = keys.len();
        let links =
            (0..hosts * hosts).map(|link| Link::draw(draws, link as u64, weather)).collect();
        Network {
            draws,
            hosts,
            links,
            lives: vec![None; hosts],
            listens: vec![false; hosts],
            keys,
            ends: BTreeMap::new(),
            streams: BTreeMap::new(),
            names: BTreeMap::new(),
            newest_names: vec![0; hosts],
            next: 0,
            dials: 0,
            now: 0,
            later: Vec::new(),
            ready: VecDeque::new(),
            faults: Vec::new(),
            counts: NetworkCounts::default(),
            window: draws.of("stream-window", 0).spread(64 << 10, 4 << 20),
        }
    }

    /// Time goes on.
    pub(crate) fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    /// The next thing that a host is to be told now.
    pub(crate) fn next_ready(&mut self) -> Option<(Life, Event)> {
        while let Some(ready) = self.ready.pop_front() {
            let is_current = self.lives[ready.to.host] == Some(ready.to);
            let is_open = match ready.about {
                About::Nothing => true,
                About::Connection(end) => self.ends.get(&end).is_some_and(|end| !end.closing),
                About::Stream(stream) => self.names.contains_key(&(ready.to.host, stream)),
            };
            if is_current && is_open {
                let is_last = matches!(
                    ready.event,
                    Event::Stream { event: StreamEvent::End | StreamEvent::Reset, .. }
                );
                if let (true, About::Stream(stream)) = (is_last, ready.about) {
                    self.forget_name(ready.to.host, stream);
                }
                return Some((ready.to, ready.event));
            }
        }
        None
    }

    fn tell(&mut self, to: Life, about: About, event: Event) {
        self.ready.push_back(Ready { to, about, event });
    }

    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    fn link(&self, from: HostId, to: HostId) -> &Link {
        &self.links[from * self.hosts + to]
    }

    fn link_mut(&mut self, from: HostId, to: HostId) -> &mut Link {
        &mut self.links[from * self.hosts + to]
    }

    /// Something that was under way comes to pass.
    pub(crate) fn come(&mut self, traffic: Traffic) {
        match traffic {
            Traffic::Arrives { to, packet } => self.arrived(to, packet),
            Traffic::Dialled { from, to, peer, number } => self.dialled(from, to, peer, number),
            Traffic::Established { end } => self.established(end),
            Traffic::Unanswered { from, peer } => {
                self.counts.failed_dials += 1;
                let reason = "nobody answers".to_string();
                self.tell(from, About::Nothing, Event::DialFailed { peer, reason });
            }
            Traffic::Silence { end, since } => self.silence(end, since),
            Traffic::Stranger { end } => self.met_stranger(end),
            Traffic::Closed { end, reason } => self.end_over(end, reason),
            Traffic::Writable { stream } => self.writable(stream),
        }
    }

    /// A host's program begins; whether it takes connections.
    pub(crate) fn started(&mut self, life: Life, listens: bool) {
        self.lives[life.host] = Some(life);
        self.listens[life.host] = listens;
        self.newest_names[life.host] = 0;
        self.listen_again();
    }

    /// A host's program is gone, without a word; or, at a clean end, with one.
    pub(crate) fn ended(&mut self, host: HostId, says_so: bool) {
        self.lives[host] = None;
        let ends: Vec<ConnectionId> =
            self.ends.iter().filter(|(_, end)| end.life.host == host).map(|(id, _)| *id).collect();
        for id in ends {
            if says_so {
                self.send(id, Packet::Close("the peer ends"), 0);
            }
            self.remove_end(id);
        }
        self.names.retain(|(of, _), _| *of != host);
        self.listen_again();
    }

    /// Cuts or mends a directed link.
    pub(crate) fn set_link(&mut self, from: HostId, to: HostId, up: bool) {
        self.link_mut(from, to).up = up;
        if up {
            self.release_stalled(from, to);
        }
        self.listen_again();
    }

    /// Slows a directed link down by so much, or not any more.
    pub(crate) fn set_spike(&mut self, from: HostId, to: HostId, extra: Time) {
        self.link_mut(from, to).extra = extra;
    }

    /// Mends everything.
    pub(crate) fn heal(&mut self) {
        for from in 0..self.hosts {
            for to in 0..self.hosts {
                self.set_spike(from, to, 0);
                self.set_link(from, to, true);
            }
        }
    }

    /// Connections that are open at a host, for the bounds.
    pub(crate) fn open_streams(&self, host: HostId) -> usize {
        self.names.range((host, StreamId(0))..=(host, StreamId(u64::MAX))).count()
    }

    fn keys_of(&self, host: HostId) -> mirrormesh_gossip::NodeId {
        self.keys[host]
    }

    fn next_connection(&mut self) -> ConnectionId {
        self.next += 1;
        ConnectionId(self.next)
    }
}

/// Checks the bounds of what a core hands to its driver.
fn within(bytes: &Bytes, most: usize, what: &str, faults: &mut Vec<String>) {
    if bytes.len() > most {
        faults.push(format!("{what} of {} bytes, {most} are the most", bytes.len()));
    }
}

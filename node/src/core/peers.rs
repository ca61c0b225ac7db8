//! Connections: who is connected, who is dialled next, and which of two connections stays.
//!
//! State: one [`Peer`] for each other member, its connections, its last report; and strangers,
//! who have a short time to show a token. Both ends dial. Of two live connections between the
//! same two starts of two nodes the one dialled by the smaller key stays; a peer that started
//! anew ends the connections of its earlier start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mirrormesh_gossip::{Document, Entropy, Instant, NodeId};
use mirrormesh_merkle::Hash;

use super::event::{ConnectionId, Effect};
use super::wire::{Join, Report};

/// Longest wait before a member is dialled again.
const REDIAL: Duration = Duration::from_secs(1);
/// How long a stranger that asks to be a member may stay connected, while it has to wait.
const STRANGER_TIME: Duration = Duration::from_secs(60);
/// How long one may stay that has not asked.
const ASKING_TIME: Duration = Duration::from_secs(10);
/// Most strangers at a time. The one that has been silent longest makes room for the next: who
/// comes with a token shows it at once, and cannot be kept out by those who only connect.
const MAX_STRANGERS: usize = 16;
/// So often the time doubles that a member gets which was too slow: 64 KiB in 256 s is little for
/// the slowest of links.
const MAX_SLOW: u32 = 5;
/// Most connections of one member at a time.
const MAX_CONNECTIONS: usize = 4;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: NodeId,
    pub(crate) dialled: bool,
    /// The number the peer drew at its start, once its hello is here.
    pub(crate) instance: Option<u64>,
    pub(crate) since: Instant,
    pub(crate) stranger: bool,
    /// What a stranger asks for, while it has to wait.
    pub(crate) joining: Option<Join>,
    /// It is about to be told that it is a member.
    pub(crate) admitted: bool,
}

impl Connection {
    /// Whether a stranger has asked to be a member.
    fn asks(&self) -> bool {
        self.joining.is_some() || self.admitted
    }

    /// Until when a stranger may stay.
    fn stays_until(&self) -> Instant {
        self.since + if self.asks() { STRANGER_TIME } else { ASKING_TIME }
    }
}

/// Another member.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// The connection in use: the hello is here.
    pub(crate) primary: Option<ConnectionId>,
    pub(crate) connections: BTreeSet<ConnectionId>,
    dialling: bool,
    next_dial: Instant,
    /// The number that it drew at its last start, as far as this node was greeted.
    instance: Option<u64>,
    /// What it last said of itself, since that start.
    pub(crate) report: Option<Report>,
    /// Hash of the document that was last sent to it.
    pub(crate) document: Option<Hash>,
    /// Whether somebody else (the origin) says it is alive.
    pub(crate) said_alive: bool,
    /// How often an answer of it did not come, or was of no use.
    failures: u32,
    /// How often in a row it was given up because an answer did not get on.
    slow: u32,
}

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    pub(crate) members: BTreeMap<NodeId, Peer>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    /// How often a node that was removed has called since.
    pub(crate) removed_calls: u64,
}

impl Peers {
    /// Follows the roster: members that are gone lose their connections (returned, to be closed).
    pub(crate) fn follow(&mut self, document: &Document, own: &NodeId) -> Vec<ConnectionId> {
        let roster: BTreeSet<NodeId> =
            document.members.iter().map(|member| member.id).filter(|id| id != own).collect();
        let gone: Vec<NodeId> =
            self.members.keys().filter(|id| !roster.contains(id)).copied().collect();
        let mut closed = Vec::new();
        for id in gone {
            if let Some(peer) = self.members.remove(&id) {
                closed.extend(peer.connections);
            }
        }
        // Who came as a stranger and is a member now begins anew, but for one that waits for the
        // news of it.
        closed.extend(
            self.connections
                .iter()
                .filter(|(_, other)| other.stranger && !other.admitted)
                .filter(|(_, other)| roster.contains(&other.peer))
                .map(|(id, _)| *id),
        );
        for id in roster {
            self.members.entry(id).or_default();
        }
        closed
    }

    /// The stranger that has to go before another peer can come, if that is one and all places are
    /// taken.
    pub(crate) fn in_the_way_of(&self, peer: &NodeId) -> Option<(ConnectionId, NodeId)> {
        let strangers = || self.connections.iter().filter(|(_, other)| other.stranger);
        if self.members.contains_key(peer) || strangers().count() < MAX_STRANGERS {
            return None;
        }
        let silent = strangers().filter(|(_, other)| !other.asks());
        silent.min_by_key(|(_, other)| other.since).map(|(id, other)| (*id, other.peer))
    }

    /// Takes a new connection; `false`: it is one too many, close it.
    pub(crate) fn connected(
        &mut self,
        id: ConnectionId,
        peer: NodeId,
        dialled: bool,
        now: Instant,
    ) -> bool {
        let stranger = match self.members.get_mut(&peer) {
            Some(member) => {
                if dialled {
                    member.dialling = false;
                }
                if member.connections.len() >= MAX_CONNECTIONS {
                    return false;
                }
                member.connections.insert(id);
                false
            }
            None => {
                let strangers = self.connections.values().filter(|other| other.stranger).count();
                if dialled || strangers >= MAX_STRANGERS {
                    return false;
                }
                true
            }
        };
        let connection = Connection {
            peer,
            dialled,
            instance: None,
            since: now,
            stranger,
            joining: None,
            admitted: false,
        };
        self.connections.insert(id, connection);
        true
    }

    /// The peer's hello came on a member's connection: which connections of it must end now.
    pub(crate) fn greeted(
        &mut self,
        id: ConnectionId,
        instance: u64,
        own: &NodeId,
    ) -> Vec<ConnectionId> {
        let Some(connection) = self.connections.get_mut(&id) else { return Vec::new() };
        connection.instance = Some(instance);
        let peer_id = connection.peer;
        let Some(peer) = self.members.get_mut(&peer_id) else { return Vec::new() };
        let mut closed = Vec::new();
        let mut keep = id;
        for other in peer.connections.iter().filter(|other| **other != id) {
            let Some(theirs) = self.connections.get(other) else { continue };
            match theirs.instance {
                Some(number) if number == instance => {
                    let smaller_dials = own < &peer_id;
                    if theirs.dialled == smaller_dials && peer.primary == Some(*other) {
                        keep = *other;
                        closed.push(id);
                    } else {
                        closed.push(*other);
                    }
                }
                Some(_) => closed.push(*other),
                None => {}
            }
        }
        if peer.instance.replace(instance).is_some_and(|before| before != instance) {
            // It has not looked at its docroot since, and says itself how it is now.
            peer.report = None;
        }
        peer.primary = Some(keep);
        peer.document = None;
        peer.slow = 0;
        closed.sort_unstable();
        closed.dedup();
        closed.retain(|other| *other != keep);
        closed
    }

    /// A connection has ended. Returns the member if it now has none in use.
    pub(crate) fn disconnected(&mut self, id: ConnectionId, now: Instant) -> Option<NodeId> {
        let connection = self.connections.remove(&id)?;
        let peer = self.members.get_mut(&connection.peer)?;
        peer.connections.remove(&id);
        if peer.primary == Some(id) {
            peer.primary = peer
                .connections
                .iter()
                .find(|other| {
                    self.connections.get(other).is_some_and(|other| other.instance.is_some())
                })
                .copied();
        }
        if peer.primary.is_none() {
            peer.next_dial = peer.next_dial.max(now);
            return Some(connection.peer);
        }
        None
    }

    /// Dialling a member came to nothing.
    pub(crate) fn dial_failed(&mut self, peer: &NodeId, now: Instant, entropy: &mut Entropy) {
        if let Some(peer) = self.members.get_mut(peer) {
            peer.dialling = false;
            peer.next_dial = now + REDIAL / 2 + entropy.jitter(REDIAL / 2);
        }
    }

    /// Dials whom nobody is connected to.
    pub(crate) fn dial(&mut self, document: &Document, now: Instant, out: &mut Vec<Effect>) {
        for (id, peer) in &mut self.members {
            if !peer.connections.is_empty() || peer.dialling || peer.next_dial > now {
                continue;
            }
            let Some(member) = document.member(id) else { continue };
            peer.next_dial = now + REDIAL;
            if member.addresses.is_empty() {
                continue;
            }
            peer.dialling = true;
            out.push(Effect::Dial { peer: *id, addresses: member.addresses.clone() });
        }
    }

    /// Strangers whose time is over.
    pub(crate) fn overstayed(&self, now: Instant) -> Vec<ConnectionId> {
        self.connections
            .iter()
            .filter(|(_, connection)| connection.stranger && connection.stays_until() <= now)
            .map(|(id, _)| *id)
            .collect()
    }

    /// The next moment at which something is to be done here.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let dial = self
            .members
            .values()
            .filter(|peer| peer.connections.is_empty() && !peer.dialling)
            .map(|peer| peer.next_dial);
        let strangers = self
            .connections
            .values()
            .filter(|connection| connection.stranger)
            .map(Connection::stays_until);
        dial.chain(strangers).min()
    }

    /// The connection in use to a member.
    pub(crate) fn primary(&self, peer: &NodeId) -> Option<ConnectionId> {
        self.members.get(peer)?.primary
    }

    /// Members that are connected, the connection in use, and whether they have been sent this
    /// document. They count as having been from now on.
    pub(crate) fn live_documents(
        &mut self,
        document: Option<Hash>,
    ) -> Vec<(NodeId, ConnectionId, bool)> {
        self.members
            .iter_mut()
            .filter_map(|(id, peer)| {
                let known = peer.document == document;
                peer.document = document;
                Some((*id, peer.primary?, known))
            })
            .collect()
    }

    /// Members that are connected, with the connection in use.
    pub(crate) fn live(&self) -> impl Iterator<Item = (NodeId, ConnectionId)> {
        self.members.iter().filter_map(|(id, peer)| Some((*id, peer.primary?)))
    }

    /// A member to ask who is not the origin: the one that failed least often.
    pub(crate) fn most_useful(&self) -> Option<ConnectionId> {
        let live = self.members.values().filter_map(|peer| Some((peer.failures, peer.primary?)));
        live.min().map(|(_, connection)| connection)
    }

    /// An answer of a member did not come, or was of no use.
    pub(crate) fn failed(&mut self, peer: &NodeId) {
        if let Some(peer) = self.members.get_mut(peer) {
            peer.failures = peer.failures.saturating_add(1);
        }
    }

    /// An answer of a member did not get on: whoever else is there is asked before it, and it gets
    /// twice the time when its turn comes again.
    pub(crate) fn too_slow(&mut self, peer: &NodeId) {
        let most = self.members.values().map(|peer| peer.failures).max().unwrap_or_default();
        if let Some(peer) = self.members.get_mut(peer) {
            peer.failures = most.saturating_add(1);
            peer.slow = peer.slow.saturating_add(1).min(MAX_SLOW);
        }
    }

    /// A member served what was asked of it.
    pub(crate) fn served(&mut self, peer: &NodeId) {
        if let Some(peer) = self.members.get_mut(peer) {
            (peer.failures, peer.slow) = (0, 0);
        }
    }

    /// How many times the usual time a peer may take to get on with an answer.
    pub(crate) fn patience_with(&self, connection: ConnectionId) -> u32 {
        let peer = self.member_of(connection).and_then(|peer| self.members.get(&peer));
        1 << peer.map_or(0, |peer| peer.slow)
    }

    /// The member at the other end of a connection whose hello is here.
    pub(crate) fn member_of(&self, id: ConnectionId) -> Option<NodeId> {
        let connection = self.connections.get(&id)?;
        (!connection.stranger && connection.instance.is_some()).then_some(connection.peer)
    }
}

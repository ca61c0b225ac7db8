//! Dialling: a handshake that comes to something or not.

use std::time::Duration;

use mirrormesh::core::Event;
use mirrormesh_gossip::NodeId;

use super::end::End;
use super::{About, HostId, Life, Network, Traffic};

impl Network {
    /// A host dials another, whose key must be `peer`. `fails`: something in between goes wrong.
    pub(crate) fn dial(&mut self, from: Life, to: Option<HostId>, peer: NodeId, fails: bool) {
        self.dials += 1;
        let number = self.dials;
        let mut draw = self.draws.of("dial", number);
        let up = to.filter(|&to| {
            !fails
                && to != from.host
                && self.lives[to].is_some()
                && self.listens[to]
                && self.link(from.host, to).up
                && self.link(to, from.host).up
        });
        match up {
            Some(to) => {
                let draws = self.draws;
                let (there, _) = self.link_mut(from.host, to).travel(draws, 0);
                let (back, _) = self.link_mut(to, from.host).travel(draws, 0);
                let at = self.now + 2 * there + back;
                self.later.push((at, Traffic::Dialled { from, to, peer, number }));
            }
            None => {
                let wait = draw.duration(Duration::from_millis(1), Duration::from_secs(2));
                self.later.push((self.now + wait, Traffic::Unanswered { from, peer }));
            }
        }
    }

    /// The handshake has reached the host that was dialled.
    pub(super) fn dialled(&mut self, from: Life, to: HostId, peer: NodeId, number: u64) {
        let goes = self.link(from.host, to).up && self.link(to, from.host).up && self.listens[to];
        let (Some(acceptor), true) = (self.lives[to], goes) else {
            let wait = self.draws.of("dial-again", number).below(2 * crate::schedule::SECOND);
            self.later.push((self.now + wait, Traffic::Unanswered { from, peer }));
            return;
        };
        if self.lives[from.host] != Some(from) {
            return;
        }
        let (here, there) = (self.next_connection(), self.next_connection());
        let draws = self.draws;
        let (back, _) = self.link_mut(to, from.host).travel(draws, 0);
        let mut dialler = End::new(from, to, there);
        (dialler.peer, dialler.is_known) = (Some(peer), false);
        let mut accepted = End::new(acceptor, from.host, here);
        // Nothing reaches the dialler before it knows that it is connected.
        accepted.last_frame = self.now + back;
        self.ends.insert(here, dialler);
        self.ends.insert(there, accepted);
        self.later.push((self.now + back, Traffic::Established { end: here }));
        let event = Event::Connected {
            connection: there,
            peer: self.keys_of(from.host),
            dialled: false,
            address: format!("host{}:9", from.host),
        };
        self.tell(acceptor, About::Connection(there), event);
    }

    pub(super) fn established(&mut self, id: mirrormesh::core::ConnectionId) {
        let Some(end) = self.ends.get_mut(&id) else { return };
        end.is_known = true;
        let (life, Some(peer)) = (end.life, end.peer) else { return };
        let address = format!("host{}:7440", end.peer_host);
        let event = Event::Connected { connection: id, peer, dialled: true, address };
        self.tell(life, About::Connection(id), event);
    }
}

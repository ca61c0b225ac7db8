//! The first machine founds a cluster; the others join it, through the frames that strangers send.

use mirrormesh::core::join::{Founding, JoinStep, accept, found, request};
use mirrormesh::core::{ConnectionId, Event};
use mirrormesh::store::Disk;
use mirrormesh_gossip::{MemberRole, Token, Wall};

use super::{BEGINNING, Happening, World};
use crate::host::{Joining, Program};
use crate::network::{HostId, Life};
use crate::outcome::Verdict;
use crate::schedule::SECOND;

impl World {
    /// The first machine makes a cluster.
    pub(crate) fn found(&mut self) {
        let mut entropy = self.entropy(Life { host: 0, number: u64::MAX });
        let own = &self.hosts[0];
        let founding = Founding {
            name: own.name.clone(),
            addresses: vec![own.address()],
            excludes: Vec::new(),
            wall: Wall(BEGINNING),
            token_lifetime: std::time::Duration::from_secs(1 << 20),
        };
        let founded = match found(&own.secret, founding, &mut entropy) {
            Ok(founded) => founded,
            Err(reason) => {
                self.verdict = Some(Verdict::violated("founds a cluster", reason));
                return;
            }
        };
        self.cluster = Some(founded.token.cluster);
        if let Some(disk) = &self.hosts[0].disk {
            let committed = disk.commit(founded.batch, true);
            debug_assert!(committed.is_ok(), "a new disk takes a batch");
        }
        self.hosts[0].is_member = true;
        self.tokens = vec![founded.token];
    }

    /// A token for a machine: the first is that of the founding, the others the origin makes.
    pub(crate) fn begin_joining(&mut self, host: HostId) -> bool {
        if let Some(token) = self.token_for(host) {
            let joining = Joining { token, connection: None, tries: 0 };
            self.hosts[host].program = Program::Joining(joining);
            return true;
        }
        self.ask_for_token();
        self.restart_later(host, SECOND / 2);
        false
    }

    fn token_for(&self, host: HostId) -> Option<Token> {
        // That of the founding lets one in; the other any number.
        let token = if host == 1 { self.tokens.first() } else { self.tokens.get(1) };
        token.filter(|token| token.role == MemberRole::Replica).cloned()
    }

    /// A machine dials the origin to become a member.
    pub(crate) fn join(&mut self, life: Life) {
        if self.hosts[life.host].life != life {
            return;
        }
        let Program::Joining(joining) = &mut self.hosts[life.host].program else { return };
        if joining.connection.is_some() {
            return;
        }
        joining.tries += 1;
        let issuer = joining.token.issuer;
        self.network.dial(life, Some(0), issuer, false);
    }

    pub(crate) fn joiner_hears(&mut self, life: Life, event: Event) {
        match event {
            Event::Connected { connection, .. } => self.show_token(life, connection),
            Event::DialFailed { .. } | Event::Disconnected { .. } => {
                if let Program::Joining(joining) = &mut self.hosts[life.host].program {
                    joining.connection = None;
                }
                self.schedule.put(self.now() + SECOND, Happening::Join(life));
            }
            Event::Frame { connection, bytes } => {
                self.network.grant_frames(connection, 1);
                self.joiner_reads(life, connection, &bytes);
            }
            _ => {}
        }
    }

    fn show_token(&mut self, life: Life, connection: ConnectionId) {
        let instance = self.entropy(life).next_u64();
        let own = &mut self.hosts[life.host];
        let (name, address) = (own.name.clone(), own.address());
        let Program::Joining(joining) = &mut own.program else { return };
        joining.connection = Some(connection);
        for frame in request(&joining.token, &name, &[address], instance) {
            self.network.frame(connection, frame);
        }
    }

    fn joiner_reads(&mut self, life: Life, connection: ConnectionId, bytes: &[u8]) {
        let own = &self.hosts[life.host];
        let key = own.secret.public();
        let Program::Joining(joining) = &own.program else { return };
        match accept(&joining.token, &key, bytes) {
            JoinStep::Nothing => {}
            JoinStep::Wait(text) => self.trace.remark(|| text),
            JoinStep::Joined(batch) => {
                let committed = match &self.hosts[life.host].disk {
                    Some(disk) => disk.commit(batch, true).is_ok(),
                    None => false,
                };
                self.network.close(connection, "joined");
                self.network.ended(life.host, true);
                self.hosts[life.host].forget_life();
                self.hosts[life.host].is_member = committed;
                self.statistics.joins += 1;
                self.restart_later(life.host, SECOND / 5);
            }
            JoinStep::Refused(reason) => {
                let text = format!("host {} is refused: {reason}", life.host);
                self.verdict = Some(Verdict::violated("joins", text));
            }
        }
    }
}

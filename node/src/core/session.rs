//! Connections and frames: greeting, and taking each frame to the part it is for.

use std::time::Duration;

use bytes::Bytes;
use mirrormesh_gossip::{
    DecodeError, HeartbeatVerdict, Instant, Membership, NodeId, ProofRecord, ProofVerdict, Refusal,
    SignedHeartbeat,
};
use serde_bytes::ByteBuf;

use super::event::{ConnectionId, Effect, StopReason, StreamEvent, StreamId};
use super::follow::refusal_name;
use super::jobs::Then;
use super::node::Node;
use super::note::Note;
use super::serve::Asker;
use super::state;
use super::wire::{FEATURES, Frame, Hello, Proof, REPORT_ERRORS, Report, Row, Rows, VERSIONS};
use crate::store::Batch;
use crate::store::request::Request;

/// A report goes out at least this often.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// And no more often than this, unless it says something that somebody may be waiting for.
const REPORT_PAUSE: Duration = Duration::from_millis(500);
/// Most bytes of a frame of who is no member: a greeting, and a wish to be one.
const MAX_STRANGER_FRAME: usize = 16 * 1024;

/// What was last told, and when.
#[derive(Debug, Default)]
pub(super) struct Told {
    report: Option<Report>,
    at: Option<Instant>,
    /// Something changed that can wait.
    pending: bool,
    rows: Bytes,
    freshness_stored: Option<Instant>,
}

impl Node {
    pub(super) fn advance_peers(&mut self) {
        for connection in self.peers.overstayed(self.now) {
            self.out.push(Effect::Close { connection, reason: "no token in time" });
            self.peers.disconnected(connection, self.now);
        }
        if self.stopping || self.removed {
            return;
        }
        if let Some(document) = self.authority.document().or(self.draft.as_ref()) {
            self.peers.dial(document, self.now, &mut self.out);
        }
    }

    pub(super) fn connected(&mut self, connection: ConnectionId, peer: NodeId, dialled: bool) {
        if self.authority.membership(&peer) == Membership::Revoked {
            // It is given the head that removed it, and knows why it is refused.
            if let Some(bytes) = self.newest_push() {
                self.out.push(Effect::Frame { connection, bytes });
            }
            self.peers.removed_calls += 1;
            let detail = "it was removed from the cluster".to_string();
            self.note(Note::Refused { peer, what: "removed-member", detail });
            self.out.push(Effect::Close { connection, reason: "removed from the cluster" });
            return;
        }
        if let Some((silent, other)) = self.peers.in_the_way_of(&peer).filter(|_| !dialled) {
            self.refuse(other, "too-many-connections", "it asks for nothing, and another came");
            self.close(silent, "too many connections");
        }
        if !self.peers.connected(connection, peer, dialled, self.now) {
            self.refuse(peer, "too-many-connections", "closed at once");
            self.out.push(Effect::Close { connection, reason: "too many connections" });
            return;
        }
        let (epoch, seq) = self.authority.head().map_or((0, 0), |head| head.position());
        let hello = Hello {
            oldest: VERSIONS.0,
            newest: VERSIONS.1,
            features: FEATURES.to_vec(),
            cluster: (*self.authority.cluster().as_bytes()).into(),
            instance: self.instance,
            epoch,
            seq,
            stranger: false,
        };
        self.out.push(Effect::Frame { connection, bytes: Frame::Hello(hello).encode() });
    }

    pub(super) fn disconnected(&mut self, connection: ConnectionId, reason: String) {
        self.serve.disconnected(connection, &mut self.jobs, &mut self.out);
        self.answers_lost(connection);
        if let Some(peer) = self.peers.disconnected(connection, self.now) {
            self.note(Note::Disconnected { peer, reason });
        }
    }

    pub(super) fn frame(&mut self, connection: ConnectionId, bytes: &Bytes) {
        let Some(peer) = self.peers.connections.get(&connection).map(|found| found.peer) else {
            return;
        };
        let stranger = self.peers.connections.get(&connection).is_some_and(|found| found.stranger);
        if stranger && bytes.len() > MAX_STRANGER_FRAME {
            self.refuse(peer, "stranger", "it says more than a stranger has to");
            return self.close(connection, "not a member");
        }
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(error) => {
                self.refuse(peer, "malformed-frame", error);
                return self.close(connection, "malformed frame");
            }
        };
        match frame {
            Frame::Hello(hello) => self.hello(connection, peer, hello),
            Frame::Join(join) => self.join_asked(connection, peer, join),
            // Proof needs no greeting: this is how a removed node learns that it is one.
            Frame::Push(push) if !stranger => self.push_came(connection, peer, push),
            _ if self.peers.member_of(connection).is_none() => {
                self.refuse(peer, "stranger", "it is no member, or did not greet");
                self.close(connection, "not a member");
            }
            Frame::Heartbeat(frame) => self.heartbeat_came(connection, peer, &frame.heartbeat),
            Frame::Report(report) => self.report_came(peer, report),
            Frame::Rows(rows) => self.rows_came(peer, rows),
            Frame::AskHead(ask) => self.head_asked(connection, ask.proof_from),
            Frame::Proof(proof) => self.proof_came(connection, peer, &proof.records),
            Frame::Leave(_) => self.leave_asked(peer),
            Frame::Push(_) | Frame::Joined(_) | Frame::JoinAnswer(_) => {
                self.refuse(peer, "unexpected-frame", "it is for strangers");
            }
            Frame::Unknown(_) => *self.refused.entry("unknown-frame").or_default() += 1,
        }
    }

    fn close(&mut self, connection: ConnectionId, reason: &'static str) {
        self.out.push(Effect::Close { connection, reason });
        self.disconnected(connection, reason.to_string());
    }

    fn hello(&mut self, connection: ConnectionId, peer: NodeId, hello: Hello) {
        if *hello.cluster != *self.authority.cluster().as_bytes() {
            self.refuse(peer, "foreign-cluster", "its hello names another cluster");
            if hello.stranger {
                return self.refuse_join(connection, "the token is of another cluster");
            }
            return self.close(connection, "another cluster");
        }
        if hello.newest < VERSIONS.0 || hello.oldest > VERSIONS.1 {
            self.refuse(peer, "unknown-version", format!("{}-{}", hello.oldest, hello.newest));
            return self.close(connection, "no common version");
        }
        let Some(known) = self.peers.connections.get_mut(&connection) else { return };
        if known.instance.is_some() {
            self.refuse(peer, "unexpected-frame", "it has greeted already");
            return self.close(connection, "greeted twice");
        }
        if known.stranger {
            known.instance = Some(hello.instance);
            return;
        }
        for other in self.peers.greeted(connection, hello.instance, &self.id) {
            self.close(other, "another connection is in use");
        }
        if self.peers.member_of(connection).is_none() {
            return;
        }
        self.out.push(Effect::Admit { connection });
        self.note(Note::Connected { peer });
        self.hurry_heartbeat();
        let own = self.authority.head().map_or((0, 0), |head| head.position());
        let theirs = (hello.epoch, hello.seq);
        // An origin that does not remember what it published must not contradict it.
        let must_show = self.is_origin() && self.must_show(peer, theirs);
        let has_news = own > theirs || own == theirs && self.is_origin();
        if let Some(bytes) = self.newest_push().filter(|_| has_news && !must_show) {
            self.out.push(Effect::Frame { connection, bytes });
        }
        if own < theirs || must_show {
            self.ask_head(connection, 0);
        }
        if self.publish.returning.regains.is_some() {
            // It may serve what nobody did.
            self.transfer.retry_now(self.now);
        }
        self.look_at_lost();
        if peer == *self.authority.origin() {
            self.ask_only(connection);
            self.transfer.retry_now(self.now);
            let bytes = Frame::Report(self.own_report()).encode();
            self.out.push(Effect::Frame { connection, bytes });
        }
    }

    fn heartbeat_came(&mut self, connection: ConnectionId, peer: NodeId, bytes: &[u8]) {
        let signed = match SignedHeartbeat::decode(bytes) {
            Ok(signed) => signed,
            Err(error) => return self.refuse(peer, "malformed-heartbeat", error),
        };
        match self.authority.consider_heartbeat(self.now, &signed) {
            Ok(HeartbeatVerdict::Newer(heartbeat)) => {
                let known = self.follow.newest_offer().or(self.authority.head());
                let newest = known.map_or((0, 0), |head| head.position());
                if (heartbeat.epoch, heartbeat.seq) > newest {
                    self.ask_head(connection, 0);
                }
                self.store_freshness();
            }
            Ok(HeartbeatVerdict::NeedProof(epoch)) => self.ask_head(connection, epoch),
            Err(Refusal::Replayed | Refusal::BelowFence) => {
                *self.refused.entry("replayed-heartbeat").or_default() += 1;
            }
            Err(refusal) => self.refuse(peer, refusal_name(&refusal), refusal),
        }
    }

    /// The newest heartbeat number is stored at least once a minute.
    fn store_freshness(&mut self) {
        let due = self
            .told
            .freshness_stored
            .is_none_or(|at| self.now.saturating_since(at) >= Duration::from_secs(30));
        if due {
            self.told.freshness_stored = Some(self.now);
            let mut batch = Batch::default();
            state::put(&mut batch, state::FRESHNESS, self.authority.freshness().stored());
            self.persist(batch, false, Vec::new());
        }
    }

    fn head_asked(&mut self, connection: ConnectionId, proof_from: u64) {
        if proof_from > 0 {
            let records = encode_records(self.authority.chain().records_from(proof_from));
            let frame = Frame::Proof(Proof { records });
            self.out.push(Effect::Frame { connection, bytes: frame.encode() });
        }
        let peer = self.peers.member_of(connection);
        if peer.is_some_and(|peer| self.publish.returning.awaits(&peer)) {
            return;
        }
        if let Some(bytes) = self.newest_push() {
            self.out.push(Effect::Frame { connection, bytes });
        }
    }

    fn proof_came(&mut self, connection: ConnectionId, peer: NodeId, records: &[ByteBuf]) {
        let records = match decode_records(records) {
            Ok(records) => records,
            Err(error) => return self.refuse(peer, "malformed-proof", error),
        };
        let epoch = self.authority.term().epoch;
        match self.authority.consider_proof(&records) {
            Ok(ProofVerdict::Newer { persist, .. }) => {
                let mut batch = Batch::default();
                state::put_persist(&mut batch, *persist, epoch);
                self.persist(batch, true, vec![Then::NewTerm]);
                self.warnings.remove("equivocation");
                self.ask_head(connection, 0);
            }
            Ok(ProofVerdict::Known | ProofVerdict::Older) => {}
            Err(error) => self.refuse(peer, "wrong-proof", error),
        }
    }

    /// This node's key was revoked: it says so and stops.
    pub(super) fn was_removed(&mut self) {
        if self.removed {
            return;
        }
        self.removed = true;
        self.note(Note::WasRemoved {});
        self.stopped = true;
        self.out.push(Effect::Stop(StopReason::Removed));
    }

    // ------------------------------------------------------------------ streams

    pub(super) fn opened(&mut self, stream: StreamId, connection: ConnectionId, request: &Bytes) {
        let Some(peer) = self.peers.member_of(connection) else {
            return self.out.push(Effect::Reset { stream });
        };
        match Request::decode(request) {
            Ok(request) => {
                let asker = Asker { connection, peer };
                self.serve.opened(stream, asker, request, &mut self.jobs, &mut self.out);
            }
            Err(error) => {
                self.refuse(peer, "malformed-request", error);
                self.out.push(Effect::Reset { stream });
            }
        }
    }

    pub(super) fn stream(&mut self, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Chunk(chunk) => {
                if !self.question_chunk(stream, chunk.clone()) {
                    self.transfer_chunk(stream, chunk);
                }
            }
            StreamEvent::End => {
                if !self.question_ended(stream, true) {
                    self.transfer_ended(stream, true);
                }
            }
            StreamEvent::Reset => {
                if !self.question_ended(stream, false) && !self.transfer_ended(stream, false) {
                    self.serve.reset(stream, &mut self.jobs, &mut self.out);
                }
            }
            StreamEvent::Writable => self.serve.writable(stream, &mut self.jobs, &mut self.out),
        }
    }

    // ------------------------------------------------------------------ reports

    /// What this node says of itself.
    pub(super) fn own_report(&self) -> Report {
        let head = self.authority.head();
        Report {
            epoch: head.map_or(0, |head| head.epoch),
            seq: head.filter(|_| self.is_in_line()).map(|head| head.seq),
            tried_seq: self.tried_seq(),
            root: (*self.current.root.as_bytes()).into(),
            in_sync: self.is_in_sync(),
            fresh: self.authority.is_fresh(self.now),
            lag_milliseconds: u64::try_from(self.lag().as_millis()).unwrap_or(u64::MAX),
            errors: self.transfer.errors.len() as u64 + self.transfer.errors_more,
            error_list: self
                .transfer
                .errors
                .iter()
                .take(REPORT_ERRORS)
                .map(|(path, reason)| (path.as_bytes().to_vec().into(), reason.clone()))
                .collect(),
            held: self.held_view().map(|held| (held.reason, held.deletes)),
        }
        .bounded()
    }

    pub(super) fn report_deadline(&self) -> Option<Instant> {
        self.peers.primary(self.authority.origin())?;
        let at = self.told.at?;
        Some(at + if self.told.pending { REPORT_PAUSE } else { REPORT_EVERY })
    }

    /// Tells the origin when something changed that somebody may be waiting for, now and then else.
    pub(super) fn advance_reports(&mut self) {
        let Some(connection) = self.peers.primary(self.authority.origin()) else { return };
        let report = self.own_report();
        let told = self.told.report.as_ref();
        let awaited = told.is_none_or(|told| {
            (told.seq, told.tried_seq, told.in_sync, told.fresh, told.epoch, told.errors)
                != (
                    report.seq,
                    report.tried_seq,
                    report.in_sync,
                    report.fresh,
                    report.epoch,
                    report.errors,
                )
        });
        let pause_over = self.told.at.is_none_or(|at| self.now >= at + REPORT_PAUSE);
        let due = self.told.at.is_none_or(|at| self.now >= at + REPORT_EVERY);
        let changed = told != Some(&report);
        self.told.pending = changed && !awaited;
        if !(awaited || changed && pause_over || due) {
            return;
        }
        self.told.pending = false;
        self.told.at = Some(self.now);
        let bytes = Frame::Report(report.clone()).encode();
        self.told.report = Some(report);
        self.out.push(Effect::Frame { connection, bytes });
    }

    fn report_came(&mut self, peer: NodeId, report: Report) {
        if let Some(member) = self.peers.members.get_mut(&peer) {
            member.report = Some(report.bounded());
        }
    }

    /// The origin tells everybody what it knows of everybody, when it has changed.
    pub(super) fn send_rows(&mut self) {
        let rows = self
            .peers
            .members
            .iter()
            .map(|(id, peer)| Row {
                member: (*id.as_bytes()).into(),
                alive: peer.primary.is_some(),
                report: peer.report.clone(),
            })
            .collect();
        let bytes = Frame::Rows(Rows::fitting(rows)).encode();
        if self.told.rows == bytes {
            return;
        }
        self.told.rows = bytes.clone();
        for (_, connection) in self.peers.live() {
            self.out.push(Effect::Frame { connection, bytes: bytes.clone() });
        }
    }

    fn rows_came(&mut self, peer: NodeId, rows: Rows) {
        if peer != *self.authority.origin() {
            return self.refuse(peer, "unexpected-frame", "rows come from the origin");
        }
        for row in rows.rows {
            let Ok(id) = NodeId::from_bytes(*row.member) else { continue };
            let Some(member) = self.peers.members.get_mut(&id) else { continue };
            member.said_alive = row.alive;
            // One that is away is shown as it was; one that has come back has not said how it is.
            let earlier = member.report.take().filter(|_| !row.alive);
            member.report = row.report.map(Report::bounded).or(earlier);
        }
    }
}

/// Most bytes of proof records in one frame; who lacks more asks again.
const MAX_PROOF_BYTES: usize = super::event::MAX_FRAME_BYTES / 2;

/// Records as they travel, as many as fit a frame.
pub(super) fn encode_records<'a>(records: impl Iterator<Item = &'a ProofRecord>) -> Vec<ByteBuf> {
    let mut bytes = 0;
    records
        .map(|record| ByteBuf::from(record.encode()))
        .take_while(|record| {
            bytes += record.len();
            bytes <= MAX_PROOF_BYTES
        })
        .collect()
}

/// Records as they came.
pub(super) fn decode_records(records: &[ByteBuf]) -> Result<Vec<ProofRecord>, DecodeError> {
    records.iter().map(|record| ProofRecord::decode(record)).collect()
}

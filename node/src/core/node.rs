//! [`Node`]: the parts of the core put together.
//!
//! `handle` takes one event to the part it belongs to, then lets the node advance: [`Node::advance`]
//! looks at what is and starts whatever comes next. Nothing is remembered of what was to be done;
//! what is to be done follows from the current tree, the newest head and what waits for a look.
//!
//! Invariants: at most one job that moves the current tree is in flight; nothing about a head or
//! number leaves the node before it is durable where DESIGN.md says so; every collection is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mirrormesh_gossip::{Authority, Document, Entropy, Instant, NodeId, Sequence, TokenBook, Wall};
use mirrormesh_merkle::{Path, Tree};

use super::brake::Brake;
use super::command::{Answer, Command};
use super::dirty::Dirty;
use super::event::*;
use super::follow::Follow;
use super::jobs::{Jobs, Purpose, Then};
use super::lists::Lists;
use super::note::Note;
use super::operator::Operator;
use super::peers::Peers;
use super::publish::{AfterChange, Publish};
use super::serve::Serve;
use super::session::Told;
use super::setup::{Setup, SetupError};
use super::state::{self, State};
use super::transfer::Transfer;
use super::waits::Waits;
use super::watching::Watching;
use crate::store::{Batch, Done, Durability, Excludes, Job, JobError, JobId, Persist, Recovered};

/// How long what was committed may stay without a flush.
const FLUSH_AFTER: Duration = Duration::from_millis(100);

/// Most unserved files without content that are listed.
pub(super) const MAX_LEFT_OUT: usize = 1_024;
/// What a kept thing takes from the budget beside its bytes, for its inode and its manifest: so the
/// budget bounds their number too.
const KEPT_COST: u64 = 4_096;

/// One node.
pub struct Node {
    pub(super) setup: Setup,
    pub(super) id: NodeId,
    pub(super) entropy: Entropy,
    pub(super) instance: u64,
    pub(super) authority: Authority,
    /// The document before the first head.
    pub(super) draft: Option<Document>,
    pub(super) sequence: Sequence,
    pub(super) heartbeats: Sequence,
    pub(super) tokens: TokenBook,
    pub(super) excludes: Arc<Excludes>,
    /// What lies in the docroot, as last observed or applied.
    pub(super) current: Tree,
    pub(super) now: Instant,
    pub(super) wall: Wall,
    pub(super) out: Vec<Effect>,
    pub(super) jobs: Jobs,
    pub(super) peers: Peers,
    pub(super) serve: Serve,
    pub(super) dirty: Dirty,
    pub(super) lists: Lists,
    pub(super) watching: Watching,
    pub(super) brake: Brake,
    pub(super) publish: Publish,
    pub(super) follow: Follow,
    pub(super) transfer: Transfer,
    pub(super) waits: Waits,
    pub(super) operator: Operator,
    pub(super) told: Told,
    pub(super) next_stream: u64,
    pub(super) next_barrier: u64,
    /// Committed but not yet flushed since this moment.
    pub(super) unflushed: Option<Instant>,
    pub(super) flushing: bool,
    pub(super) kept: (u64, u64),
    /// Unserved files whose content is not here.
    pub(super) left_out: BTreeSet<Path>,
    pub(super) refused: BTreeMap<&'static str, u64>,
    pub(super) warnings: BTreeMap<&'static str, String>,
    pub(super) stopping: bool,
    /// Whether a stop is recorded as clean, once that is known.
    pub(super) ends_cleanly: Option<bool>,
    pub(super) stopped: bool,
    pub(super) removed: bool,
}

impl Node {
    /// A node from what its store holds.
    ///
    /// # Errors
    /// [`SetupError`]: there is no cluster here, or the state cannot be read.
    pub fn new(
        setup: Setup,
        recovered: Recovered,
        mut entropy: Entropy,
        moment: Moment,
        effects: &mut Vec<Effect>,
    ) -> Result<Node, SetupError> {
        let state = State(&recovered.state);
        let stored = state.authority().ok_or(SetupError::NoCluster)?;
        let authority =
            Authority::restore(&stored).map_err(|error| SetupError::Damaged(error.to_string()))?;
        let draft = match (authority.document(), state.get(state::DRAFT)) {
            (None, Some(bytes)) => Some(
                Document::decode(&bytes).map_err(|error| SetupError::Damaged(error.to_string()))?,
            ),
            _ => None,
        };
        let id = setup.id();
        let instance = entropy.next_u64();
        let mut node = Node {
            id,
            instance,
            sequence: Sequence::restart(state.number(state::SEQUENCE)),
            heartbeats: Sequence::restart(state.number(state::HEARTBEATS)),
            tokens: state.tokens(),
            excludes: Arc::new(Excludes::none()),
            current: recovered.current,
            now: moment.now,
            wall: moment.wall,
            out: Vec::new(),
            jobs: Jobs::default(),
            peers: Peers::default(),
            serve: Serve::default(),
            dirty: Dirty::default(),
            lists: Lists::default(),
            watching: Watching::new(state.get(state::DOCROOT)),
            brake: Brake::bringing(recovered.target.map_or(0, |tree| tree.files)),
            publish: Publish::new(moment.now),
            follow: Follow::new(recovered.target, state.get(state::APPLIED), moment.now),
            transfer: Transfer::default(),
            waits: Waits::default(),
            operator: Operator::default(),
            told: Told::default(),
            next_stream: 0,
            next_barrier: 0,
            unflushed: None,
            flushing: false,
            kept: (recovered.kept_count, recovered.kept_bytes),
            left_out: recovered.left_out.into_iter().take(MAX_LEFT_OUT).collect(),
            refused: BTreeMap::new(),
            warnings: BTreeMap::new(),
            stopping: false,
            ends_cleanly: None,
            stopped: false,
            removed: false,
            setup,
            entropy,
            authority,
            draft,
        };
        node.begin(&state);
        std::mem::swap(effects, &mut node.out);
        Ok(node)
    }

    fn begin(&mut self, state: &State<'_>) {
        self.note(Note::Started { files: self.current.files });
        self.document_changed();
        let mut batch = Batch::default();
        self.begin_returning(state);
        self.begin_brake(state);
        self.begin_review(state);
        state::put(&mut batch, state::BOOT, self.setup.boot.clone());
        self.put_damage(&mut batch);
        self.put_lineage(&mut batch);
        let mut then = Vec::new();
        if self.is_origin() {
            let upper = self.sequence.reserve_next(Sequence::BLOCK);
            state::put(&mut batch, state::SEQUENCE, upper.to_be_bytes().to_vec());
            let beats = self.heartbeats.reserve_next(Sequence::BLOCK);
            state::put(&mut batch, state::HEARTBEATS, beats.to_be_bytes().to_vec());
            then.push(Then::Sequence(upper));
            then.push(Then::Heartbeats(beats));
        }
        self.persist(batch, true, then);
        self.look_at_everything();
        self.advance();
    }

    /// Takes one event; `effects` gets what is to be done about it, in order.
    pub fn handle(&mut self, moment: Moment, event: Event, effects: &mut Vec<Effect>) {
        debug_assert!(effects.is_empty(), "effects are carried out between events");
        self.now = self.now.max(moment.now);
        self.wall = moment.wall;
        self.serve.now = self.now;
        if !self.stopped {
            match self.stopping {
                true => self.dispatch_stopping(event),
                false => self.dispatch(event),
            }
            if !self.stopped {
                self.advance();
            }
            let is_stop = |effect: &Effect| matches!(effect, Effect::Stop(_));
            if self.stopped
                && let Some(last) = self.out.iter().position(is_stop)
            {
                self.out.truncate(last + 1);
            }
        }
        std::mem::swap(effects, &mut self.out);
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Tick => {}
            Event::Connected { connection, peer, dialled, .. } => {
                self.connected(connection, peer, dialled);
            }
            Event::DialFailed { peer, reason } => {
                self.peers.dial_failed(&peer, self.now, &mut self.entropy);
                self.note(Note::DialFailed { peer, reason });
            }
            Event::Disconnected { connection, reason } => self.disconnected(connection, reason),
            Event::Frame { connection, bytes } => {
                self.frame(connection, &bytes);
                self.out.push(Effect::GrantFrames { connection, frames: 1 });
            }
            Event::Opened { stream, connection, request } => {
                self.opened(stream, connection, &request);
            }
            Event::Stream { stream, event } => self.stream(stream, event),
            Event::Done { job, result } => self.done(job, result),
            Event::Hints(hints) => self.hints(hints),
            Event::Barrier { barrier, covered } => self.barrier(barrier, covered),
            Event::Command { id, command } => self.command(id, command),
            Event::Cancelled(id) => self.cancelled(id),
            Event::Settings(settings) => self.setup.settings = settings,
        }
    }

    /// The same while the node stops: what is under way comes to its end, and nothing begins.
    fn dispatch_stopping(&mut self, event: Event) {
        match event {
            Event::Done { job, result } => self.done(job, result),
            Event::Command { id, command: command @ (Command::Status | Command::Stop) } => {
                self.command(id, command);
            }
            Event::Command { id, .. } => self.answer_stopping(id),
            Event::Cancelled(id) => self.cancelled(id),
            Event::Connected { connection, .. } => {
                self.out.push(Effect::Close { connection, reason: "stopping" });
            }
            Event::Opened { stream, .. } => self.out.push(Effect::Reset { stream }),
            Event::Tick
            | Event::DialFailed { .. }
            | Event::Disconnected { .. }
            | Event::Frame { .. }
            | Event::Stream { .. }
            | Event::Hints(_)
            | Event::Barrier { .. }
            | Event::Settings(_) => {}
        }
    }

    /// Starts whatever comes next. Does nothing when nothing does.
    fn advance(&mut self) {
        if self.stopping {
            self.advance_waits();
            return self.advance_stop();
        }
        self.advance_peers();
        self.advance_heartbeat();
        self.advance_watching();
        self.expire_streams();
        match self.is_origin() {
            true => self.advance_origin(),
            false => self.advance_replica(),
        }
        self.advance_verify();
        self.advance_waits();
        self.advance_lag();
        self.advance_reports();
        self.advance_flush();
    }

    /// The next moment at which [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        if self.stopped {
            return None;
        }
        let flush = self.unflushed.filter(|_| !self.flushing).map(|since| since + FLUSH_AFTER);
        [
            self.peers.deadline(),
            self.heartbeat_deadline(),
            self.watching.deadline(),
            self.dirty.deadline(),
            self.publish.deadline(),
            self.follow.deadline(),
            self.transfer.deadline(),
            self.stream_deadline(),
            self.waits.deadline(),
            self.report_deadline(),
            flush,
        ]
        .into_iter()
        .flatten()
        // What was due already has been considered: only an event can bring it on.
        .filter(|at| *at > self.now)
        .min()
    }

    fn done(&mut self, job: JobId, result: Result<Done, JobError>) {
        let Some(purpose) = self.jobs.finish(job) else { return };
        let is_awaited = matches!(
            purpose,
            Purpose::Persist { .. }
                | Purpose::FlushDocroot
                | Purpose::Operator { .. }
                | Purpose::Verify { .. }
        );
        if self.stopping && !is_awaited {
            return;
        }
        if let Err(error) = &result {
            self.note(Note::JobFailed { reason: error.to_string() });
        }
        match purpose {
            Purpose::Observe { looks, oldest } => self.observed(looks, oldest, result),
            Purpose::HashFile { path } => self.hashed(path, result),
            Purpose::Prove { newest } => self.proved(*newest, result),
            Purpose::Walk => self.walked(result),
            Purpose::Weigh { target } => self.weighed(target, result),
            Purpose::Plan { pass } => self.planned(pass, result),
            Purpose::Apply { large, from } => self.applied(large, from, result),
            Purpose::Stage { content, step } => self.staged(content, step, result),
            Purpose::Persist { then } => self.persisted(then, result),
            Purpose::FlushDocroot => self.ends_cleanly = Some(result.is_ok()),
            Purpose::Disown => self.disowned(result),
            Purpose::TakeUp => self.took_up(result),
            Purpose::Resume => self.resumed(result),
            Purpose::MakeDelta => self.made_delta(result),
            Purpose::Serve { stream } => {
                self.serve.read(stream, result.ok(), &mut self.jobs, &mut self.out);
            }
            Purpose::Operator { command } => self.operator_done(command, result),
            Purpose::Verify { command, repair } => self.verified(command, repair, result),
            Purpose::Collect => self.collected(result),
        }
    }

    // ------------------------------------------------------------------ small things

    /// Whether this node publishes.
    pub(super) fn is_origin(&self) -> bool {
        *self.authority.origin() == self.id && !self.removed
    }

    /// The cluster document in force.
    pub(super) fn document(&self) -> Option<&Document> {
        self.authority.document().or(self.draft.as_ref())
    }

    /// A member's name, or its short identifier.
    pub(super) fn name_of(&self, id: &NodeId) -> String {
        match self.document().and_then(|document| document.member(id)) {
            Some(member) => member.name.clone(),
            None => id.short(),
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        self.out.push(Effect::Note(note));
    }

    /// Counts and names something refused.
    pub(super) fn refuse(&mut self, peer: NodeId, what: &'static str, detail: impl ToString) {
        *self.refused.entry(what).or_default() += 1;
        self.note(Note::Refused { peer, what, detail: detail.to_string() });
    }

    pub(super) fn stream_id(&mut self) -> StreamId {
        self.next_stream += 2;
        StreamId(self.next_stream)
    }

    pub(super) fn keep_left(&self) -> u64 {
        let (count, bytes) = self.kept;
        let taken = bytes.saturating_add(count.saturating_mul(KEPT_COST));
        self.setup.settings.keep_bytes.saturating_sub(taken)
    }

    /// Follows a new document: roster, excludes.
    pub(super) fn document_changed(&mut self) {
        let Some(document) = self.document().cloned() else { return };
        for connection in self.peers.follow(&document, &self.id) {
            let peer = self.peers.connections.get(&connection).map(|found| found.peer);
            let is_member = peer.is_some_and(|peer| self.peers.members.contains_key(&peer));
            let reason = match is_member {
                true => "a member from now on: connect again",
                false => "removed from the cluster",
            };
            self.out.push(Effect::Close { connection, reason });
        }
        if self.excludes.patterns() != document.excludes {
            // A published document was validated; a pattern that still fails excludes nothing.
            let excludes = Excludes::new(&document.excludes).unwrap_or_else(|_| Excludes::none());
            let first = self.excludes.patterns().is_empty() && self.publish.is_new();
            // What lies where something was excluded is looked at before it is judged.
            self.watching.reviews |= !self.is_origin() && excludes.lifts_some_of(&self.excludes);
            self.exclude(excludes, first);
        }
    }

    /// Other patterns are not mirrored from now on.
    pub(super) fn exclude(&mut self, excludes: Excludes, first: bool) {
        self.excludes = Arc::new(excludes);
        if !first {
            self.look_at_everything();
        }
    }

    // ------------------------------------------------------------------ persisting

    /// Commits state; `then` is done once it is (durable).
    pub(super) fn persist(&mut self, batch: Batch, durable: bool, then: Vec<Then>) {
        if !durable {
            self.unflushed.get_or_insert(self.now);
        }
        let job = Job::Persist(Persist { batch, durable });
        self.jobs.start(job, Purpose::Persist { then }, &mut self.out);
    }

    fn persisted(&mut self, then: Vec<Then>, result: Result<Done, JobError>) {
        if let Err(error) = result {
            // Without a store that takes what must be durable, a node may say nothing more.
            self.stopped = true;
            self.out.push(Effect::Stop(StopReason::Broken(error.to_string())));
            return;
        }
        for then in then {
            match then {
                Then::Sequence(upper) => self.sequence.made_durable(upper),
                Then::Heartbeats(upper) => self.heartbeats.made_durable(upper),
                Then::Lineage => self.lineage_stored(),
                Then::InLine(position) => self.in_line(position),
                Then::Changed(AfterChange::Nothing) => {}
                Then::Changed(AfterChange::Joined(connection)) => self.tell_joined(connection),
                Then::Changed(AfterChange::Answer(id, text)) => self.answer_done(id, text),
                Then::PushDocument => self.speak_of_document(),
                Then::Token(id, text) => self.answer(id, Answer::Token(text), true),
                Then::NewTerm => self.term_began(),
                Then::Flushed => self.flushing = false,
                Then::Stop => {
                    self.stopped = true;
                    self.out.push(Effect::Stop(StopReason::Asked));
                }
            }
        }
    }

    fn advance_flush(&mut self) {
        let due = self.unflushed.is_some_and(|since| since + FLUSH_AFTER <= self.now);
        if due && !self.flushing && !self.stopped {
            self.flushing = true;
            self.unflushed = None;
            let mut batch = Batch::default();
            // An origin that has not yet heard what it published before is as it was then.
            if !self.publish.returning.is_open() {
                let until = self.wall.0.to_be_bytes().to_vec();
                state::put(&mut batch, state::DURABLE_UNTIL, until);
            }
            self.persist(batch, true, vec![Then::Flushed]);
        }
    }

    fn advance_stop(&mut self) {
        if self.jobs.len() > 0 || self.stopped {
            return;
        }
        // What users wrote is published before the system has written it back.
        let Some(ends_cleanly) = self.ends_cleanly.or((!self.may_lose_files()).then_some(true))
        else {
            self.jobs.start(Job::FlushDocroot, Purpose::FlushDocroot, &mut self.out);
            return;
        };
        let mut batch = Batch::default();
        if ends_cleanly {
            state::remove(&mut batch, state::BOOT);
        }
        state::put(&mut batch, state::FRESHNESS, self.authority.freshness().stored());
        self.persist(batch, true, vec![Then::Stop]);
    }

    /// Whether a power cut may take what the current tree says from the docroot.
    pub(super) fn may_lose_files(&self) -> bool {
        self.is_origin() || self.setup.settings.durability == Durability::Relaxed
    }

    /// Begins a clean end.
    pub(super) fn stop(&mut self) {
        if !self.stopping {
            self.stopping = true;
            self.note(Note::Stopping {});
            self.out.push(Effect::EndJobs);
        }
    }
}

//! An origin that starts again: what did it publish before?
//!
//! Beside its first scan, and for at most a second, it waits for what the members know of its own
//! term; each says so in its hello, and whoever knows more is asked for it. A head above the block
//! of numbers this node had durably reserved, or much later than its last durable moment, proves
//! that its disk was rolled back: then every path that still is as its own last durable tree says
//! takes the published entry, and only what was edited since is published.
//!
//! A member may come later, when this node has published again. Then its head has a number that
//! this run gave to another head, or left behind. Before such a member is told anything it shows
//! its head; what that head published is taken back just the same, and what this run published
//! counts as edits. All of it is published under a number above both.
//!
//! Any other head that it does not remember left before it was durable. It is taken up: the index
//! gets what it published, and the docroot is scanned again, so that only what differs from it is
//! published, and what cannot be read stays as it was published.

use std::collections::BTreeMap;
use std::time::Duration;

use mirrormesh_gossip::{Document, Head, Instant, NodeId, SignedHead, Wall};
use mirrormesh_merkle::{Hash, Time, Tree};

use super::event::{ConnectionId, Effect};
use super::jobs::Purpose;
use super::node::Node;
use super::note::Note;
use super::publish::{AfterChange, RETURN_WAIT};
use super::state::{self, State};
use super::wire::Push;
use crate::store::{DamageBounds, Done, Durability, Job, JobError, TakeUp};

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Returning {
    /// Nothing is published before this moment, unless every member has said what it knows.
    until: Option<Instant>,
    /// Members that were asked for the head they know, and how long they may take to show it.
    asked: BTreeMap<NodeId, Instant>,
    /// Numbers at or above this were never durably reserved before the start.
    bound: u64,
    /// The last durable moment before the start, by the wall clock in nanoseconds.
    durable_until: i64,
    /// The tree of the last durable state, when the disk proved to be rolled back.
    pub(super) rolled_back: Option<Tree>,
    /// A member knows a head that this run contradicts: until the next one is published, nobody is
    /// told of the newest.
    pub(super) forked: bool,
    /// The tree of that head.
    pub(super) forgotten: Option<Tree>,
    /// Heads published since the start, by number; the last ones.
    published: BTreeMap<u64, Hash>,
    /// Document at the start.
    document: Option<Hash>,
    /// The tree at the start.
    start: Option<Tree>,
    /// A forgotten head is being taken up.
    takes_up: Option<TakingUp>,
    /// The scan after that is not over.
    rescans: bool,
    /// What a power cut may have damaged.
    pub(super) damage: Option<DamageBounds>,
}

/// Since when a forgotten head is being taken up, and when that last got on.
#[derive(Debug, Clone, Copy)]
struct TakingUp {
    since: Instant,
    got_on: Instant,
}

impl TakingUp {
    fn gives_up(&self) -> Instant {
        (self.got_on + TAKE_UP).min(self.since + TAKE_UP_MOST)
    }
}

impl Returning {
    /// Whether nothing may be published yet.
    pub(super) fn is_open(&self) -> bool {
        self.until.is_some()
            || self.rolled_back.is_some()
            || self.takes_up.is_some()
            || self.rescans
            || !self.asked.is_empty()
    }

    /// Whether a member has still to show its head, and is told of none before.
    pub(super) fn awaits(&self, peer: &NodeId) -> bool {
        self.asked.contains_key(peer)
    }

    fn first_late(&self, now: Instant) -> Option<NodeId> {
        self.asked.iter().find(|(_, until)| **until <= now).map(|(peer, _)| *peer)
    }

    /// A head was published.
    pub(super) fn published(&mut self, seq: u64, hash: Hash) {
        self.published.insert(seq, hash);
        if self.published.len() > PUBLISHED {
            self.published.pop_first();
        }
    }

    /// Whether a head under this node's key was published by a run that the disk knows nothing of.
    fn is_forgotten(&self, seq: u64, hash: Hash) -> bool {
        let first = self.published.first_key_value().map(|(first, _)| *first);
        let is_remembered = self.published.len() < PUBLISHED || first.is_some_and(|it| it <= seq);
        seq >= self.bound && is_remembered && self.published.get(&seq) != Some(&hash)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let gives_up = self.takes_up.map(|taking| taking.gives_up());
        self.asked.values().copied().chain(self.until).chain(gives_up).min()
    }
}

/// What changed so long after the last durable mark was changed without this node.
const SLACK: Duration = Duration::from_secs(10);
/// How long a member may take to show a head that it claims to know.
const ANSWER: Duration = Duration::from_secs(5);
/// A forgotten head so long after the last durable moment was not forgotten by a crash: what is
/// committed is flushed soon.
const ROLLBACK: Duration = Duration::from_secs(60);
/// So long members may show nothing more of the tree of a forgotten head.
const TAKE_UP: Duration = Duration::from_secs(10);
/// And so long it may take as a whole: members that feed it nonsense hold up no origin for ever.
const TAKE_UP_MOST: Duration = Duration::from_secs(300);
/// Files published in this time before the last durable mark are read again after a power cut.
const SUSPECT: Duration = Duration::from_secs(120);
/// So many heads of this run are told from those of a forgotten one.
const PUBLISHED: usize = 4_096;

fn time_of(nanoseconds: i64) -> Time {
    Time {
        seconds: nanoseconds.div_euclid(1_000_000_000),
        nanoseconds: nanoseconds.rem_euclid(1_000_000_000) as u32,
    }
}

impl Node {
    pub(super) fn begin_returning(&mut self, state: &State<'_>) {
        let boot = state.get(state::BOOT);
        let unclean = boot.is_some_and(|boot| boot != self.setup.boot.as_bytes());
        if !self.is_origin() {
            let relaxed = self.setup.settings.durability == Durability::Relaxed;
            self.watching.verifies = unclean && relaxed;
            return;
        }
        let returning = &mut self.publish.returning;
        returning.bound = self.sequence.durable_bound();
        returning.start = Some(self.current);
        let Some(head) = self.authority.head() else { return };
        returning.document = Some(head.document);
        let until = state.number(state::DURABLE_UNTIL) as i64;
        returning.durable_until = until;
        if unclean {
            let since = time_of(until.saturating_sub(SUSPECT.as_nanos() as i64));
            let until = time_of(until.saturating_add(SLACK.as_nanos() as i64));
            let boot = time_of(self.setup.boot_wall.0);
            returning.damage = Some(DamageBounds { since, until, boot });
        }
        if !self.peers.members.is_empty() {
            returning.until = Some(self.now + RETURN_WAIT);
        }
    }

    /// Ends the wait when its time is over or every member has spoken.
    pub(super) fn advance_returning(&mut self) {
        let now = self.now;
        while let Some(late) = self.publish.returning.first_late(now) {
            self.publish.returning.asked.remove(&late);
            if let Some(peer) = self.peers.members.get_mut(&late) {
                peer.spoken = true;
            }
        }
        let Some(until) = self.publish.returning.until else { return };
        let all = self.peers.members.values().all(|peer| peer.primary.is_some());
        let asking =
            self.follow.newest_offer().is_some() || !self.publish.returning.asked.is_empty();
        if until <= now || all && !asking {
            self.publish.returning.until = None;
        }
    }

    /// A member says which head it knows. Returns whether it must show that head before it is told
    /// anything.
    pub(super) fn must_show(&mut self, peer: NodeId, theirs: (u64, u64)) -> bool {
        let own = self.authority.head().map_or((0, 0), Head::position);
        let bound = (self.authority.term().epoch, self.publish.returning.bound);
        let Some(found) = self.peers.members.get_mut(&peer).filter(|found| !found.spoken) else {
            return false;
        };
        found.spoken = theirs <= own && theirs < bound;
        if !found.spoken {
            self.publish.returning.asked.entry(peer).or_insert(self.now + ANSWER);
        }
        !found.spoken
    }

    /// A member that was asked for it shows its head. Returns whether no more is to be done with
    /// it: it is no newer than the newest.
    pub(super) fn showed_head(
        &mut self,
        connection: ConnectionId,
        peer: NodeId,
        signed: &SignedHead,
        push: &Push,
    ) -> bool {
        if self.publish.returning.asked.remove(&peer).is_none() {
            return false;
        }
        if let Some(found) = self.peers.members.get_mut(&peer) {
            found.spoken = true;
        }
        let head = self.authority.signed_in_term(signed);
        let Some(head) = head.filter(|head| self.is_below_newest(head)) else { return false };
        if self.publish.returning.is_forgotten(head.seq, signed.hash()) {
            self.publish.returning.forked = true;
            self.was_rolled_back(head.seq);
            self.take_forgotten_document(&head, push);
            self.offer(peer, signed.clone(), head, push.clone());
        } else if let Some(bytes) = self.newest_push() {
            self.out.push(Effect::Frame { connection, bytes });
        }
        true
    }

    /// Whether a head of this term has no higher number than the newest.
    pub(super) fn is_below_newest(&self, head: &Head) -> bool {
        self.authority.head().is_some_and(|newest| head.position() <= newest.position())
    }

    /// The document of a forgotten head is published again, unless it was changed since.
    fn take_forgotten_document(&mut self, head: &Head, push: &Push) {
        let own = self.authority.head().map(|head| head.document);
        if own == Some(head.document) {
            return;
        }
        let bytes =
            push.document.as_ref().filter(|bytes| Document::hash_of(bytes) == head.document);
        let document = bytes.and_then(|bytes| Document::decode(bytes).ok());
        if own == self.publish.returning.document
            && let (Some(mut draft), Some(own)) = (document, self.document_draft())
        {
            draft.version = own.version;
            own.revoked.iter().for_each(|key| draft.revoke(*key));
            self.change_document(draft, AfterChange::Nothing);
        } else {
            self.warnings.insert(
                "forgotten-document",
                "this node's state was rolled back, and the cluster document was changed before \
                 and after: check `mirrormesh config show` and the members"
                    .into(),
            );
        }
    }

    /// The tree of a head that this run contradicts is proved: its entries are taken back.
    pub(super) fn accept_forgotten(&mut self, head: &Head, tree: Tree) {
        self.follow.drop_offers(head.position());
        self.follow.walk_needed = false;
        self.publish.returning.forgotten = Some(tree);
        self.keep_root(tree.root);
        self.transfer.target_changed(tree, None, self.current.root, self.now);
    }

    /// A head of this origin's own term that it does not know. Published by an earlier run.
    pub(super) fn own_newer_head(
        &mut self,
        from: NodeId,
        signed: SignedHead,
        head: Head,
        push: Push,
    ) {
        self.sequence.raise_above(head.seq);
        let durable_until = Wall(self.publish.returning.durable_until);
        let is_late = head.time.0 > durable_until.after(ROLLBACK).0;
        if head.seq < self.publish.returning.bound && !is_late {
            // From the block this node had reserved: it was not yet durable when the end came.
            self.publish
                .returning
                .takes_up
                .get_or_insert(TakingUp { since: self.now, got_on: self.now });
            return self.offer(from, signed, head, push);
        }
        self.was_rolled_back(head.seq);
        self.publish.returning.forgotten = None;
        self.offer(from, signed, head, push);
    }

    /// A head that this node's disk knows nothing of proves that the disk was rolled back.
    fn was_rolled_back(&mut self, seq: u64) {
        if self.publish.returning.rolled_back.is_some() {
            return;
        }
        self.note(Note::RolledBack { seq });
        // Those of heartbeats are known to nobody who would tell: a clock has gone beyond them.
        self.heartbeats.raise_above(self.wall.0.max(0) as u64 / 1_000_000_000);
        let start = self.publish.returning.start.unwrap_or(self.current);
        self.publish.returning.rolled_back = Some(start);
        self.warnings.insert(
            "rolled-back",
            format!("this node's state was rolled back: head {seq} is known elsewhere"),
        );
    }

    /// More of what a forgotten head published is here.
    pub(super) fn take_up_got_on(&mut self) {
        if let Some(taking) = &mut self.publish.returning.takes_up {
            taking.got_on = self.now;
        }
    }

    /// Follows the newest head of the own term. After a rollback, every path that was not edited is
    /// brought in line with it; else it is taken up.
    pub(super) fn advance_unremembered(&mut self) {
        let returning = &mut self.publish.returning;
        if returning.rescans && self.watching.scanned {
            returning.rescans = false;
            returning.damage = None;
        }
        if returning.rolled_back.is_none() && returning.takes_up.is_none() {
            return;
        }
        if returning.takes_up.is_some_and(|taking| taking.gives_up() <= self.now)
            && !self.jobs.is_busy()
            && returning.rolled_back.is_none()
        {
            // Nobody shows its tree: what the docroot holds is published, as of any origin alone.
            returning.takes_up = None;
            return self.follow.forget_offers();
        }
        self.advance_follow();
        if self.follow.newest_offer().is_some() {
            return;
        }
        if self.publish.returning.rolled_back.is_none() {
            self.take_up();
        } else if self.watching.scanned {
            self.advance_transfer();
        }
    }

    fn take_up(&mut self) {
        let Some(published) = self.published_tree().filter(|_| !self.jobs.is_busy()) else {
            return;
        };
        let before = std::mem::take(&mut self.follow.before);
        self.persist(before, false, Vec::new());
        let job = Job::TakeUp(TakeUp { current: self.current, published });
        self.jobs.start(job, Purpose::TakeUp, &mut self.out);
    }

    pub(super) fn took_up(&mut self, result: Result<Done, JobError>) {
        if let Ok(Done::TakeUp(tree)) = result {
            self.current = tree;
            self.unflushed.get_or_insert(self.now);
        }
        if let Some((seq, files)) = self.authority.head().map(|head| (head.seq, head.files)) {
            self.note(Note::TakenUp { seq });
            self.brake.remember(self.now, files);
        }
        self.publish.returning.takes_up = None;
        self.publish.returning.rescans = true;
        self.watching.begin_again();
        self.look_at_everything();
    }

    /// The pass that takes published entries back after a rollback is over.
    pub(super) fn rollback_settled(&mut self) {
        self.publish.returning.rolled_back = None;
        self.publish.returning.forgotten = None;
        self.publish.returning.takes_up = None;
        self.warnings.remove("rolled-back");
    }
}

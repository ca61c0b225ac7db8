//! The origin's side: from the current tree to a signed head, and heartbeats.
//!
//! State: what the next head needs beyond the current tree. The published tree is that of the
//! newest head; whatever the current tree differs from it is published next, unless the brake
//! holds, the first scan is not finished, or this origin has just returned and does not know yet
//! what it published before.
//!
//! Persist before speak: sequence numbers are reserved durably in blocks; a head that changes only
//! the tree may leave before it is durable itself, one that changes the document may not.

use std::collections::VecDeque;

use bytes::Bytes;
use mirrormesh_gossip::{Document, Heartbeat, Instant, Publish as NewHead, Sequence};
use mirrormesh_merkle::{Hash, Tree, delta_hash};

use super::command::CommandId;
use super::event::{ConnectionId, Effect};
use super::jobs::{Purpose, Then};
use super::node::Node;
use super::note::Note;
use super::regain::Regaining;
use super::returning::Returning;
use super::review::Review;
use super::state;
use super::wire::{Frame, HeartbeatFrame, InlineContent, Push};
use crate::store::journal::journal_append;
use crate::store::{Batch, Collect, Done, Inline, Job, JobError, MakeDelta, Observed};

/// Changes of the document that wait.
const MAX_CHANGES: usize = 256;
/// Old tree nodes are removed after about this many heads.
const COLLECT_AFTER: u64 = 20_000;
/// Roots that stay for peers in the middle of a walk.
const KEPT_ROOTS: usize = 8;

/// What a change of the document is for.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) document: Document,
    pub(super) then: AfterChange,
    /// The secret of the join token that this change uses up: both are stored together, lest a
    /// crash leaves a used token and no member.
    pub(super) redeems: Option<[u8; 16]>,
}

/// Who is told when a change of the document is durable.
#[derive(Debug)]
pub(super) enum AfterChange {
    /// Nobody.
    Nothing,
    /// A stranger that is a member now.
    Joined(ConnectionId),
    /// An operator.
    Answer(CommandId, String),
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Publish {
    /// The delta that leads from the published to the current tree, when it is known.
    delta: Option<(Hash, Hash, Bytes)>,
    inline: Vec<Inline>,
    /// The delta to the current tree was asked for, or cannot be made.
    made: Option<Hash>,
    changes: u64,
    next_heartbeat: Instant,
    pub(super) document_changes: VecDeque<Change>,
    /// See [`Node::has_caught_up`].
    caught_up: bool,
    /// The docroot is looked through for a document that excludes otherwise than the published one,
    /// or was when the last run ended.
    pub(super) review: Option<Review>,
    /// A head that changes the document is being made durable: nobody hears of it before.
    pub(super) unspoken: bool,
    pub(super) returning: Returning,
    recent_roots: VecDeque<Hash>,
    heads: u64,
    collected_at: u64,
    new: bool,
}

impl Publish {
    pub(super) fn new(now: Instant) -> Publish {
        Publish {
            delta: None,
            inline: Vec::new(),
            made: None,
            changes: 0,
            next_heartbeat: now,
            document_changes: VecDeque::new(),
            caught_up: false,
            review: None,
            unspoken: false,
            returning: Returning::default(),
            recent_roots: VecDeque::new(),
            heads: 0,
            collected_at: 0,
            new: true,
        }
    }

    /// Whether nothing has been observed since the start.
    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.returning.deadline()
    }

    /// See [`Node::has_caught_up`].
    pub(super) fn forget_caught_up(&mut self) {
        self.caught_up = false;
    }
}

impl Node {
    /// The tree of the newest head.
    pub(super) fn published_tree(&self) -> Option<Tree> {
        self.authority.head().map(|head| Tree {
            root: head.root,
            files: head.files,
            bytes: head.bytes,
        })
    }

    pub(super) fn advance_origin(&mut self) {
        self.reserve_numbers();
        self.advance_returning();
        self.advance_joins();
        self.advance_damage();
        self.advance_regaining();
        if self.transfer.takes_back() {
            self.advance_transfer();
        }
        self.publish_next();
        // Looking goes first: what is found meanwhile goes into the next head.
        if !self.observe_next() {
            self.collect_garbage();
        }
    }

    /// An Observe found something: `base` is the current tree before it.
    pub(super) fn observed_on_origin(&mut self, base: Tree, observed: Observed) {
        self.publish.new = false;
        if let Some(review) = &mut self.publish.review {
            review.excluded += observed.excluded;
        }
        if observed.changes == 0 {
            return;
        }
        self.publish.changes += observed.changes;
        let published = self.published_tree().map(|tree| tree.root);
        match observed.delta {
            Some(delta) if published == Some(base.root) => {
                self.publish.delta = Some((base.root, observed.tree.root, delta));
                self.publish.inline = observed.inline;
            }
            _ => {
                self.publish.delta = None;
                self.publish.inline.clear();
            }
        }
    }

    /// Publishes what is to be published: a change of the document, or of the tree.
    pub(super) fn publish_next(&mut self) {
        self.remember_what_stands();
        self.publish_tree_next();
        self.publish.caught_up |= self.has_caught_up();
        while self.may_sign()
            && self.publish.caught_up
            && !self.publish.unspoken
            && !self.publish.returning.forked
            && !self.publish.document_changes.is_empty()
            && self.may_change_document()
            && self.guards_lineage()
            && self.may_sign()
            && let Some(change) = self.publish.document_changes.pop_front()
        {
            self.publish_document(change);
        }
    }

    /// Whether the published tree is no older than what was published before this start: heads may
    /// have left that were not durable, and a document over the tree of an earlier one would take
    /// everybody back to that.
    fn has_caught_up(&self) -> bool {
        let Some(published) = self.published_tree() else { return true };
        let returning = &self.publish.returning;
        if returning.regains.as_ref().is_some_and(Regaining::is_published) {
            return true;
        }
        let is_published = self.watching.scanned && published.root == self.current.root;
        !returning.is_open() && (is_published || self.brake.holds())
    }

    fn publish_tree_next(&mut self) {
        if self.brake.holds_lost() && (self.regains_entries() || self.transfer.takes_back()) {
            // What is taken back waits for a hold, too, and that ends when the files are back.
            let _ = self.brake_lets_publish(self.current.files);
        }
        if !self.may_sign() || self.publish.returning.is_open() || self.transfer.takes_back() {
            return;
        }
        if self.publish.unspoken || self.is_reviewing() {
            return;
        }
        let published = self.published_tree();
        let forked = self.publish.returning.forked;
        let same = published.map(|tree| tree.root) == Some(self.current.root);
        if same && !self.brake.confirmed && !forked {
            // What was missing is back: a hold over lost files ends by itself.
            let _ = self.brake_lets_publish(self.current.files);
            return;
        }
        if published.is_none() && (!self.watching.scanned || self.watching.is_scanning()) {
            return;
        }
        if self.watching.docroot.is_none()
            || self.watching.switched
            || !self.brake_lets_publish(self.current.files)
        {
            return;
        }
        if !self.guards_lineage() || !self.may_sign() {
            return;
        }
        let Some(published) = published else { return self.publish_tree(None) };
        if let Some(delta) = self.delta_from(published) {
            self.publish_tree(delta);
        }
    }

    /// The delta from the published to the current tree, or that there is none; else it is asked
    /// for.
    pub(super) fn delta_from(&mut self, published: Tree) -> Option<Option<Bytes>> {
        match self.publish.delta.take() {
            Some((from, to, delta)) if from == published.root && to == self.current.root => {
                Some(Some(delta))
            }
            _ if self.publish.made == Some(self.current.root) => Some(None),
            _ if self.jobs.is_busy() => None,
            _ => {
                self.publish.inline.clear();
                self.publish.made = Some(self.current.root);
                let job = Job::MakeDelta(MakeDelta { base: published, target: self.current });
                self.jobs.start(job, Purpose::MakeDelta, &mut self.out);
                None
            }
        }
    }

    fn may_sign(&self) -> bool {
        self.sequence.remaining() > 0 && self.authority.equivocation().is_none() && !self.stopping
    }

    pub(super) fn made_delta(&mut self, result: Result<Done, JobError>) {
        let Ok(Done::MakeDelta(made)) = result else { return };
        let published = self.published_tree().map_or(Hash::ZERO, |tree| tree.root);
        if self.publish.made == Some(self.current.root) {
            self.publish.delta = made.delta.map(|delta| (published, self.current.root, delta));
        }
    }

    fn publish_tree(&mut self, delta: Option<Bytes>) {
        let changes = std::mem::take(&mut self.publish.changes);
        let inline = std::mem::take(&mut self.publish.inline);
        let confirms_drop = std::mem::take(&mut self.brake.confirmed);
        let tree = self.current;
        let draft = self.draft.clone();
        let Some((push, mut batch)) = self.sign(tree, delta, draft, confirms_drop) else { return };
        self.publish.returning.forked = false;
        self.brake.publishes(self.now, tree.files);
        self.remember_what_stands();
        self.brake.put(&mut batch, self.wall);
        self.push_to_all(push, inline);
        let first = self.draft.take().is_some();
        self.persist(batch, first, Vec::new());
        if let Some(head) = self.authority.head() {
            let (seq, root) = (head.seq, head.root);
            self.note(Note::Published { seq, root, changes });
        }
    }

    /// Publishes a change of the document over the tree that is published already, or, if it
    /// excludes otherwise, with the tree that was looked through for it. Nobody hears of it before
    /// it is durable.
    fn publish_document(&mut self, change: Change) {
        let Change { document, then, redeems } = change;
        let version = document.version;
        let Some(tree) = self.published_tree() else {
            // No head yet: the document is the one of the first.
            let mut batch = Batch::default();
            state::put(&mut batch, state::DRAFT, document.encode());
            self.draft = Some(document);
            self.document_changed();
            return self.persist(batch, true, vec![Then::Changed(then)]);
        };
        let (tree, delta) = match self.publish.review.as_mut().and_then(|it| it.delta.take()) {
            Some(delta) => (self.current, delta),
            None => (tree, None),
        };
        let Some((_, mut batch)) = self.sign(tree, delta, Some(document), false) else {
            return self.refuse_change(then, "the document could not be published", "see the log");
        };
        self.note(Note::DocumentChanged { version });
        self.review_ended(&mut batch);
        if let Some(secret) = redeems {
            // It was judged when it was shown.
            let _ = self.tokens.redeem(self.wall, &secret);
            self.put_tokens(&mut batch);
        }
        self.publish.unspoken = true;
        self.persist(batch, true, vec![Then::PushDocument, Then::Changed(then)]);
    }

    fn refuse_change(&mut self, then: AfterChange, message: &str, hint: &str) {
        match then {
            AfterChange::Nothing => {}
            AfterChange::Joined(connection) => self.refuse_join(connection, message),
            AfterChange::Answer(id, _) => self.answer_refused(id, 1, message, hint),
        }
    }

    /// What waits would change a document that is not in force any more.
    pub(super) fn refuse_changes(&mut self) {
        for change in std::mem::take(&mut self.publish.document_changes) {
            let message = "the document of a forgotten head came back meanwhile";
            self.refuse_change(change.then, message, "look at it, and try again");
        }
    }

    /// Signs and takes a head; returns the push without contents, and what is to be stored.
    fn sign(
        &mut self,
        tree: Tree,
        delta: Option<Bytes>,
        document: Option<Document>,
        confirms_drop: bool,
    ) -> Option<(Push, Batch)> {
        let before = self.published_tree();
        let epoch = self.authority.term().epoch;
        let has_document = document.is_some();
        let new = NewHead {
            root: tree.root,
            files: tree.files,
            bytes: tree.bytes,
            delta: delta.as_ref().map_or(Hash::ZERO, |delta| delta_hash(delta)),
            document,
            confirms_drop,
            flags: 0,
            wall: self.wall,
        };
        let publication = match self.authority.publish(&self.setup.secret, new, &mut self.sequence)
        {
            Ok(publication) => publication,
            Err(error) => {
                self.note(Note::JobFailed { reason: format!("nothing was published: {error}") });
                return None;
            }
        };
        let mut batch = Batch::default();
        state::put_persist(&mut batch, publication.persist, epoch);
        state::put(&mut batch, state::APPLIED, Bytes::from(publication.signed.encode()));
        let head = Bytes::from(publication.signed.encode());
        let from = before.map_or(Tree::empty().root, |tree| tree.root);
        let position = publication.head.position();
        journal_append(&mut batch, position, from, tree.root, head.clone(), delta.clone());
        self.keep_root(tree.root);
        if has_document {
            state::remove(&mut batch, state::DRAFT);
        }
        self.follow.applied = Some(publication.head.clone());
        self.follow.tried = Some(publication.head.position());
        if has_document {
            self.document_changed();
        }
        let push = Push {
            head: head.to_vec().into(),
            document: None,
            delta: delta.map(|delta| delta.to_vec().into()),
            inline: Vec::new(),
        };
        Some((push, batch))
    }

    /// A head's tree stays for a while, for peers in the middle of a walk.
    pub(super) fn keep_root(&mut self, root: Hash) {
        self.publish.heads += 1;
        self.publish.recent_roots.push_back(root);
        if self.publish.recent_roots.len() > KEPT_ROOTS {
            self.publish.recent_roots.pop_front();
        }
    }

    /// Sends a new head to every member that is connected.
    fn push_to_all(&mut self, mut push: Push, inline: Vec<Inline>) {
        push.inline = inline
            .into_iter()
            .map(|inline| InlineContent {
                content: (*inline.content.as_bytes()).into(),
                bytes: inline.bytes.to_vec().into(),
            })
            .collect();
        let document = self.authority.head().map(|head| head.document);
        let bytes = self.authority.document_bytes().cloned();
        let plain = Frame::Push(push.clone()).encode();
        push.document = bytes.map(|bytes| bytes.to_vec().into());
        let mut whole = None;
        for (peer, connection, known) in self.peers.live_documents(document) {
            if self.publish.returning.awaits(&peer) {
                continue;
            }
            let bytes = match known {
                true => plain.clone(),
                false => whole.get_or_insert_with(|| Frame::Push(push.clone()).encode()).clone(),
            };
            self.out.push(Effect::Frame { connection, bytes });
        }
    }

    /// The newest head with its document, without a delta; nothing while it may not be spoken of.
    pub(super) fn newest_push(&self) -> Option<Bytes> {
        if self.publish.unspoken || self.publish.returning.forked {
            return None;
        }
        let signed = self.authority.signed_head()?;
        let document = self.authority.document_bytes()?;
        let push = Push {
            head: signed.encode().into(),
            document: Some(document.to_vec().into()),
            delta: None,
            inline: Vec::new(),
        };
        Some(Frame::Push(push).encode())
    }

    /// A changed document is durable: everybody may hear of it.
    pub(super) fn speak_of_document(&mut self) {
        self.publish.unspoken = false;
        self.push_newest_to_all();
    }

    fn push_newest_to_all(&mut self) {
        let Some(bytes) = self.newest_push() else { return };
        let document = self.authority.head().map(|head| head.document);
        for (peer, connection, _) in self.peers.live_documents(document) {
            if self.publish.returning.awaits(&peer) {
                continue;
            }
            self.out.push(Effect::Frame { connection, bytes: bytes.clone() });
        }
    }

    /// Wants a change of the document published. `false`: too many wait.
    pub(super) fn change_document(&mut self, document: Document, then: AfterChange) -> bool {
        if self.publish.document_changes.len() >= MAX_CHANGES {
            return false;
        }
        self.publish.document_changes.push_back(Change { document, then, redeems: None });
        true
    }

    /// The document that a change begins with: the newest that is published or about to be.
    pub(super) fn document_draft(&self) -> Option<Document> {
        match self.publish.document_changes.back() {
            Some(change) => Some(change.document.draft()),
            None => match &self.draft {
                Some(draft) => Some(draft.clone()),
                None => self.authority.document_draft(),
            },
        }
    }

    fn reserve_numbers(&mut self) {
        for (name, heartbeats) in [(state::SEQUENCE, false), (state::HEARTBEATS, true)] {
            let sequence = if heartbeats { &mut self.heartbeats } else { &mut self.sequence };
            if !sequence.wants_block() {
                continue;
            }
            let upper = sequence.reserve_next(Sequence::BLOCK);
            let mut batch = Batch::default();
            state::put(&mut batch, name, upper.to_be_bytes().to_vec());
            let then = if heartbeats { Then::Heartbeats(upper) } else { Then::Sequence(upper) };
            self.persist(batch, true, vec![then]);
        }
    }

    // ------------------------------------------------------------------ heartbeats

    pub(super) fn heartbeat_deadline(&self) -> Option<Instant> {
        (self.is_origin() && self.heartbeats.remaining() > 0).then_some(self.publish.next_heartbeat)
    }

    /// Somebody has just come who has not heard this origin yet.
    pub(super) fn hurry_heartbeat(&mut self) {
        self.publish.next_heartbeat = self.now;
    }

    /// Whether the nodes of a root are held.
    pub(super) fn holds_root(&self, root: Hash) -> bool {
        root == self.current.root
            || self.publish.recent_roots.contains(&root)
            || self.published_tree().is_some_and(|tree| tree.root == root)
    }

    pub(super) fn advance_heartbeat(&mut self) {
        if !self.is_origin() || self.publish.next_heartbeat > self.now || self.stopping {
            return;
        }
        let Some(number) = self.heartbeats.next() else { return };
        self.publish.next_heartbeat = self.now + Heartbeat::INTERVAL;
        let Ok(signed) = self.authority.heartbeat(&self.setup.secret, number, self.wall) else {
            return;
        };
        // The origin hears itself: it is fresh by definition of its own term.
        let _ = self.authority.consider_heartbeat(self.now, &signed);
        let frame = Frame::Heartbeat(HeartbeatFrame { heartbeat: signed.encode().into() });
        let bytes = frame.encode();
        for (_, connection) in self.peers.live() {
            self.out.push(Effect::Frame { connection, bytes: bytes.clone() });
        }
        self.send_rows();
    }

    /// A new term has begun, durably: the first head of it is published at once.
    pub(super) fn term_began(&mut self) {
        if let (true, Some(tree)) = (self.is_origin(), self.published_tree())
            && let Some((push, batch)) = self.sign(tree, None, None, false)
        {
            self.persist(batch, false, Vec::new());
            self.push_to_all(push, Vec::new());
        }
    }

    /// An origin that contradicted itself begins a new term where policy allows.
    pub(super) fn renew_term(&mut self) {
        if !self.is_origin() || self.authority.equivocation().is_none() {
            return;
        }
        let epoch = self.authority.term().epoch;
        if let Ok((_, persist)) =
            self.authority.renew_after_equivocation(&self.setup.secret, self.wall)
        {
            let mut batch = Batch::default();
            state::put_persist(&mut batch, persist, epoch);
            self.warnings.remove("equivocation");
            self.persist(batch, true, vec![Then::NewTerm]);
        }
    }

    // ------------------------------------------------------------------ old nodes

    pub(super) fn collect_garbage(&mut self) {
        let due = self.publish.heads >= self.publish.collected_at + COLLECT_AFTER;
        let follows = self.follow.newest_offer().is_some();
        if !due || follows || self.transfer.is_active() || self.jobs.len() > 0 {
            return;
        }
        self.publish.collected_at = self.publish.heads;
        self.start_collect();
    }

    /// Removes tree nodes that no root in use needs.
    pub(super) fn start_collect(&mut self) {
        let mut roots: Vec<Hash> = self.publish.recent_roots.iter().copied().collect();
        roots.push(self.current.root);
        roots.extend(self.publish.returning.roots_in_use());
        roots.extend(self.follow.target.map(|tree| tree.root));
        roots.extend(self.published_tree().map(|tree| tree.root));
        roots.extend(self.equalled_tree().map(|tree| tree.root));
        self.jobs.start(Job::Collect(Collect { roots }), Purpose::Collect, &mut self.out);
    }

    pub(super) fn collected(&mut self, result: Result<Done, JobError>) {
        if let Ok(Done::Collect(collected)) = result {
            self.note(Note::Collected { live: collected.live, removed: collected.removed });
        }
    }
}

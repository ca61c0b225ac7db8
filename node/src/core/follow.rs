//! A replica's way from a head it hears of to a proved target tree.
//!
//! Three ways, cheapest first: deltas that came with the heads; the difference since the tree this
//! node has, from a peer's journal; the walk through a peer's tree. Whichever way, the target is
//! believed only when its root is the signed one. A head whose root is at hand needs no way at all.
//!
//! State: offers, consecutive heads above the target, oldest first; at most one question to a peer;
//! the proved target. Offers are bounded in number and bytes: beyond that their deltas are dropped
//! and the journal is asked.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use mirrormesh_gossip::{Document, Head, HeadVerdict, Instant, NodeId, Refusal, SignedHead};
use mirrormesh_merkle::{Hash, Tree, Walk};

use super::event::{ConnectionId, Effect};
use super::jobs::{Purpose, Then};
use super::node::Node;
use super::note::Note;
use super::state;
use super::wire::{AskHead, Frame, Push};
use crate::store::{Batch, Done, Inline, Job, JobError, Parcel, Prove, Table};

mod question;

use question::Question;

/// Most offers with deltas that wait.
const MAX_OFFERS: usize = 256;
/// Most bytes of their deltas and contents.
const MAX_OFFER_BYTES: usize = 8 * 1024 * 1024;
/// Documents that are kept until their head is accepted.
const MAX_DOCUMENTS: usize = 4;
/// How far above the head that is known one may be that the origin did not tell itself. An origin
/// that publishes without having heard every member leaves out more numbers than that, unless its
/// clock was set back.
const MAX_RELAYED: u64 = 4_096;
/// Most deltas of one proof.
const MAX_CHAIN: usize = 64;
/// Wait after a proof that the disk did not let be made.
const PROVE_AGAIN: Duration = Duration::from_secs(1);

/// A head above the target.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) signed: SignedHead,
    pub(super) head: Head,
    delta: Option<Bytes>,
    inline: Vec<Inline>,
    heard: Instant,
    from: NodeId,
}

/// What a replica follows.
#[derive(Debug, Default)]
pub(super) struct Follow {
    offers: VecDeque<Offer>,
    offer_bytes: usize,
    /// The last documents that came with heads.
    documents: VecDeque<(Hash, Bytes)>,
    question: Option<Question>,
    /// The walk under way is for this head.
    walking: Option<SignedHead>,
    /// Who gave what is being proved.
    source: Option<NodeId>,
    /// Deltas a journal gave, and the head they lead to.
    journal: Option<(SignedHead, Vec<Bytes>)>,
    /// No journal reaches from here: only a walk helps.
    pub(super) walk_needed: bool,
    ask_at: Option<Instant>,
    /// The store could not take a proof: it is made again at this moment.
    prove_at: Option<Instant>,
    /// The tree of the newest accepted head.
    pub(super) target: Option<Tree>,
    /// The head whose root the docroot last equalled.
    pub(super) applied: Option<Head>,
    /// The newest head that the docroot was brought in line with, but for paths in error.
    pub(super) tried: Option<(u64, u64)>,
    /// The docroot equals the newest head, and that is durable.
    pub(super) in_line: bool,
    /// The news that it does is being made durable.
    settling: bool,
    /// State to be made durable before anything of the target becomes visible.
    pub(super) before: Batch,
    /// An answer to a walk that came while another job was busy.
    pending_walk: Option<(Box<Walk>, Vec<Bytes>)>,
    /// Since when this node knows of something it has not applied, or has not been in sync for
    /// another reason.
    pub(super) behind_since: Option<Instant>,
    /// Whether it has been in sync since its start: before that nobody knows how old that is which
    /// it lacks.
    pub(super) lag_known: bool,
    /// Nodes held of a walk, for progress.
    pub(super) walked_nodes: u64,
}

impl Follow {
    pub(super) fn new(target: Option<Tree>, applied: Option<Bytes>, now: Instant) -> Follow {
        let applied = applied.and_then(|bytes| SignedHead::decode(&bytes).ok()?.peek().ok());
        Follow { target, applied, behind_since: Some(now), ..Follow::default() }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ask_at.into_iter().chain(self.prove_at).min()
    }

    /// The newest head heard of, whether proved or not.
    pub(super) fn newest_offer(&self) -> Option<&Head> {
        self.offers.back().map(|offer| &offer.head)
    }

    /// Keeps a document that came with a head until that head's tree is proved.
    fn remember_document(&mut self, bytes: &[u8]) {
        if bytes.len() > Document::MAX_ENCODED {
            return;
        }
        let hash = Document::hash_of(bytes);
        if self.documents.iter().all(|(known, _)| *known != hash) {
            self.documents.push_back((hash, Bytes::copy_from_slice(bytes)));
        }
        if self.documents.len() > MAX_DOCUMENTS {
            self.documents.pop_front();
        }
    }

    fn document_of(&self, head: &Head) -> Option<Bytes> {
        let found = self.documents.iter().find(|(hash, _)| *hash == head.document);
        found.map(|(_, bytes)| bytes.clone())
    }

    /// Follows nothing any more.
    pub(super) fn forget_offers(&mut self) {
        self.clear_offers();
        self.journal = None;
        self.pending_walk = None;
        self.walking = None;
    }

    fn clear_offers(&mut self) {
        self.offers.clear();
        self.offer_bytes = 0;
    }

    /// Drops what came with the offers; their heads stay.
    fn drop_deltas(&mut self) {
        for offer in &mut self.offers {
            offer.delta = None;
            offer.inline.clear();
        }
        self.offer_bytes = 0;
    }

    /// Drops offers up to a position.
    pub(super) fn drop_offers(&mut self, up_to: (u64, u64)) {
        while self.offers.front().is_some_and(|offer| offer.head.position() <= up_to) {
            if let Some(offer) = self.offers.pop_front() {
                self.offer_bytes -= offer.size();
            }
        }
    }
}

impl Offer {
    fn size(&self) -> usize {
        let inline: usize = self.inline.iter().map(|inline| inline.bytes.len()).sum();
        self.delta.as_ref().map_or(0, Bytes::len) + inline
    }
}

impl Node {
    /// A head came from a peer.
    pub(super) fn push_came(&mut self, connection: ConnectionId, peer: NodeId, push: Push) {
        let signed = match SignedHead::decode(&push.head) {
            Ok(signed) => signed,
            Err(error) => return self.refuse(peer, "malformed-head", error),
        };
        if self.is_origin() && self.showed_head(connection, peer, &signed, &push) {
            return;
        }
        let document = push.document.as_ref().map(|document| &document[..]);
        match self.authority.consider_head(&signed, document) {
            Ok(HeadVerdict::Known) => {}
            Ok(HeadVerdict::Newer(head)) => {
                // Only now: what came with a head that is not proved would crowd out what did.
                if let Some(bytes) = document {
                    self.follow.remember_document(bytes);
                }
                // The document is the one that the proven head names: it needs no tree.
                let document = document.and_then(|bytes| Document::decode(bytes).ok());
                if document.is_some_and(|document| document.revokes(&self.id)) {
                    self.was_removed();
                } else if self.is_origin() {
                    self.own_newer_head(peer, signed, head, push);
                } else if self.is_told_by_the_origin(peer, &head) {
                    self.offer(peer, signed, head, push);
                } else {
                    let text = format!(
                        "{} knows head {}, far above what is known here: it is followed when the \
                         origin is heard",
                        self.name_of(&peer),
                        head.seq
                    );
                    self.warnings.insert("later-run", text);
                }
            }
            Ok(HeadVerdict::NeedDocument(_)) => self.ask_head(connection, 0),
            Ok(HeadVerdict::NeedProof(epoch)) => self.ask_head(connection, epoch),
            Err(Refusal::Equivocation(proof)) => self.contradicted(connection, peer, &proof),
            Err(Refusal::BelowFence) => {
                // A peer that is behind is told what is newer; it is no offence.
                *self.refused.entry("old-head").or_default() += 1;
            }
            Err(refusal) => self.refuse(peer, refusal_name(&refusal), refusal),
        }
    }

    /// Whether a newer head may be followed. One that is far above what is known may be of an
    /// origin that forgot what this node knows: the origin must see that first, and may need what
    /// lies here. It tells of its newest head itself.
    fn is_told_by_the_origin(&self, peer: NodeId, head: &Head) -> bool {
        let origin = self.authority.origin();
        let known = self.follow.newest_offer().or(self.authority.head());
        let known = known.filter(|known| known.epoch == head.epoch);
        peer == *origin
            || known.is_none_or(|known| head.seq.saturating_sub(known.seq) <= MAX_RELAYED)
    }

    /// Asks for the newest head with its document and, from an epoch on, its proof.
    pub(super) fn ask_head(&mut self, connection: ConnectionId, proof_from: u64) {
        let frame = Frame::AskHead(AskHead { proof_from });
        self.out.push(Effect::Frame { connection, bytes: frame.encode() });
    }

    pub(super) fn offer(&mut self, from: NodeId, signed: SignedHead, head: Head, push: Push) {
        let newest = self.follow.newest_offer().map(Head::position);
        if newest.is_some_and(|newest| newest >= head.position()) {
            return;
        }
        self.note(Note::HeadHeard { seq: head.seq });
        let before = match self.follow.offers.back() {
            Some(offer) => Some(offer.signed.hash()),
            None => self.authority.head_hash(),
        };
        let consecutive = before == Some(head.previous);
        let inline = push
            .inline
            .into_iter()
            .map(|inline| Inline {
                content: Hash::from_bytes(*inline.content),
                bytes: Bytes::from(inline.bytes.into_vec()),
            })
            .collect();
        let delta = push.delta.map(|delta| Bytes::from(delta.into_vec()));
        let offer = Offer { signed, head, delta, inline, heard: self.now, from };
        let bytes = self.follow.offer_bytes + offer.size();
        if !consecutive || self.follow.offers.len() >= MAX_OFFERS || bytes > MAX_OFFER_BYTES {
            self.follow.clear_offers();
        }
        self.follow.behind_since.get_or_insert(self.now);
        self.follow.in_line = false;
        self.follow.offer_bytes += offer.size();
        self.follow.offers.push_back(offer);
    }

    /// Goes on towards the newest offer.
    pub(super) fn advance_follow(&mut self) {
        if self.jobs.is_busy() || self.follow.prove_at.is_some_and(|at| at > self.now) {
            return;
        }
        self.follow.prove_at = None;
        if let Some((signed, deltas)) = self.follow.journal.take() {
            return self.prove(signed, deltas, Vec::new());
        }
        if let Some((walk, nodes)) = self.follow.pending_walk.take() {
            return self.walk_on(walk, nodes);
        }
        let Some(newest) = self.follow.offers.back() else { return };
        if self.follow.question.is_some() {
            return;
        }
        let (root, signed) = (newest.head.root, newest.signed.clone());
        if let Some(tree) = self.tree_at_hand(root) {
            return self.accept_target(signed, tree, None, "same");
        }
        if let Some((signed, deltas, inline)) = self.chain_of_offers() {
            return self.prove(signed, deltas, inline);
        }
        if self.follow.ask_at.is_some_and(|at| at > self.now) {
            return;
        }
        self.follow.ask_at = None;
        let base = self.base();
        if base.files > 0 && !self.follow.walk_needed {
            self.ask_since(base, signed, root);
        } else {
            self.note(Note::Walk {});
            self.follow.walking = Some(signed);
            self.walk_on(Box::new(Walk::new(root)), Vec::new());
        }
    }

    /// The newest tree whose nodes are held and that heads lead on from.
    fn base(&self) -> Tree {
        let published = self.published_tree().filter(|_| self.is_origin());
        published.or(self.follow.target).unwrap_or(self.current)
    }

    fn tree_at_hand(&self, root: Hash) -> Option<Tree> {
        [Some(self.current), self.follow.target]
            .into_iter()
            .flatten()
            .chain([Tree::empty()])
            .find(|tree| tree.root == root)
    }

    /// The deltas of the offers, if they lead on from the target without a gap.
    fn chain_of_offers(&mut self) -> Option<(SignedHead, Vec<Bytes>, Vec<Inline>)> {
        let first = self.follow.offers.front()?;
        self.follow.target?;
        if Some(first.head.previous) != self.authority.head_hash() {
            return None;
        }
        let mut root = self.base().root;
        let mut deltas = Vec::new();
        let mut inline = Vec::new();
        let mut signed = None;
        self.follow.source = None;
        for offer in self.follow.offers.iter().take(MAX_CHAIN) {
            if offer.head.root != root {
                let Some(delta) = &offer.delta else { break };
                deltas.push(delta.clone());
                self.follow.source = Some(offer.from);
                inline.extend(offer.inline.iter().cloned());
                root = offer.head.root;
            }
            signed = Some(offer.signed.clone());
        }
        Some((signed?, deltas, inline))
    }

    fn prove(&mut self, signed: SignedHead, deltas: Vec<Bytes>, inline: Vec<Inline>) {
        let Ok(head) = signed.peek() else { return };
        let job = Job::Prove(Prove {
            base: self.base(),
            deltas,
            target: head.root,
            current: self.current,
            inline: inline.iter().map(|inline| inline.content).collect(),
        });
        self.transfer.inline = inline;
        self.jobs.start(job, Purpose::Prove { newest: Box::new(signed) }, &mut self.out);
    }

    pub(super) fn proved(&mut self, signed: SignedHead, result: Result<Done, JobError>) {
        match result {
            Ok(Done::Prove(proved)) => {
                // What a new document excludes is no delete: it is weighed when it is known.
                let document = self.authority.head().map(|head| head.document);
                let same = signed.peek().is_ok_and(|head| Some(head.document) == document);
                if same && self.base().root == self.current.root && !self.is_origin() {
                    self.weigh_for_brake(&proved.tree, &signed, proved.removed);
                }
                self.accept_target(signed, proved.tree, proved.parcel, "delta");
            }
            Err(JobError::Disk { .. }) => self.follow.prove_at = Some(self.now + PROVE_AGAIN),
            other => {
                // The deltas do not lead there; what else is known of the way is dropped, and the
                // tree itself is asked for.
                if is_fault_of_giver(&other) {
                    self.refuse_source("wrong-delta", "it does not lead to the signed root");
                }
                self.follow.drop_deltas();
                self.follow.walk_needed = true;
            }
        }
    }

    /// What was to be proved is wrong: names who gave it.
    fn refuse_source(&mut self, what: &'static str, detail: &str) {
        if let Some(peer) = self.follow.source.take() {
            self.peers.failed(&peer);
            self.refuse(peer, what, detail);
        }
    }

    /// The tree of a head is proved: it is the target from now on.
    fn accept_target(
        &mut self,
        signed: SignedHead,
        tree: Tree,
        parcel: Option<std::sync::Arc<Parcel>>,
        how: &'static str,
    ) {
        let Ok(head) = signed.peek() else { return };
        if self.publish.returning.forked && self.is_below_newest(&head) {
            return self.accept_forgotten(&head, tree);
        }
        let document = self.authority.head().map(|head| head.document);
        let epoch = self.authority.term().epoch;
        let bytes = self.follow.document_of(&head);
        let persist = match self.authority.accept(&signed, bytes.as_deref()) {
            Ok(persist) => persist,
            Err(Refusal::BelowFence) => return self.follow.drop_offers(head.position()),
            Err(refusal) => {
                self.refuse(head.origin, refusal_name(&refusal), refusal);
                return self.follow.clear_offers();
            }
        };
        self.note(Note::Proved { seq: head.seq, how });
        self.warnings.remove("later-run");
        let from = self.base();
        state::put_persist(&mut self.follow.before, persist, epoch);
        self.follow.before.put(
            Table::State,
            Bytes::from_static(crate::store::state::TARGET),
            crate::store::tree_value::encode_tree(&tree),
        );
        if self.is_origin() {
            self.regaining_is_begun();
        }
        let since = self
            .follow
            .offers
            .iter()
            .find(|offer| offer.head.position() > head.position())
            .map(|offer| offer.heard);
        self.follow.drop_offers(head.position());
        self.follow.target = Some(tree);
        self.brake_hears(&head, &tree);
        self.keep_root(tree.root);
        self.follow.walk_needed = false;
        // An origin's docroot may hold edits that nobody has seen yet.
        let is_direct = from.root == self.current.root && !self.is_origin();
        let direct = parcel.filter(|_| is_direct && document == Some(head.document));
        self.transfer.target_changed(tree, direct, self.current.root, self.now);
        if self.current.root != tree.root || since.is_some() {
            self.follow.behind_since.get_or_insert(since.unwrap_or(self.now));
        }
        if document != Some(head.document) {
            let version = self.document().map_or(0, |document| document.version);
            self.note(Note::DocumentChanged { version });
            self.document_changed();
            self.refuse_changes();
        }
    }

    /// Nothing is left between docroot and target: makes the head durable, then says so.
    pub(super) fn settle_in_line(&mut self) {
        if self.follow.in_line || self.follow.settling {
            return;
        }
        let Some(position) = self.authority.head().map(Head::position) else { return };
        self.follow.settling = true;
        let mut batch = std::mem::take(&mut self.follow.before);
        if let Some(signed) = self.authority.signed_head() {
            state::put(&mut batch, state::APPLIED, Bytes::from(signed.encode()));
        }
        self.persist(batch, true, vec![Then::InLine(position)]);
    }

    /// The docroot equals the newest head, durably.
    pub(super) fn in_line(&mut self, position: (u64, u64)) {
        self.follow.settling = false;
        let Some(head) = self.authority.head().cloned() else { return };
        // A head that was taken meanwhile is not durable yet, even if its tree is the same.
        let is_this = head.position() == position && head.root == self.current.root;
        if !is_this || self.follow.newest_offer().is_some() {
            return;
        }
        self.follow.in_line = true;
        self.follow.tried = Some(head.position());
        self.note(Note::InSync { seq: head.seq, root: head.root });
        self.follow.applied = Some(head);
    }
}

/// Whether a proof failed because of what was given, not because of what is here.
fn is_fault_of_giver(result: &Result<Done, JobError>) -> bool {
    !matches!(result, Err(JobError::Disk { .. } | JobError::Inconsistent(_)))
}

/// The fixed name of a refusal.
pub(super) fn refusal_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::ForeignCluster => "foreign-cluster",
        Refusal::Malformed(_) => "malformed-head",
        Refusal::BadSignature => "wrong-signature",
        Refusal::WrongOrigin { .. } => "wrong-origin",
        Refusal::Revoked { .. } => "revoked-key",
        Refusal::BelowFence => "old-head",
        Refusal::Replayed => "replayed-heartbeat",
        Refusal::Equivocation(_) => "equivocation",
        Refusal::NoEquivocation(_) => "false-accusation",
        Refusal::WrongDocument => "wrong-document",
        Refusal::BadDocument(_) => "bad-document",
        Refusal::TooManyRevoked => "too-many-revoked",
        Refusal::NotProven => "not-proven",
    }
}

#[cfg(test)]
mod tests;

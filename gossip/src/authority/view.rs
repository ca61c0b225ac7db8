//! What `status` shows of an authority.

use std::time::Duration;

use mirrormesh_merkle::Hash;

use super::Authority;
use crate::genesis::ClusterId;
use crate::key::NodeId;
use crate::term::Term;
use crate::time::{Instant, Wall};

/// A snapshot for people and checkers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityView {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its name.
    pub cluster_name: String,
    /// The present term.
    pub term: Term,
    /// Its origin.
    pub origin: NodeId,
    /// Epoch and number of the newest head accepted.
    pub position: Option<(u64, u64)>,
    /// Its hash.
    pub head: Option<Hash>,
    /// Its root.
    pub root: Option<Hash>,
    /// Files in its tree.
    pub files: Option<u64>,
    /// Bytes of their contents.
    pub bytes: Option<u64>,
    /// When the origin published it, by the origin's clock.
    pub published: Option<Wall>,
    /// Version of the document in force.
    pub document_version: Option<u64>,
    /// Members in it.
    pub members: usize,
    /// Keys held revoked.
    pub revoked: usize,
    /// Term and number of the fence.
    pub fence: Option<(Term, u64)>,
    /// Number of the origin's newest head by its newest heartbeat of this term.
    pub announced_seq: Option<u64>,
    /// How long ago the newest heartbeat of this run and term was received.
    pub heard: Option<Duration>,
    /// See [`crate::Freshness`].
    pub is_fresh: bool,
    /// Whether the origin is known to have contradicted itself in this term.
    pub has_equivocation: bool,
}

impl Authority {
    /// A snapshot at `now`.
    pub fn view(&self, now: Instant) -> AuthorityView {
        let head = self.head();
        AuthorityView {
            cluster: self.cluster(),
            cluster_name: self.genesis().name.clone(),
            term: *self.term(),
            origin: *self.origin(),
            position: head.map(|head| head.position()),
            head: self.head_hash(),
            root: head.map(|head| head.root),
            files: head.map(|head| head.files),
            bytes: head.map(|head| head.bytes),
            published: head.map(|head| head.time),
            document_version: self.document().map(|document| document.version),
            members: self.document().map_or(0, |document| document.members.len()),
            revoked: self.revocations.len(),
            fence: self.fence.term().map(|term| (*term, self.fence.seq())),
            announced_seq: self.announced.map(|(seq, _)| seq),
            heard: self.freshness.received().map(|received| now.saturating_since(received)),
            is_fresh: self.is_fresh(now),
            has_equivocation: self.equivocation.is_some(),
        }
    }
}

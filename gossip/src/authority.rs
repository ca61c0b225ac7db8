//! What a node knows of who may publish, and of what was published last.
//!
//! Purpose: the one place where genesis, proof chain, newest head, document, fence, revocations and
//! freshness meet. Everything a peer says about heads and terms goes through here; an origin
//! publishes through here.
//!
//! State: see [`Stored`] for what survives a restart; besides that the moment of the newest
//! heartbeat, the last few heads of the term (to see an origin contradict itself), and the document
//! of the head considered last.
//!
//! Invariants: nothing is accepted that the chain does not prove; the fence and the revocations
//! never go back; after proof of equivocation no head of that term is accepted. Whatever changes
//! comes back as a [`Persist`], and the caller makes it durable before a byte about it leaves the
//! node. Refused things change nothing, but for the proof of equivocation itself.
//!
//! Never fetches, stores, sends, or looks at a clock.

mod error;
mod heads;
mod heartbeats;
mod persist;
mod publish;
mod terms;
mod view;

pub use error::{CertifyError, PublishError, Refusal, RestoreError};
pub use heads::HeadVerdict;
pub use heartbeats::HeartbeatVerdict;
pub use persist::{Persist, Stored};
pub use publish::{Publication, Publish};
pub use terms::ProofVerdict;
pub use view::AuthorityView;

use std::collections::BTreeMap;

use bytes::Bytes;
use mirrormesh_merkle::Hash;

use crate::certificate::{Certificate, SignedCertificate};
use crate::document::{Document, Member};
use crate::equivocation::EquivocationProof;
use crate::fence::Fence;
use crate::genesis::{ClusterId, Genesis};
use crate::head::{Head, SignedHead};
use crate::heartbeat::Freshness;
use crate::key::{NodeId, SecretKey};
use crate::proof::{ProofChain, ProofError, ProofRecord};
use crate::revocation::Revocations;
use crate::term::Term;

/// A head that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldHead {
    signed: SignedHead,
    head: Head,
    hash: Hash,
    term: Term,
    certificate: SignedCertificate,
}

/// A document that a verified head names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldDocument {
    hash: Hash,
    bytes: Bytes,
    document: Document,
}

/// What a key is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership<'a> {
    /// In the roster.
    Member(&'a Member),
    /// Removed, on some lineage: refused for ever.
    Revoked,
    /// Neither.
    Unknown,
}

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    chain: ProofChain,
    newest: Option<HeldHead>,
    document: Option<HeldDocument>,
    /// The document of the head considered last: between considering and accepting it is decoded
    /// once.
    considered: Option<HeldDocument>,
    fence: Fence,
    revocations: Revocations,
    freshness: Freshness,
    /// The last heads of the present term by number, at most [`Authority::RECENT`].
    recent: BTreeMap<u64, SignedHead>,
    equivocation: Option<EquivocationProof>,
    /// Number and hash of the newest head by the newest heartbeat of the term.
    announced: Option<(u64, Hash)>,
}

impl Authority {
    /// Heads of the present term that are remembered to see the origin contradict itself.
    pub const RECENT: usize = 32;
    /// Numbers up to this one are carried on into the next term.
    const MAX_CARRIED: u64 = 1 << 48;

    /// The authority of a founder, who may publish at once.
    ///
    /// # Errors
    /// [`ProofError::NotFounding`] if the key is not the founder's.
    pub fn found(genesis: Genesis, key: &SecretKey) -> Result<Authority, ProofError> {
        let certificate = SignedCertificate::sign(&Certificate::founding(&genesis), key);
        if key.public() != genesis.founder {
            return Err(ProofError::NotFounding);
        }
        Authority::new(genesis, &[ProofRecord::founding(certificate)])
    }

    /// The authority of a joiner: genesis and records come from a peer, `pinned` from its token.
    ///
    /// # Errors
    /// [`ProofError::ForeignCluster`] if the genesis is not that of the pinned cluster, and all
    /// others.
    pub fn join(
        pinned: ClusterId,
        genesis: Genesis,
        records: &[ProofRecord],
    ) -> Result<Authority, ProofError> {
        if genesis.cluster_id() != pinned {
            return Err(ProofError::ForeignCluster);
        }
        Authority::new(genesis, records)
    }

    /// The authority of a node that trusts this genesis (its own, or one whose hash was compared
    /// with a token) and was given all records of the chain.
    ///
    /// # Errors
    /// See [`ProofError`].
    pub fn new(genesis: Genesis, records: &[ProofRecord]) -> Result<Authority, ProofError> {
        let chain = ProofChain::verify(genesis, records)?;
        let fence = Fence::at(*chain.tip().term(), 0);
        Ok(Authority {
            chain,
            newest: None,
            document: None,
            considered: None,
            fence,
            revocations: Revocations::new(),
            freshness: Freshness::new(),
            recent: BTreeMap::new(),
            equivocation: None,
            announced: None,
        })
    }

    /// The cluster.
    pub const fn cluster(&self) -> ClusterId {
        self.chain.cluster()
    }

    /// The genesis.
    pub const fn genesis(&self) -> &Genesis {
        self.chain.genesis()
    }

    /// The proof chain, to be served.
    pub const fn chain(&self) -> &ProofChain {
        &self.chain
    }

    /// The present term.
    pub fn term(&self) -> &Term {
        self.chain.tip().term()
    }

    /// The present certificate.
    pub fn certificate(&self) -> &Certificate {
        self.chain.tip().certificate()
    }

    /// Who publishes in the present term.
    pub fn origin(&self) -> &NodeId {
        &self.chain.tip().certificate().origin
    }

    /// The newest head accepted. It may be of an earlier term while the present one has none.
    pub fn head(&self) -> Option<&Head> {
        self.newest.as_ref().map(|held| &held.head)
    }

    /// The newest head accepted, as it travels.
    pub fn signed_head(&self) -> Option<&SignedHead> {
        self.newest.as_ref().map(|held| &held.signed)
    }

    /// Hash of the newest head accepted.
    pub fn head_hash(&self) -> Option<Hash> {
        self.newest.as_ref().map(|held| held.hash)
    }

    /// Whether the newest head accepted is of the present term.
    pub fn has_head_of_term(&self) -> bool {
        self.newest.as_ref().is_some_and(|held| held.term == *self.term())
    }

    /// The document of the newest head accepted.
    pub fn document(&self) -> Option<&Document> {
        self.document.as_ref().map(|held| &held.document)
    }

    /// The encoding of [`Authority::document`], to be served.
    pub fn document_bytes(&self) -> Option<&Bytes> {
        self.document.as_ref().map(|held| &held.bytes)
    }

    /// The fence.
    pub const fn fence(&self) -> &Fence {
        &self.fence
    }

    /// The keys held revoked.
    pub const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// What is known of the origin being alive.
    pub const fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// The proof that the present term's origin contradicted itself, if there is one.
    pub const fn equivocation(&self) -> Option<&EquivocationProof> {
        self.equivocation.as_ref()
    }

    /// What a key is to this node. Revocation outweighs the roster.
    pub fn membership(&self, key: &NodeId) -> Membership<'_> {
        if self.revocations.contains(key) {
            return Membership::Revoked;
        }
        match self.document().and_then(|document| document.member(key)) {
            Some(member) => Membership::Member(member),
            None => Membership::Unknown,
        }
    }

    /// Remembers a head of the present term.
    fn remember(&mut self, seq: u64, signed: &SignedHead) {
        self.recent.insert(seq, signed.clone());
        while self.recent.len() > Authority::RECENT {
            self.recent.pop_first();
        }
    }
}

#[cfg(test)]
mod tests;

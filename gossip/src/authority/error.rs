//! Why something is refused, and what to do about it.

use crate::codec::DecodeError;
use crate::document::DocumentError;
use crate::equivocation::{EquivocationError, EquivocationProof};
use crate::key::NodeId;
use crate::proof::ProofError;
use crate::signed::SignedError;

/// Why a head, heartbeat or proof of equivocation is refused. Nothing changes, but for
/// [`Refusal::Equivocation`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Of another cluster. The peer is not of ours: look at its address.
    #[error("it belongs to another cluster")]
    ForeignCluster,
    /// Not canonical. The peer is broken or newer: compare versions.
    #[error(transparent)]
    Malformed(SignedError),
    /// Not signed by the term's origin. The peer is broken or hostile.
    #[error("the signature does not hold")]
    BadSignature,
    /// Its signer is not the origin of the term it names. The peer is broken or hostile.
    #[error("{signer} is not the origin of this term")]
    WrongOrigin {
        /// Who it names as signer.
        signer: NodeId,
    },
    /// The origin's key is revoked. Another node must be promoted.
    #[error("the key of the origin {key} is revoked")]
    Revoked {
        /// The key.
        key: NodeId,
    },
    /// At or below the fence: old, or of a term that lost. Nothing is to be done.
    #[error("it lies below what this node has taken already")]
    BelowFence,
    /// A heartbeat whose number is not above all before: a repetition. Nothing is to be done.
    #[error("the heartbeat is a repetition")]
    Replayed,
    /// The origin published two heads with one number. **State changed**: the proof is held (the
    /// caller stores [`crate::Persist::equivocation`] and passes the proof on), and no further head of this term is accepted. The origin
    /// begins a new term by itself where promotion is manual; else a new one is elected.
    #[error("the origin published two different heads with one number")]
    Equivocation(Box<EquivocationProof>),
    /// The two heads prove nothing. The peer is broken.
    #[error(transparent)]
    NoEquivocation(EquivocationError),
    /// The document given is not the one that the head names. Ask another peer.
    #[error("the cluster document is not the one that the head names")]
    WrongDocument,
    /// The document that the head names is not valid. The origin is broken or newer.
    #[error(transparent)]
    BadDocument(DocumentError),
    /// No more keys can be held revoked. Found a new cluster.
    #[error("too many revoked keys")]
    TooManyRevoked,
    /// The head is not proven yet: its proof or document is missing. Only from `accept`, for a head
    /// that was not considered before.
    #[error("its proof or its document is missing")]
    NotProven,
}

impl From<SignedError> for Refusal {
    fn from(error: SignedError) -> Refusal {
        match error {
            SignedError::Malformed { .. } => Refusal::Malformed(error),
            SignedError::BadSignature { .. } | SignedError::OtherSigner { .. } => {
                Refusal::BadSignature
            }
        }
    }
}

/// Why nothing was published. Nothing changed and no number was used in every case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Another node is origin. Publish there.
    #[error("this node is not the origin; that is {origin}")]
    NotOrigin {
        /// The origin.
        origin: NodeId,
    },
    /// This node's key is revoked. It must join again with a new key.
    #[error("this node was removed from the cluster")]
    Revoked,
    /// There is proof that two heads with one number were published under this key. A new term is
    /// needed: see [`crate::Authority::renew_after_equivocation`].
    #[error("two heads with one number were published in this term; a new term must begin")]
    Equivocation,
    /// The first head needs a document (a bug of the caller).
    #[error("the first head needs a cluster document")]
    NoDocument,
    /// The document cannot be published. Correct it.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// No number is durably reserved. Reserve a block, then publish.
    #[error("no sequence number is durably reserved")]
    NoNumber,
    /// A heartbeat's number must be above the newest (a bug of the caller).
    #[error("heartbeat number {given} is not above {newest}")]
    NumberNotAbove {
        /// The newest number of the term.
        newest: u64,
        /// The number given.
        given: u64,
    },
}

/// Why no certificate was made. Nothing changed in every case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertifyError {
    /// There is no head to go on from. Wait until the node has one.
    #[error("this node holds no head to go on from")]
    NoBase,
    /// No equivocation is known, so there is nothing to renew.
    #[error("the origin did not contradict itself")]
    NoEquivocation,
    /// Another node is origin of the term to be renewed.
    #[error("this node is not the origin; that is {origin}")]
    NotOrigin {
        /// The origin.
        origin: NodeId,
    },
    /// The reason given is too long or has control characters. Shorten it.
    #[error("the reason must be at most 200 bytes without control characters")]
    BadReason,
    /// The node may not: not a candidate, revoked, or the policy forbids it.
    #[error(transparent)]
    Refused(#[from] ProofError),
}

/// Why what was stored is not an authority. The node does not start: restore the state directory
/// from a copy, or join again with a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A piece is not what it should be.
    #[error("stored {what}: {error}")]
    Malformed {
        /// Which piece.
        what: &'static str,
        /// What is wrong.
        error: DecodeError,
    },
    /// The chain does not hold.
    #[error("stored proof chain: {0}")]
    Proof(#[from] ProofError),
    /// The head does not hold, or its certificate does not.
    #[error("stored head: the stored certificate does not prove it")]
    Head,
    /// The document is missing or not the one that the head names.
    #[error("stored document: it is not the one that the stored head names")]
    Document,
}

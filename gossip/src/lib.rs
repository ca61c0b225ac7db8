//! Who may publish in a mirrormesh cluster, and what was published last.
//!
//! From the bottom up: [`codec`] writes what is signed, [`message`] what is not. A [`Genesis`]
//! makes a cluster; a [`Certificate`] makes a node its origin for an epoch, with a rank (its
//! [`Term`]); a [`Head`] states the docroot and the cluster [`Document`] at one number of a term; a
//! [`Heartbeat`] says that the origin is alive. The [`ProofChain`] says why the present origin is
//! one, the [`Fence`] what is too old to matter, [`Revocations`] who is never believed again.
//! [`Authority`] composes them: it is what a node holds. A [`Token`] lets a machine in.
//!
//! Laws of this crate: no files, sockets, clocks, entropy of the operating system, threads or
//! logging; ordered maps only; whatever comes from outside is bounded and never makes it panic.

pub mod codec;
pub mod fuzz;
pub mod message;

mod address;
mod authority;
mod certificate;
mod document;
mod entropy;
mod equivocation;
mod fence;
mod genesis;
mod head;
mod heartbeat;
mod key;
mod proof;
mod revocation;
mod sequence;
mod signed;
mod term;
mod time;
mod token;

pub use address::{AddressRecord, SignedAddressRecord};
pub use authority::{
    Authority, AuthorityView, CertifyError, HeadVerdict, HeartbeatVerdict, Membership, Persist,
    ProofVerdict, Publication, Publish, PublishError, Refusal, RestoreError, Stored,
};
pub use certificate::{Base, Certificate, CertificateKind, SignedCertificate};
pub use codec::DecodeError;
pub use document::{
    DocrootSwitch, Document, DocumentError, DocumentText, Member, MemberRole, Policy, Promotion,
    Rule, TextError, Writers, is_address, is_member_name,
};
pub use entropy::Entropy;
pub use equivocation::{EquivocationError, EquivocationProof};
pub use fence::Fence;
pub use genesis::{ClusterId, Genesis};
pub use head::{Head, SignedHead};
pub use heartbeat::{Freshness, Heartbeat, SignedHeartbeat};
pub use key::{KeyError, NodeId, SecretKey, Signature};
pub use message::{MessageError, from_bytes_bounded, to_bytes_named};
pub use proof::{Judge, ProofChain, ProofError, ProofLink, ProofRecord};
pub use revocation::Revocations;
pub use sequence::Sequence;
pub use signed::{Signable, Signed, SignedError};
pub use term::Term;
pub use time::{Instant, Wall};
pub use token::{Token, TokenBook, TokenError, TokenRecord, TokenRefusal};

#[cfg(test)]
mod tests;

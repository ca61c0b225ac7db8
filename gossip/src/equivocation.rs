//! Proof that an origin said two things at once.
//!
//! Purpose: two heads with one (term, seq) under one key cannot both be what the origin published.
//! A node that holds both keeps what it had, says so, and waits for a new term; the proof convinces
//! every other node.
//!
//! Invariants: the encoding is canonical: the head with the smaller hash comes first.
//!
//! Never decides which of the two is right.

use crate::codec::{DecodeError, Reader, Writer};
use crate::head::{Head, SignedHead};
use crate::key::NodeId;
use crate::signed::SignedError;

/// Two heads that contradict each other. See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EquivocationProof {
    first: SignedHead,
    second: SignedHead,
}

/// Why two heads prove nothing. No state changes; nothing is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EquivocationError {
    /// One of them is not what the key signed.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// They do not contradict each other.
    #[error("the two heads do not contradict each other")]
    NoContradiction,
}

impl EquivocationProof {
    /// Longest encoding in bytes.
    pub const MAX_ENCODED: usize = 1 + 2 * SignedHead::MAX_ENVELOPE;

    /// The proof made of two heads, if they contradict each other. Signatures are
    /// [`EquivocationProof::verify`]'s.
    pub fn of(one: &SignedHead, other: &SignedHead) -> Option<EquivocationProof> {
        let (one, other) = (one.clone(), other.clone());
        let is_ordered = one.hash() < other.hash();
        let (first, second) = if is_ordered { (one, other) } else { (other, one) };
        let heads = (first.peek().ok()?, second.peek().ok()?);
        contradict(&heads.0, &heads.1).then_some(EquivocationProof { first, second })
    }

    /// The two heads, if `origin` signed both.
    ///
    /// # Errors
    /// See [`EquivocationError`].
    pub fn verify(&self, origin: &NodeId) -> Result<(Head, Head), EquivocationError> {
        let heads = (self.first.verify(origin)?, self.second.verify(origin)?);
        if contradict(&heads.0, &heads.1) {
            Ok(heads)
        } else {
            Err(EquivocationError::NoContradiction)
        }
    }

    /// The two heads as they travel, the one with the smaller hash first.
    pub const fn heads(&self) -> (&SignedHead, &SignedHead) {
        (&self.first, &self.second)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        self.first.write(&mut writer);
        self.second.write(&mut writer);
        writer.finish()
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// Any other bytes; two heads that do not contradict each other or stand in the other order.
    pub fn decode(bytes: &[u8]) -> Result<EquivocationProof, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("equivocation", 1)?;
        let (first, second) = (SignedHead::read(&mut reader)?, SignedHead::read(&mut reader)?);
        reader.finish()?;
        let proof = EquivocationProof::of(&first, &second)
            .ok_or(DecodeError::NotValid { what: "equivocation" })?;
        if proof.first == first {
            Ok(proof)
        } else {
            Err(DecodeError::NotInOrder { what: "equivocation" })
        }
    }
}

/// One key, one term, one number, two contents.
fn contradict(one: &Head, other: &Head) -> bool {
    one != other
        && one.cluster == other.cluster
        && one.origin == other.origin
        && one.certificate == other.certificate
        && one.position() == other.position()
}

#[cfg(test)]
mod tests;

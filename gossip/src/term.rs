//! The rank of a certificate.
//!
//! Purpose: whatever certificates a node meets, in whatever order, it must arrive at the same one
//! as every other node.
//!
//! Invariants: terms are totally ordered by (epoch, voted above manual, base (epoch, seq), smaller
//! certificate hash); two certificates have equal terms only if they are one.
//!
//! Never proves anything: a term is what a certificate claims, [`crate::ProofChain`] says whether
//! the claim holds.

use std::cmp::Ordering;
use std::fmt;

use mirrormesh_merkle::Hash;

use crate::codec::{DecodeError, Reader, Writer};

/// The rank of a certificate. Greater wins.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Term {
    /// The certificate's epoch.
    pub epoch: u64,
    /// Whether voters signed it.
    pub voted: bool,
    /// Epoch and number of its base head; zeros for the founding one.
    pub base: (u64, u64),
    /// Hash of the certificate.
    pub certificate: Hash,
}

impl Term {
    /// The first 12 hex digits of the certificate's hash: what `status` shows as `term`.
    pub fn short(&self) -> String {
        self.certificate.to_string()[..12].to_owned()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.number(self.epoch);
        writer.flag(self.voted);
        writer.number(self.base.0);
        writer.number(self.base.1);
        writer.hash(&self.certificate);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Term, DecodeError> {
        Ok(Term {
            epoch: reader.number()?,
            voted: reader.flag("voted")?,
            base: (reader.number()?, reader.number()?),
            certificate: reader.hash()?,
        })
    }
}

impl Ord for Term {
    fn cmp(&self, other: &Term) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then(self.voted.cmp(&other.voted))
            .then(self.base.cmp(&other.base))
            // The smaller hash wins: neither side can be said to have come first.
            .then(other.certificate.cmp(&self.certificate))
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Term) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Term({}.{})", self.epoch, self.short())
    }
}

#[cfg(test)]
mod tests;

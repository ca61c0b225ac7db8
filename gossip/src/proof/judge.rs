//! Whether a certificate was allowed.

use super::{ProofError, ProofRecord};
use crate::certificate::{Certificate, CertificateKind};
use crate::document::{Document, Promotion};
use crate::key::NodeId;
use crate::revocation::Revocations;
use crate::term::Term;

/// What the judging node knows beyond the record before it.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    revocations: Option<&'a Revocations>,
    newest: Option<(Term, u64, &'a Document)>,
}

impl<'a> Judge<'a> {
    /// One that knows nothing: a joiner, or a node reading its own store.
    pub const fn nobody() -> Judge<'a> {
        Judge { revocations: None, newest: None }
    }

    /// One that knows revocations and holds a document since (term, seq).
    pub const fn new(
        revocations: &'a Revocations,
        newest: Option<(Term, u64, &'a Document)>,
    ) -> Judge<'a> {
        Judge { revocations: Some(revocations), newest }
    }

    /// Judges a certificate whose base was published at `base` with `document`.
    pub(super) fn allows(
        &self,
        record: &ProofRecord,
        certificate: &Certificate,
        document: &Document,
        base: (Term, u64),
    ) -> Result<(), ProofError> {
        let (epoch, origin) = (certificate.epoch, certificate.origin);
        if self.is_revoked(&origin) || document.revokes(&origin) {
            return Err(ProofError::Revoked { epoch, origin });
        }
        let newer = self.newest.filter(|(term, seq, _)| (*term, *seq) > base);
        for judging in std::iter::once(document).chain(newer.map(|(_, _, document)| document)) {
            if !judging.may_publish(&origin) {
                return Err(ProofError::NotCandidate { epoch, origin });
            }
            let is_allowed = match certificate.kind {
                CertificateKind::Founding => false,
                CertificateKind::Manual => judging.promotion == Promotion::Manual,
                CertificateKind::Voted => judging.promotion == Promotion::Automatic,
            };
            if !is_allowed {
                return Err(ProofError::PolicyForbids { epoch });
            }
        }
        if certificate.kind == CertificateKind::Voted {
            let next = document.next_voters.as_deref();
            for voters in std::iter::once(document.voters.as_slice()).chain(next) {
                if !self.has_majority(record, voters) {
                    return Err(ProofError::NoMajority { epoch });
                }
            }
        }
        Ok(())
    }

    fn has_majority(&self, record: &ProofRecord, voters: &[NodeId]) -> bool {
        let counts =
            |voter: &&NodeId| !self.is_revoked(voter) && record.certificate.has_vote_of(voter);
        voters.iter().filter(counts).count() > voters.len() / 2
    }

    fn is_revoked(&self, key: &NodeId) -> bool {
        self.revocations.is_some_and(|revocations| revocations.contains(key))
    }
}

//! Certificates from peers, and one's own.

use super::{Authority, CertifyError, Persist};
use crate::certificate::{Base, Certificate, CertificateKind, SignedCertificate};
use crate::key::SecretKey;
use crate::proof::{Judge, ProofChain, ProofError, ProofRecord};
use crate::term::Term;
use crate::time::Wall;

/// What a proof that holds means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofVerdict {
    /// It leads to a greater term, which is now the present one.
    Newer {
        /// The term.
        term: Term,
        /// What to store before a byte about it leaves the node.
        persist: Box<Persist>,
    },
    /// It leads to the present term.
    Known,
    /// It leads to a term that lost. Give the peer our records.
    Older,
}

impl Authority {
    /// Judges records from a peer, ascending by epoch. The newest head stays until one of the new
    /// term is accepted; the fence rises to the beginning of the new term.
    ///
    /// # Errors
    /// See [`ProofError`]; nothing changes.
    pub fn consider_proof(&mut self, records: &[ProofRecord]) -> Result<ProofVerdict, ProofError> {
        // Records already held lead to the present term at best.
        if records.len() > ProofChain::MAX_RECORDS {
            return Err(ProofError::TooLong { limit: ProofChain::MAX_RECORDS });
        }
        let newest = self.newest.as_ref().zip(self.document());
        let newest = newest.map(|(held, document)| (held.term, held.head.seq, document));
        let chain = self.chain.extended(records, &Judge::new(&self.revocations, newest))?;
        let term = *chain.tip().term();
        match term.cmp(self.term()) {
            std::cmp::Ordering::Less => Ok(ProofVerdict::Older),
            std::cmp::Ordering::Equal => Ok(ProofVerdict::Known),
            std::cmp::Ordering::Greater => {
                let persist = Box::new(self.begin_term(chain));
                Ok(ProofVerdict::Newer { term, persist })
            }
        }
    }

    /// Makes this node the origin of the next epoch by an admin's word, going on from the newest
    /// head it holds.
    ///
    /// # Errors
    /// See [`CertifyError`]; nothing changes.
    pub fn certify_manual(
        &mut self,
        key: &SecretKey,
        reason: &str,
        wall: Wall,
    ) -> Result<(Term, Persist), CertifyError> {
        if !Certificate::is_reason(reason) {
            return Err(CertifyError::BadReason);
        }
        let (Some(held), Some(document)) = (&self.newest, &self.document) else {
            return Err(CertifyError::NoBase);
        };
        let certificate = Certificate {
            cluster: self.cluster(),
            epoch: self.term().epoch + 1,
            origin: key.public(),
            kind: CertificateKind::Manual,
            base: Base { epoch: held.head.epoch, seq: held.head.seq, head: held.hash },
            reason: reason.to_owned(),
            time: wall,
        };
        let record = ProofRecord {
            certificate: SignedCertificate::sign(&certificate, key),
            base_head: Some(held.signed.clone()),
            base_document: document.bytes.clone(),
        };
        match self.consider_proof(&[record])? {
            ProofVerdict::Newer { term, persist } => Ok((term, *persist)),
            // An epoch above the present one cannot lose; a chain at its end could refuse it.
            ProofVerdict::Known | ProofVerdict::Older => Err(CertifyError::NoBase),
        }
    }

    /// As origin of a term in which it contradicted itself (two nodes with one key, or a disk that
    /// was rolled back): begins the next one.
    ///
    /// # Errors
    /// See [`CertifyError`]; nothing changes.
    pub fn renew_after_equivocation(
        &mut self,
        key: &SecretKey,
        wall: Wall,
    ) -> Result<(Term, Persist), CertifyError> {
        if self.equivocation.is_none() {
            return Err(CertifyError::NoEquivocation);
        }
        let origin = *self.origin();
        if key.public() != origin {
            return Err(CertifyError::NotOrigin { origin });
        }
        self.certify_manual(key, "two heads with one number were found", wall)
    }

    /// Makes `chain`, whose term is greater, the present one.
    fn begin_term(&mut self, chain: ProofChain) -> Persist {
        let kept = self.chain.links().zip(chain.links()).take_while(|(old, new)| old == new);
        let kept = kept.count();
        let changed: Vec<_> = chain.links().skip(kept).collect();
        let first_changed = changed.first().map(|link| link.term().epoch);
        let records =
            changed.iter().map(|link| (link.term().epoch, link.record().encode().into())).collect();
        // What is taken out begins with the first record that is no longer in the chain, whose
        // epoch may be lower or higher than that of the one in its place.
        let first_dropped = self.chain.links().nth(kept).map(|link| link.term().epoch);
        let term = *chain.tip().term();
        self.chain = chain;
        self.fence.raise(term, 0);
        self.freshness.begin_term();
        self.recent.clear();
        self.equivocation = None;
        self.announced = None;
        Persist {
            remove_records_from: first_dropped.into_iter().chain(first_changed).min(),
            records,
            fence: Some(self.fence.encode().into()),
            ..Persist::default()
        }
    }
}

//! What survives a restart.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Authority, HeldDocument, HeldHead, RestoreError};
use crate::certificate::SignedCertificate;
use crate::codec::DecodeError;
use crate::document::Document;
use crate::equivocation::EquivocationProof;
use crate::fence::Fence;
use crate::genesis::Genesis;
use crate::head::SignedHead;
use crate::heartbeat::Freshness;
use crate::proof::ProofRecord;
use crate::revocation::Revocations;

/// Everything that is stored of an authority, each piece in its canonical encoding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// The genesis. Never changes.
    pub genesis: Bytes,
    /// The records of the chain by epoch.
    pub records: BTreeMap<u64, Bytes>,
    /// The newest head accepted.
    pub head: Option<Bytes>,
    /// The certificate under which it was published: the chain may have left that lineage.
    pub head_certificate: Option<Bytes>,
    /// Its document.
    pub document: Option<Bytes>,
    /// The fence.
    pub fence: Bytes,
    /// The keys held revoked.
    pub revocations: Bytes,
    /// The newest heartbeat; stored at least once a minute: see [`Freshness::STORE_INTERVAL`].
    pub freshness: Bytes,
    /// Proof that the origin contradicted itself. One of an earlier term is passed over.
    pub equivocation: Option<Bytes>,
}

/// What a change makes necessary to store, as one batch, before a byte about it leaves the node.
/// Absent pieces are unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Persist {
    /// Take out the records of this epoch and later ones, before putting in [`Persist::records`].
    pub remove_records_from: Option<u64>,
    /// Records to put in, with their epochs.
    pub records: Vec<(u64, Bytes)>,
    /// See [`Stored::head`].
    pub head: Option<Bytes>,
    /// See [`Stored::head_certificate`].
    pub head_certificate: Option<Bytes>,
    /// See [`Stored::document`].
    pub document: Option<Bytes>,
    /// See [`Stored::fence`].
    pub fence: Option<Bytes>,
    /// See [`Stored::revocations`].
    pub revocations: Option<Bytes>,
    /// See [`Stored::freshness`].
    pub freshness: Option<Bytes>,
    /// See [`Stored::equivocation`].
    pub equivocation: Option<Bytes>,
}

impl Persist {
    /// What a proof of equivocation that is news makes necessary to store.
    pub fn equivocation(proof: &EquivocationProof) -> Persist {
        Persist { equivocation: Some(proof.encode().into()), ..Persist::default() }
    }
}

impl Stored {
    /// What is stored after a change: what a store does with a [`Persist`].
    pub fn apply(&mut self, persist: Persist) {
        if let Some(epoch) = persist.remove_records_from {
            self.records.split_off(&epoch);
        }
        self.records.extend(persist.records);
        let replace = |piece: &mut Option<Bytes>, new: Option<Bytes>| {
            if new.is_some() {
                *piece = new;
            }
        };
        replace(&mut self.head, persist.head);
        replace(&mut self.head_certificate, persist.head_certificate);
        replace(&mut self.document, persist.document);
        replace(&mut self.equivocation, persist.equivocation);
        let overwrite = |piece: &mut Bytes, new: Option<Bytes>| {
            if let Some(new) = new {
                *piece = new;
            }
        };
        overwrite(&mut self.fence, persist.fence);
        overwrite(&mut self.revocations, persist.revocations);
        overwrite(&mut self.freshness, persist.freshness);
    }
}

impl Authority {
    /// Everything to be stored; for the first time, or to compare.
    pub fn stored(&self) -> Stored {
        Stored {
            genesis: self.chain.genesis().encode().into(),
            records: self
                .chain
                .links()
                .map(|link| (link.term().epoch, link.record().encode().into()))
                .collect(),
            head: self.newest.as_ref().map(|held| held.signed.encode().into()),
            head_certificate: self.newest.as_ref().map(|held| held.certificate.encode().into()),
            document: self.document.as_ref().map(|held| held.bytes.clone()),
            fence: self.fence.encode().into(),
            revocations: self.revocations.encode().into(),
            freshness: self.freshness.stored().into(),
            equivocation: self.equivocation.as_ref().map(|proof| proof.encode().into()),
        }
    }

    /// What is to be stored of the heartbeats, at least once a minute:
    /// see [`Freshness::STORE_INTERVAL`].
    pub fn persist_freshness(&self) -> Persist {
        Persist { freshness: Some(self.freshness.stored().into()), ..Persist::default() }
    }

    /// The authority that was stored. Everything is verified again: a store that somebody touched,
    /// or that lost a part, is not believed.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn restore(stored: &Stored) -> Result<Authority, RestoreError> {
        let genesis = piece("genesis", Genesis::decode(&stored.genesis))?;
        let mut records = Vec::with_capacity(stored.records.len());
        for record in stored.records.values() {
            records.push(piece("proof record", ProofRecord::decode(record))?);
        }
        let mut authority = Authority::new(genesis, &records)?;
        let fence = piece("fence", Fence::decode(&stored.fence))?;
        if let Some((term, seq)) = fence.term().map(|term| (*term, fence.seq())) {
            authority.fence.raise(term, seq);
        }
        authority.revocations = piece("revocations", Revocations::decode(&stored.revocations))?;
        authority.freshness = piece("freshness", Freshness::restore(&stored.freshness))?;
        authority.restore_head(stored)?;
        if let Some(bytes) = &stored.equivocation {
            let proof = piece("equivocation", EquivocationProof::decode(bytes))?;
            // One of an earlier term proves nothing about this one and is passed over.
            let _ = authority.consider_equivocation(&proof);
        }
        Ok(authority)
    }

    fn restore_head(&mut self, stored: &Stored) -> Result<(), RestoreError> {
        let Some(bytes) = &stored.head else { return Ok(()) };
        let signed = piece("head", SignedHead::decode(bytes))?;
        let certificate = match &stored.head_certificate {
            Some(bytes) => piece("head's certificate", SignedCertificate::decode(bytes))?,
            None => return Err(RestoreError::Head),
        };
        let claims = certificate.verify().map_err(|_| RestoreError::Head)?;
        let head = signed.verify(&claims.origin).map_err(|_| RestoreError::Head)?;
        let term = claims.term();
        let is_proven = head.cluster == self.cluster()
            && claims.cluster == self.cluster()
            && head.epoch == claims.epoch
            && head.certificate == term.certificate;
        if !is_proven {
            return Err(RestoreError::Head);
        }
        let bytes = stored.document.clone().ok_or(RestoreError::Document)?;
        let hash = Document::hash_of(&bytes);
        if hash != head.document {
            return Err(RestoreError::Document);
        }
        let document = piece("document", Document::decode(&bytes))?;
        self.document = Some(HeldDocument { hash, bytes, document });
        if term == *self.term() {
            self.remember(head.seq, &signed);
        }
        // A head that was stored was accepted, whatever became of the fence beside it.
        self.fence.raise(term, head.seq);
        let hash = signed.hash();
        self.newest = Some(HeldHead { signed, head, hash, term, certificate });
        Ok(())
    }
}

fn piece<T>(what: &'static str, decoded: Result<T, DecodeError>) -> Result<T, RestoreError> {
    decoded.map_err(|error| RestoreError::Malformed { what, error })
}

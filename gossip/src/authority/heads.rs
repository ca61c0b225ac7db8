//! Heads from peers: considered, then accepted.

use bytes::Bytes;
use mirrormesh_merkle::Hash;

use super::{Authority, HeldDocument, HeldHead, Persist, Refusal};
use crate::document::{Document, DocumentError};
use crate::equivocation::EquivocationProof;
use crate::head::{Head, SignedHead};
use crate::key::NodeId;
use crate::proof::ProofLink;

/// What a head that is not refused means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made, matched and dropped at once")]
pub enum HeadVerdict {
    /// Proven, and above the fence. Apply it and pass it on.
    Newer(Head),
    /// The newest one held, or one of the last. Nothing to do, nothing to pass on.
    Known,
    /// Proven but for its document: get the one with this hash and consider again.
    NeedDocument(Hash),
    /// Of a certificate not known here, which may outrank the present one: ask who sent it for
    /// the records from this epoch on. Nothing about such a head is verified: at most one such
    /// question to a peer should be open.
    NeedProof(u64),
}

/// A head that passed every check.
struct Checked {
    head: Head,
    hash: Hash,
    /// Absent if the document held is the one it names.
    document: Option<HeldDocument>,
    newly_revoked: Vec<NodeId>,
}

/// How far the checks came.
enum Outcome {
    Known,
    NeedProof(u64),
    NeedDocument(Hash),
    Contradiction(EquivocationProof),
    Passed(Box<Checked>),
}

impl Authority {
    /// Judges a head. `document` is needed when the head names another one than is held; a verdict
    /// of [`HeadVerdict::NeedDocument`] asks for it. The fence does not move.
    ///
    /// # Errors
    /// See [`Refusal`]; of them only [`Refusal::Equivocation`] changes state.
    pub fn consider_head(
        &mut self,
        signed: &SignedHead,
        document: Option<&[u8]>,
    ) -> Result<HeadVerdict, Refusal> {
        match self.check(signed, document)? {
            Outcome::Known => Ok(HeadVerdict::Known),
            Outcome::NeedProof(epoch) => Ok(HeadVerdict::NeedProof(epoch)),
            Outcome::NeedDocument(hash) => Ok(HeadVerdict::NeedDocument(hash)),
            Outcome::Contradiction(proof) => {
                self.equivocation = Some(proof.clone());
                Err(Refusal::Equivocation(Box::new(proof)))
            }
            Outcome::Passed(checked) => {
                if checked.document.is_some() {
                    self.considered = checked.document;
                }
                Ok(HeadVerdict::Newer(checked.head))
            }
        }
    }

    /// What a head says, if the origin of the present term signed it in this term. Where it stands
    /// among the heads that are known is not judged.
    pub fn signed_in_term(&self, signed: &SignedHead) -> Option<Head> {
        let claimed = signed.peek().ok()?;
        let is_of_term = claimed.cluster == self.cluster()
            && claimed.certificate == self.term().certificate
            && claimed.epoch == self.term().epoch
            && claimed.origin == *self.origin();
        signed.verify(self.origin()).ok().filter(|_| is_of_term)
    }

    /// What accepting this head will make necessary to store. Nothing changes: the caller stores
    /// this, then accepts. `document` may be left out after the head was considered with it.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing changes.
    pub fn prepare(
        &self,
        signed: &SignedHead,
        document: Option<&[u8]>,
    ) -> Result<Persist, Refusal> {
        let checked = self.passed(signed, document)?;
        Ok(self.persist_of(signed, &checked))
    }

    /// Takes a head: it becomes the newest, its document the one in force, and the fence rises to
    /// it. Returns the same as [`Authority::prepare`]; whichever of the two the caller stores, it
    /// must be durable before a byte leaves the node that shows the head as taken.
    ///
    /// # Errors
    /// See [`Refusal`]; of them only [`Refusal::Equivocation`] changes state: another head with its
    /// number was accepted since it was considered.
    pub fn accept(
        &mut self,
        signed: &SignedHead,
        document: Option<&[u8]>,
    ) -> Result<Persist, Refusal> {
        let checked = self.passed(signed, document).inspect_err(|refusal| {
            if let Refusal::Equivocation(proof) = refusal {
                self.equivocation = Some(EquivocationProof::clone(proof));
            }
        })?;
        let persist = self.persist_of(signed, &checked);
        let Checked { head, hash, document, newly_revoked } = checked;
        let term = *self.term();
        self.fence.raise(term, head.seq);
        self.revocations.merge(&newly_revoked);
        if document.is_some() {
            self.document = document;
        }
        self.considered = None;
        self.remember(head.seq, signed);
        let certificate = self.chain.tip().record().certificate.clone();
        self.newest = Some(HeldHead { signed: signed.clone(), head, hash, term, certificate });
        Ok(persist)
    }

    /// Judges a proof of equivocation from a peer. True if it is news: the caller stores
    /// [`Persist::equivocation`] and passes it on.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing changes.
    pub fn consider_equivocation(&mut self, proof: &EquivocationProof) -> Result<bool, Refusal> {
        if self.equivocation.is_some() {
            return Ok(false);
        }
        let claimed = proof.heads().0.peek()?;
        if claimed.cluster != self.cluster() {
            return Err(Refusal::ForeignCluster);
        }
        if claimed.certificate != self.term().certificate || claimed.epoch != self.term().epoch {
            return Err(Refusal::BelowFence);
        }
        proof.verify(self.origin()).map_err(Refusal::NoEquivocation)?;
        self.equivocation = Some(proof.clone());
        Ok(true)
    }

    /// All checks of [`Authority::consider_head`], without a change of state.
    fn check(&self, signed: &SignedHead, document: Option<&[u8]>) -> Result<Outcome, Refusal> {
        // The same bytes were proven before, so whatever signature comes with them is of no matter.
        if self.newest.as_ref().is_some_and(|held| held.signed.bytes == signed.bytes) {
            return Ok(Outcome::Known);
        }
        let claimed = signed.peek()?;
        if claimed.cluster != self.cluster() {
            return Err(Refusal::ForeignCluster);
        }
        let tip = self.chain.tip();
        if claimed.certificate != tip.term().certificate {
            return self.check_other_certificate(&claimed, tip);
        }
        if claimed.epoch != tip.term().epoch || claimed.origin != tip.certificate().origin {
            return Err(Refusal::WrongOrigin { signer: claimed.origin });
        }
        if self.revocations.contains(&claimed.origin) {
            return Err(Refusal::Revoked { key: claimed.origin });
        }
        let head = signed.verify(&claimed.origin)?;
        let hash = signed.hash();
        if let Some(outcome) = self.check_contradiction(signed, &head) {
            return Ok(outcome);
        }
        if let Some(proof) = &self.equivocation {
            return Err(Refusal::Equivocation(Box::new(proof.clone())));
        }
        if !self.fence.admits(tip.term(), head.seq) {
            return Err(Refusal::BelowFence);
        }
        let document = match self.check_document(&head, document)? {
            DocumentState::Held => None,
            DocumentState::Given(held) => Some(*held),
            DocumentState::Missing => return Ok(Outcome::NeedDocument(head.document)),
        };
        let newly_revoked = document
            .as_ref()
            .map(|held| self.revocations.news_in(&held.document))
            .unwrap_or_default();
        if !self.revocations.fits(&newly_revoked) {
            return Err(Refusal::TooManyRevoked);
        }
        Ok(Outcome::Passed(Box::new(Checked { head, hash, document, newly_revoked })))
    }

    /// A head under another certificate than the present one.
    fn check_other_certificate(&self, claimed: &Head, tip: &ProofLink) -> Result<Outcome, Refusal> {
        let is_former = self.chain.find(&claimed.certificate).is_some();
        if is_former || claimed.epoch < tip.term().epoch {
            Err(Refusal::BelowFence)
        } else if claimed.epoch == tip.term().epoch {
            // A certificate of the same epoch may outrank ours.
            Ok(Outcome::NeedProof(claimed.epoch))
        } else {
            Ok(Outcome::NeedProof(tip.term().epoch + 1))
        }
    }

    /// A head with a number that one of the last heads has too: the same, or a contradiction.
    fn check_contradiction(&self, signed: &SignedHead, head: &Head) -> Option<Outcome> {
        let held = self.recent.get(&head.seq)?;
        match EquivocationProof::of(held, signed) {
            Some(proof) => Some(Outcome::Contradiction(proof)),
            None => Some(Outcome::Known),
        }
    }

    fn check_document(&self, head: &Head, given: Option<&[u8]>) -> Result<DocumentState, Refusal> {
        if self.document.as_ref().is_some_and(|held| held.hash == head.document) {
            return Ok(DocumentState::Held);
        }
        if let Some(held) = self.considered.as_ref().filter(|held| held.hash == head.document) {
            return Ok(DocumentState::Given(Box::new(held.clone())));
        }
        let Some(bytes) = given else { return Ok(DocumentState::Missing) };
        if bytes.len() > Document::MAX_ENCODED || Document::hash_of(bytes) != head.document {
            return Err(Refusal::WrongDocument);
        }
        let document = Document::decode(bytes)
            .map_err(DocumentError::from)
            .and_then(|document| document.validate().map(|()| document))
            .map_err(Refusal::BadDocument)?;
        // An origin that revokes itself, or makes itself a replica, would publish nothing after.
        if !document.may_publish(&head.origin) {
            let id = head.origin;
            return Err(Refusal::BadDocument(DocumentError::OriginNotCandidate { id }));
        }
        let bytes = Bytes::copy_from_slice(bytes);
        let held = HeldDocument { hash: head.document, bytes, document };
        Ok(DocumentState::Given(Box::new(held)))
    }

    /// The checks, for callers to whom anything but a pass is a refusal.
    fn passed(&self, signed: &SignedHead, document: Option<&[u8]>) -> Result<Checked, Refusal> {
        match self.check(signed, document)? {
            Outcome::Passed(checked) => Ok(*checked),
            Outcome::Known => Err(Refusal::BelowFence),
            Outcome::NeedProof(_) | Outcome::NeedDocument(_) => Err(Refusal::NotProven),
            Outcome::Contradiction(proof) => Err(Refusal::Equivocation(Box::new(proof))),
        }
    }

    fn persist_of(&self, signed: &SignedHead, checked: &Checked) -> Persist {
        let mut fence = self.fence;
        fence.raise(*self.term(), checked.head.seq);
        let revocations = (!checked.newly_revoked.is_empty()).then(|| {
            let mut revocations = self.revocations.clone();
            revocations.merge(&checked.newly_revoked);
            revocations.encode().into()
        });
        let certificate = (!self.has_head_of_term())
            .then(|| self.chain.tip().record().certificate.encode().into());
        Persist {
            head: Some(signed.encode().into()),
            head_certificate: certificate,
            document: checked.document.as_ref().map(|held| held.bytes.clone()),
            fence: Some(fence.encode().into()),
            revocations,
            ..Persist::default()
        }
    }
}

enum DocumentState {
    Held,
    Given(Box<HeldDocument>),
    Missing,
}

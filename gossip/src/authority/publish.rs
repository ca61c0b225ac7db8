//! The origin's side: publishing.

use mirrormesh_merkle::Hash;

use super::{Authority, HeldDocument, HeldHead, Persist, PublishError};
use crate::document::{Document, DocumentError};
use crate::head::{Head, SignedHead};
use crate::key::SecretKey;
use crate::sequence::Sequence;
use crate::time::Wall;

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Root hash of the docroot's tree.
    pub root: Hash,
    /// Files in it.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Hash of the delta from the newest head; [`Hash::ZERO`] if none is offered.
    pub delta: Hash,
    /// A changed document, made by [`Authority::document_draft`]; none if it stays.
    pub document: Option<Document>,
    /// Whether this head is a drop in files that an admin confirmed. Else it carries on what the
    /// newest head says of the newest confirmed drop.
    pub confirms_drop: bool,
    /// See [`Head::flags`].
    pub flags: u32,
    /// Now, by this node's clock. For display.
    pub wall: Wall,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The head as it travels.
    pub signed: SignedHead,
    /// What it says.
    pub head: Head,
    /// What to store. The head may leave before this is durable: its number was reserved durably,
    /// so no restart can repeat it with another content. A changed document or a revocation must
    /// be durable first: it is never to be taken back.
    pub persist: Persist,
}

impl Authority {
    /// The document in force with the next version and every revocation this node knows: what a
    /// change begins with.
    pub fn document_draft(&self) -> Option<Document> {
        let mut draft = self.document()?.draft();
        for key in self.revocations.iter() {
            draft.revoke(*key);
        }
        Some(draft)
    }

    /// Publishes as origin: signs the next head and takes it.
    ///
    /// # Errors
    /// See [`PublishError`]; nothing changes and no number is used.
    pub fn publish(
        &mut self,
        key: &SecretKey,
        publish: Publish,
        sequence: &mut Sequence,
    ) -> Result<Publication, PublishError> {
        self.check_origin(key)?;
        if self.equivocation.is_some() {
            return Err(PublishError::Equivocation);
        }
        let document = publish.document.as_ref().map(|new| self.check_change(new)).transpose()?;
        let document_hash = document.as_ref().or(self.document.as_ref()).map(|held| held.hash);
        let document_hash = document_hash.ok_or(PublishError::NoDocument)?;
        sequence.raise_above(self.number_to_exceed());
        let seq = sequence.next().ok_or(PublishError::NoNumber)?;
        let term = *self.term();
        let carried = self.newest.as_ref().and_then(|held| held.head.confirmed_drop);
        let head = Head {
            cluster: self.cluster(),
            epoch: term.epoch,
            seq,
            root: publish.root,
            files: publish.files,
            bytes: publish.bytes,
            document: document_hash,
            certificate: term.certificate,
            delta: publish.delta,
            previous: self.newest.as_ref().map_or(Hash::ZERO, |held| held.hash),
            confirmed_drop: if publish.confirms_drop { Some((term.epoch, seq)) } else { carried },
            flags: publish.flags,
            time: publish.wall,
            origin: *self.origin(),
        };
        let signed = SignedHead::sign(&head, key);
        let persist = self.take_own(&signed, &head, document);
        Ok(Publication { signed, head, persist })
    }

    /// Numbers go on across terms, for people; but a broken origin of the past that used up the
    /// numbers of its own term must not use up those of the next.
    fn number_to_exceed(&self) -> u64 {
        let newest = self.newest.as_ref();
        newest
            .filter(|held| held.term == *self.term() || held.head.seq < Authority::MAX_CARRIED)
            .map_or(0, |held| held.head.seq)
    }

    /// Whether the holder of this key may publish in the present term.
    pub(super) fn check_origin(&self, key: &SecretKey) -> Result<(), PublishError> {
        let origin = *self.origin();
        if key.public() != origin {
            Err(PublishError::NotOrigin { origin })
        } else if self.revocations.contains(&origin) {
            Err(PublishError::Revoked)
        } else {
            Ok(())
        }
    }

    /// Whether a changed document may be published after the one in force.
    fn check_change(&self, new: &Document) -> Result<HeldDocument, DocumentError> {
        new.validate()?;
        new.validate_publishable(self.origin())?;
        if let Some(held) = &self.document {
            new.validate_successor(&held.document)?;
        }
        if let Some(id) = self.revocations.iter().find(|key| !new.revokes(key)) {
            return Err(DocumentError::RevocationLost { id: *id });
        }
        if !self.revocations.fits(&new.revoked) {
            let limit = crate::Revocations::MAX;
            return Err(DocumentError::TooMany { what: "revoked keys", limit });
        }
        let bytes = new.encode().into();
        Ok(HeldDocument { hash: new.hash(), bytes, document: new.clone() })
    }

    /// Takes a head that this node has just signed: nothing about it needs proof.
    fn take_own(
        &mut self,
        signed: &SignedHead,
        head: &Head,
        document: Option<HeldDocument>,
    ) -> Persist {
        let term = *self.term();
        let certificate = self.chain.tip().record().certificate.clone();
        let head_certificate = (!self.has_head_of_term()).then(|| certificate.encode().into());
        let revoked = document.as_ref().map(|held| self.revocations.news_in(&held.document));
        let revoked = revoked.unwrap_or_default();
        self.revocations.merge(&revoked);
        self.fence.raise(term, head.seq);
        self.remember(head.seq, signed);
        let hash = signed.hash();
        let (signed, head) = (signed.clone(), head.clone());
        let persist = Persist {
            head: Some(signed.encode().into()),
            head_certificate,
            document: document.as_ref().map(|held| held.bytes.clone()),
            fence: Some(self.fence.encode().into()),
            revocations: (!revoked.is_empty()).then(|| self.revocations.encode().into()),
            ..Persist::default()
        };
        self.newest = Some(HeldHead { signed, head, hash, term, certificate });
        if document.is_some() {
            self.document = document;
        }
        persist
    }
}

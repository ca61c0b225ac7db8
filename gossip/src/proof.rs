//! The proof chain: why the present origin may publish.
//!
//! Purpose: from the genesis (or from the last epoch a node knows) to the present term, one record
//! an epoch: the certificate, the head it goes on from, and the document of that head, by which the
//! certificate is judged.
//!
//! State: the verified records of one lineage, from the founding certificate to the present one.
//!
//! Invariants: never empty; every certificate's base head was published under the certificate
//! before it; epochs rise; at most [`ProofChain::MAX_RECORDS`] records, and records with one and
//! the same document share its bytes.
//!
//! A certificate is judged by its base's document; by the newest document that the judge holds, if
//! that is newer than the base (a candidate that was demoted after the base must not come back by
//! an old one); and by every revocation the judge knows. Records that are in the chain already are
//! not judged again: the chain of a cluster whose first origin was removed long ago must still hold.
//!
//! Never prefers one chain to another: [`crate::Authority`] compares terms.

mod judge;

pub use judge::Judge;

use std::collections::BTreeSet;

use bytes::Bytes;
use mirrormesh_merkle::Hash;

use crate::certificate::{Certificate, CertificateKind, SignedCertificate};
use crate::codec::{DecodeError, Reader, Writer};
use crate::document::{Document, DocumentError};
use crate::genesis::{ClusterId, Genesis};
use crate::head::{Head, SignedHead};
use crate::key::NodeId;
use crate::signed::SignedError;
use crate::term::Term;

/// Why a proof is not believed. The chain stays as it was in every case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A certificate or base head is malformed or not signed by whom it must be. The peer that sent
    /// it is broken or hostile.
    #[error("the proof of epoch {epoch} does not hold: {error}")]
    Signed {
        /// The epoch (0 if not even that could be read).
        epoch: u64,
        /// What is wrong.
        error: SignedError,
    },
    /// It belongs to another cluster. The peer is not of ours.
    #[error("the proof belongs to another cluster")]
    ForeignCluster,
    /// There is no founding record, or it is not this cluster's. The store is damaged: join again.
    #[error("the proof does not begin with this cluster's founding certificate")]
    NotFounding,
    /// It goes on from a certificate that is not known here. Ask again for all records.
    #[error("the proof of epoch {epoch} goes on from a certificate that is not known here")]
    Detached {
        /// The epoch.
        epoch: u64,
    },
    /// The base head or its document is missing, or is not the one that the certificate names.
    #[error("the proof of epoch {epoch} does not contain its base")]
    WrongBase {
        /// The epoch.
        epoch: u64,
    },
    /// The base's document is not a valid one.
    #[error("the base document of epoch {epoch}: {error}")]
    Document {
        /// The epoch.
        epoch: u64,
        /// What is wrong.
        error: DocumentError,
    },
    /// Its key is revoked. The node with that key has been removed from the cluster.
    #[error("the certificate of epoch {epoch} is by {origin}, whose key is revoked")]
    Revoked {
        /// The epoch.
        epoch: u64,
        /// The key.
        origin: NodeId,
    },
    /// The node was no candidate. Make it one on the origin, or promote another.
    #[error("the certificate of epoch {epoch} is by {origin}, which is no candidate")]
    NotCandidate {
        /// The epoch.
        epoch: u64,
        /// The node.
        origin: NodeId,
    },
    /// The policy does not allow certificates of this kind.
    #[error("the promotion policy does not allow the certificate of epoch {epoch}")]
    PolicyForbids {
        /// The epoch.
        epoch: u64,
    },
    /// Not enough voters signed it.
    #[error("the certificate of epoch {epoch} has no majority of the voters")]
    NoMajority {
        /// The epoch.
        epoch: u64,
    },
    /// The chain would be too long. Found a new cluster and join the members to it.
    #[error("more than {limit} epochs")]
    TooLong {
        /// The most that is allowed.
        limit: usize,
    },
}

/// What proves one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofRecord {
    /// The certificate.
    pub certificate: SignedCertificate,
    /// The head it goes on from; none for the founding one.
    pub base_head: Option<SignedHead>,
    /// The encoded document of that head; empty for the founding one.
    pub base_document: Bytes,
}

impl ProofRecord {
    /// Longest encoding in bytes.
    pub const MAX_ENCODED: usize =
        8 + SignedCertificate::MAX_ENVELOPE + SignedHead::MAX_ENVELOPE + Document::MAX_ENCODED;

    /// The record of a founding certificate.
    pub const fn founding(certificate: SignedCertificate) -> ProofRecord {
        ProofRecord { certificate, base_head: None, base_document: Bytes::new() }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        self.certificate.write(&mut writer);
        writer.optional(self.base_head.as_ref(), |writer, head| head.write(writer));
        writer.bytes(&self.base_document);
        writer.finish()
    }

    /// Reads the canonical encoding; what is in it is not verified.
    ///
    /// # Errors
    /// Any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<ProofRecord, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("proof record", 1)?;
        let record = ProofRecord {
            certificate: SignedCertificate::read(&mut reader)?,
            base_head: reader.optional("base head", SignedHead::read)?,
            base_document: Bytes::copy_from_slice(
                reader.bytes("base document", Document::MAX_ENCODED)?,
            ),
        };
        reader.finish()?;
        if record.base_head.is_some() == record.base_document.is_empty() {
            return Err(DecodeError::NotValid { what: "base" });
        }
        Ok(record)
    }
}

/// A record that was verified, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofLink {
    record: ProofRecord,
    certificate: Certificate,
    term: Term,
}

impl ProofLink {
    /// The record, to be served and stored.
    pub const fn record(&self) -> &ProofRecord {
        &self.record
    }

    /// What the certificate says.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its rank.
    pub const fn term(&self) -> &Term {
        &self.term
    }
}

/// The verified records of a lineage. See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofChain {
    genesis: Genesis,
    cluster: ClusterId,
    founding: ProofLink,
    later: Vec<ProofLink>,
}

impl ProofChain {
    /// Most records.
    pub const MAX_RECORDS: usize = 4_096;

    /// A chain out of all its records, as a joiner gets them or a store kept them.
    ///
    /// # Errors
    /// See [`ProofError`].
    pub fn verify(genesis: Genesis, records: &[ProofRecord]) -> Result<ProofChain, ProofError> {
        let (first, rest) = records.split_first().ok_or(ProofError::NotFounding)?;
        let certificate =
            first.certificate.verify().map_err(|error| ProofError::Signed { epoch: 1, error })?;
        let cluster = genesis.cluster_id();
        if certificate.cluster != cluster {
            return Err(ProofError::ForeignCluster);
        }
        if certificate.kind != CertificateKind::Founding
            || certificate.origin != genesis.founder
            || first.base_head.is_some()
            || !first.base_document.is_empty()
        {
            return Err(ProofError::NotFounding);
        }
        let term = certificate.term();
        let founding = ProofLink { record: first.clone(), certificate, term };
        let chain = ProofChain { genesis, cluster, founding, later: Vec::new() };
        chain.extended(rest, &Judge::nobody())
    }

    /// The chain that `records` lead to: those that are in this chain already are passed over, the
    /// first new one may go on from any certificate in it, each later one from the one before.
    ///
    /// # Errors
    /// See [`ProofError`].
    pub fn extended(
        &self,
        records: &[ProofRecord],
        judge: &Judge<'_>,
    ) -> Result<ProofChain, ProofError> {
        let known: BTreeSet<Hash> = self.links().map(|link| link.term.certificate).collect();
        let mut new =
            records.iter().skip_while(|record| known.contains(&record.certificate.hash()));
        let Some(first) = new.next() else { return Ok(self.clone()) };
        let mut chain = self.clone();
        let parent = parent_of(first)?;
        let position = chain
            .links()
            .position(|link| link.term.certificate == parent)
            .ok_or_else(|| ProofError::Detached { epoch: epoch_of(first) })?;
        chain.later.truncate(position);
        chain.push(first, judge)?;
        for record in new {
            chain.push(record, judge)?;
        }
        Ok(chain)
    }

    /// The present certificate.
    pub fn tip(&self) -> &ProofLink {
        self.later.last().unwrap_or(&self.founding)
    }

    /// The cluster.
    pub const fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The genesis.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// All links from the founding one on.
    pub fn links(&self) -> impl Iterator<Item = &ProofLink> {
        std::iter::once(&self.founding).chain(&self.later)
    }

    /// The link of a certificate.
    pub fn find(&self, certificate: &Hash) -> Option<&ProofLink> {
        self.links().find(|link| link.term.certificate == *certificate)
    }

    /// The records of this epoch and later ones, to be served.
    pub fn records_from(&self, epoch: u64) -> impl Iterator<Item = &ProofRecord> {
        self.links().filter(move |link| link.term.epoch >= epoch).map(ProofLink::record)
    }

    /// Verifies one more record that goes on from the tip.
    fn push(&mut self, record: &ProofRecord, judge: &Judge<'_>) -> Result<(), ProofError> {
        if self.later.len() + 1 >= ProofChain::MAX_RECORDS {
            return Err(ProofError::TooLong { limit: ProofChain::MAX_RECORDS });
        }
        let epoch = epoch_of(record);
        let certificate =
            record.certificate.verify().map_err(|error| ProofError::Signed { epoch, error })?;
        if certificate.cluster != self.cluster {
            return Err(ProofError::ForeignCluster);
        }
        if parent_of(record)? != self.tip().term.certificate {
            return Err(ProofError::Detached { epoch });
        }
        let (base, document) = verify_base(&certificate, record, self.tip())?;
        let position = (*self.tip().term(), base.seq);
        judge.allows(record, &certificate, &document, position)?;
        let term = certificate.term();
        let record = self.shared(record);
        self.later.push(ProofLink { record, certificate, term });
        Ok(())
    }

    /// The record with its document's bytes shared with the tip's, if they are equal.
    fn shared(&self, record: &ProofRecord) -> ProofRecord {
        let held = &self.tip().record.base_document;
        let equal = *held == record.base_document;
        let base_document = if equal { held.clone() } else { record.base_document.clone() };
        ProofRecord { base_document, ..record.clone() }
    }
}

/// Hash of the certificate under which the record's base head says it was published.
fn parent_of(record: &ProofRecord) -> Result<Hash, ProofError> {
    let epoch = epoch_of(record);
    let base = record.base_head.as_ref().ok_or(ProofError::WrongBase { epoch })?;
    let head = base.peek().map_err(|error| ProofError::Signed { epoch, error })?;
    Ok(head.certificate)
}

/// The epoch that a record claims, for messages.
fn epoch_of(record: &ProofRecord) -> u64 {
    Certificate::decode(&record.certificate.bytes).map_or(0, |certificate| certificate.epoch)
}

/// The base head and its document, if they are what the certificate names and `parent`'s origin
/// signed.
fn verify_base(
    certificate: &Certificate,
    record: &ProofRecord,
    parent: &ProofLink,
) -> Result<(Head, Document), ProofError> {
    let epoch = certificate.epoch;
    let wrong = ProofError::WrongBase { epoch };
    let Some(signed) = &record.base_head else { return Err(wrong) };
    let head = signed
        .verify(&parent.certificate.origin)
        .map_err(|error| ProofError::Signed { epoch, error })?;
    let is_named = signed.hash() == certificate.base.head
        && head.position() == certificate.base.position()
        && head.cluster == certificate.cluster
        && head.epoch == parent.term.epoch
        && Document::hash_of(&record.base_document) == head.document;
    if !is_named {
        return Err(wrong);
    }
    let document = Document::decode(&record.base_document)
        .map_err(DocumentError::from)
        .and_then(|document| document.validate().map(|()| document))
        .map_err(|error| ProofError::Document { epoch, error })?;
    Ok((head, document))
}

#[cfg(test)]
mod tests;

//! Certificates: who may publish in an epoch.
//!
//! Purpose: the one thing that makes a node an origin. The candidate signs it; a voted one is
//! signed by voters too.
//!
//! Invariants: a certificate's hash covers what it says and no signature, so that heads can name
//! it whichever majority signed; voters' signatures are ascending by voter, without repetition;
//! only a founding certificate has no base.
//!
//! Never judges: whether its candidate was allowed to is [`crate::ProofChain`]'s question.

use bytes::Bytes;
use mirrormesh_merkle::Hash;

use crate::codec::{DecodeError, Reader, Writer, ascending};
use crate::genesis::{ClusterId, Genesis};
use crate::key::{NodeId, SecretKey, Signature};
use crate::signed::SignedError;
use crate::term::Term;
use crate::time::Wall;

const CANDIDATE_CONTEXT: &str = "mirrormesh certificate candidate v1";
const VOTE_CONTEXT: &str = "mirrormesh certificate vote v1";
const HASH_CONTEXT: &str = "mirrormesh certificate v1";

/// How a certificate came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertificateKind {
    /// By founding the cluster: epoch 1.
    Founding,
    /// By an admin's word (or after equivocation) at one candidate.
    Manual,
    /// By a majority of voters.
    Voted,
}

/// The head that a certificate goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Base {
    /// Its epoch.
    pub epoch: u64,
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub head: Hash,
}

impl Base {
    /// What a founding certificate has.
    pub const NONE: Base = Base { epoch: 0, seq: 0, head: Hash::ZERO };

    /// Epoch and number.
    pub const fn position(&self) -> (u64, u64) {
        (self.epoch, self.seq)
    }
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The cluster.
    pub cluster: ClusterId,
    /// The epoch, from 1.
    pub epoch: u64,
    /// Who may publish.
    pub origin: NodeId,
    /// How it came about.
    pub kind: CertificateKind,
    /// The head it goes on from.
    pub base: Base,
    /// Why, for people: at most 200 bytes without control characters.
    pub reason: String,
    /// When, by the candidate's clock. For display.
    pub time: Wall,
}

impl Certificate {
    /// Longest reason in bytes.
    pub const MAX_REASON: usize = 200;
    /// Most epochs that a certificate may lie above its base: epochs can be lost, but not so many,
    /// and nobody shall use them up.
    pub const MAX_STEP: u64 = 1 << 20;
    /// Longest encoding in bytes, signatures apart.
    pub const MAX_ENCODED: usize = 384;

    /// The founder's right to publish in epoch 1.
    pub fn founding(genesis: &Genesis) -> Certificate {
        Certificate {
            cluster: genesis.cluster_id(),
            epoch: 1,
            origin: genesis.founder,
            kind: CertificateKind::Founding,
            base: Base::NONE,
            reason: String::new(),
            time: genesis.created,
        }
    }

    /// The hash that heads name.
    pub fn hash(&self) -> Hash {
        Hash::derive(HASH_CONTEXT, &self.encode())
    }

    /// Its rank.
    pub fn term(&self) -> Term {
        Term {
            epoch: self.epoch,
            voted: self.kind == CertificateKind::Voted,
            base: self.base.position(),
            certificate: self.hash(),
        }
    }

    /// Whether a certificate may have this reason.
    pub fn is_reason(reason: &str) -> bool {
        reason.len() <= Certificate::MAX_REASON && !reason.chars().any(char::is_control)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        writer.fixed(self.cluster.as_bytes());
        writer.number(self.epoch);
        writer.node(&self.origin);
        writer.byte(match self.kind {
            CertificateKind::Founding => 0,
            CertificateKind::Manual => 1,
            CertificateKind::Voted => 2,
        });
        writer.number(self.base.epoch);
        writer.number(self.base.seq);
        writer.hash(&self.base.head);
        writer.text(&self.reason);
        writer.wall(self.time);
        writer.finish()
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// Any other bytes; an epoch, kind and base that do not go together.
    pub fn decode(bytes: &[u8]) -> Result<Certificate, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("certificate", 1)?;
        let certificate = Certificate {
            cluster: ClusterId::from_bytes(reader.fixed()?),
            epoch: reader.number()?,
            origin: reader.unchecked_node()?,
            kind: match reader.byte()? {
                0 => CertificateKind::Founding,
                1 => CertificateKind::Manual,
                2 => CertificateKind::Voted,
                value => return Err(DecodeError::UnknownKind { what: "certificate", value }),
            },
            base: Base { epoch: reader.number()?, seq: reader.number()?, head: reader.hash()? },
            reason: reader.text("reason", Certificate::MAX_REASON)?.to_owned(),
            time: reader.wall()?,
        };
        reader.finish()?;
        let is_sound = match certificate.kind {
            CertificateKind::Founding => certificate.epoch == 1 && certificate.base == Base::NONE,
            CertificateKind::Manual | CertificateKind::Voted => {
                let Base { epoch, seq, .. } = certificate.base;
                let step = certificate.epoch.saturating_sub(epoch);
                epoch >= 1 && seq >= 1 && (1..=Certificate::MAX_STEP).contains(&step)
            }
        };
        if !is_sound || !Certificate::is_reason(&certificate.reason) {
            return Err(DecodeError::NotValid { what: "certificate" });
        }
        Ok(certificate)
    }
}

/// A certificate as it travels, with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCertificate {
    /// Exactly what was signed.
    pub bytes: Bytes,
    /// The candidate's signature.
    pub candidate: Signature,
    /// Voters' signatures, ascending by voter.
    pub votes: Vec<(NodeId, Signature)>,
}

impl SignedCertificate {
    /// Most votes.
    pub const MAX_VOTES: usize = 7;
    /// Longest envelope in bytes.
    pub const MAX_ENVELOPE: usize =
        Certificate::MAX_ENCODED + 2 + 64 + 1 + SignedCertificate::MAX_VOTES * (32 + 64);

    /// Signs a certificate as its candidate.
    pub fn sign(certificate: &Certificate, key: &SecretKey) -> SignedCertificate {
        let bytes = certificate.encode();
        let candidate = key.sign(CANDIDATE_CONTEXT, &bytes);
        SignedCertificate { bytes: Bytes::from(bytes), candidate, votes: Vec::new() }
    }

    /// A voter's signature. The caller has made its vote durable before this leaves.
    pub fn vote(certificate: &Certificate, key: &SecretKey) -> Signature {
        key.sign(VOTE_CONTEXT, &certificate.encode())
    }

    /// Adds a vote; one by the same voter is replaced. False, and nothing changes, if there are
    /// [`SignedCertificate::MAX_VOTES`] already.
    pub fn add_vote(&mut self, voter: NodeId, signature: Signature) -> bool {
        match self.votes.binary_search_by(|(other, _)| other.cmp(&voter)) {
            Ok(index) => self.votes[index].1 = signature,
            Err(_) if self.votes.len() >= SignedCertificate::MAX_VOTES => return false,
            Err(index) => self.votes.insert(index, (voter, signature)),
        }
        true
    }

    /// What it says, if its candidate signed it. Votes are [`SignedCertificate::has_vote_of`]'s.
    ///
    /// # Errors
    /// See [`SignedError`].
    pub fn verify(&self) -> Result<Certificate, SignedError> {
        let what = "certificate";
        let certificate = Certificate::decode(&self.bytes)
            .map_err(|error| SignedError::Malformed { what, error })?;
        certificate
            .origin
            .verify(CANDIDATE_CONTEXT, &self.bytes, &self.candidate)
            .map_err(|error| SignedError::BadSignature { what, error })?;
        Ok(certificate)
    }

    /// Whether this voter signed it.
    pub fn has_vote_of(&self, voter: &NodeId) -> bool {
        self.votes.iter().any(|(other, signature)| {
            other == voter && voter.verify(VOTE_CONTEXT, &self.bytes, signature).is_ok()
        })
    }

    /// The hash that heads name.
    pub fn hash(&self) -> Hash {
        Hash::derive(HASH_CONTEXT, &self.bytes)
    }

    /// The envelope.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads an envelope; the certificate in it is not looked at.
    ///
    /// # Errors
    /// Anything but what [`SignedCertificate::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<SignedCertificate, DecodeError> {
        let mut reader = Reader::new(bytes);
        let signed = SignedCertificate::read(&mut reader)?;
        reader.finish()?;
        Ok(signed)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.bytes);
        writer.signature(&self.candidate);
        writer.list(&self.votes, |writer, (voter, signature)| {
            writer.node(voter);
            writer.signature(signature);
        });
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<SignedCertificate, DecodeError> {
        let bytes = reader.bytes("certificate", Certificate::MAX_ENCODED)?;
        let bytes = Bytes::copy_from_slice(bytes);
        let candidate = reader.signature()?;
        let votes = reader.list("votes", SignedCertificate::MAX_VOTES, |reader| {
            Ok((reader.unchecked_node()?, reader.signature()?))
        })?;
        ascending("votes", &votes, |(voter, _)| *voter)?;
        Ok(SignedCertificate { bytes, candidate, votes })
    }
}

//! Heads: what the origin publishes.
//!
//! Purpose: one head states the whole docroot (its root hash) and the whole cluster document (its
//! hash) at one sequence number of one term.
//!
//! Invariants: the encoding is canonical and at most [`Head::MAX_ENCODED`] bytes, so that a head
//! fits everywhere; a head's hash covers all of it but the signature.
//!
//! Never carries what it names: trees, documents, deltas and certificates travel apart.

use mirrormesh_merkle::Hash;

use crate::codec::{DecodeError, Reader, Writer};
use crate::genesis::ClusterId;
use crate::key::NodeId;
use crate::signed::{Signable, Signed};
use crate::time::Wall;

/// A published state. See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The cluster.
    pub cluster: ClusterId,
    /// The term's epoch, from 1.
    pub epoch: u64,
    /// Number in the term, from 1; gaps are legal.
    pub seq: u64,
    /// Root hash of the docroot's tree.
    pub root: Hash,
    /// Files in the tree.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Hash of the cluster document.
    pub document: Hash,
    /// Hash of the certificate under which it is published.
    pub certificate: Hash,
    /// Hash of the delta from the previous head; [`Hash::ZERO`] if none is offered.
    pub delta: Hash,
    /// Hash of the previous head; [`Hash::ZERO`] for the very first.
    pub previous: Hash,
    /// Epoch and number of the newest head whose drop in files an admin confirmed.
    pub confirmed_drop: Option<(u64, u64)>,
    /// Bits: [`Head::SEALED`]. Others are kept and mean nothing yet.
    pub flags: u32,
    /// When, by the origin's clock. For display.
    pub time: Wall,
    /// Who signs it.
    pub origin: NodeId,
}

/// A head as it travels.
pub type SignedHead = Signed<Head>;

impl Head {
    /// Longest encoding in bytes; the envelope stays below 512.
    pub const MAX_ENCODED: usize = 384;
    /// Flag: the last head of its term, published before a switchover.
    pub const SEALED: u32 = 1;

    /// Epoch and number.
    pub const fn position(&self) -> (u64, u64) {
        (self.epoch, self.seq)
    }

    /// Whether this is the last head of its term.
    pub const fn is_sealed(&self) -> bool {
        self.flags & Head::SEALED != 0
    }

    /// Whether a drop was confirmed after `base` and up to this head, so that a replica at `base`
    /// may follow a large one.
    pub fn confirms_drop_since(&self, base: Option<&Head>) -> bool {
        self.confirmed_drop > base.map(Head::position)
    }
}

impl Signable for Head {
    const WHAT: &'static str = "head";
    const SIGNATURE_CONTEXT: &'static str = "mirrormesh head signature v1";
    const HASH_CONTEXT: &'static str = "mirrormesh head v1";
    const MAX_ENCODED: usize = Head::MAX_ENCODED;

    fn signer(&self) -> &NodeId {
        &self.origin
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        writer.fixed(self.cluster.as_bytes());
        writer.number(self.epoch);
        writer.number(self.seq);
        writer.hash(&self.root);
        writer.number(self.files);
        writer.number(self.bytes);
        writer.hash(&self.document);
        writer.hash(&self.certificate);
        writer.hash(&self.delta);
        writer.hash(&self.previous);
        writer.optional(self.confirmed_drop.as_ref(), |writer, (epoch, seq)| {
            writer.number(*epoch);
            writer.number(*seq);
        });
        writer.fixed(&self.flags.to_be_bytes());
        writer.wall(self.time);
        writer.node(&self.origin);
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Head, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("head", 1)?;
        let head = Head {
            cluster: ClusterId::from_bytes(reader.fixed()?),
            epoch: reader.number()?,
            seq: reader.number()?,
            root: reader.hash()?,
            files: reader.number()?,
            bytes: reader.number()?,
            document: reader.hash()?,
            certificate: reader.hash()?,
            delta: reader.hash()?,
            previous: reader.hash()?,
            confirmed_drop: reader
                .optional("confirmed drop", |reader| Ok((reader.number()?, reader.number()?)))?,
            flags: u32::from_be_bytes(reader.fixed()?),
            time: reader.wall()?,
            origin: reader.unchecked_node()?,
        };
        reader.finish()?;
        if head.epoch == 0 || head.seq == 0 {
            return Err(DecodeError::NotValid { what: "head position" });
        }
        if head.confirmed_drop > Some(head.position()) {
            return Err(DecodeError::NotValid { what: "confirmed drop" });
        }
        Ok(head)
    }
}

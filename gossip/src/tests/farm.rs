//! Nodes for the tests of proofs and authorities.

use bytes::Bytes;
use mirrormesh_merkle::Hash;

use super::{WALL, document, genesis, key};
use crate::{
    Authority, Document, Head, HeadVerdict, ProofRecord, Publication, Publish, PublishError,
    Refusal, SecretKey, Sequence, SignedHead, Stored,
};

/// A publication of a tree that is nothing but its number.
pub(crate) fn tree(root: u8) -> Publish {
    Publish {
        root: Hash::from_bytes([root; 32]),
        files: u64::from(root),
        bytes: 0,
        delta: Hash::ZERO,
        document: None,
        confirms_drop: false,
        flags: 0,
        wall: WALL,
    }
}

/// A sequence with a block at hand.
pub(crate) fn sequence() -> Sequence {
    let mut sequence = Sequence::new();
    let bound = sequence.reserve_next(1_000_000);
    sequence.made_durable(bound);
    sequence
}

/// A node: its key, its authority, its numbers.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) key: SecretKey,
    pub(crate) authority: Authority,
    pub(crate) sequence: Sequence,
}

impl Node {
    /// The founder (key 1), which has published [`document`] with tree 1.
    pub(crate) fn founder() -> Node {
        Node::founder_with(document())
    }

    pub(crate) fn founder_with(document: Document) -> Node {
        let authority = Authority::found(genesis(), &key(1)).unwrap();
        let mut node = Node { key: key(1), authority, sequence: sequence() };
        node.publish(Publish { document: Some(document), ..tree(1) });
        node
    }

    /// Another node that has joined and holds what `other` holds.
    pub(crate) fn beside(other: &Node, number: u8) -> Node {
        let mut node = Node::new(number);
        node.learn(other).unwrap();
        node
    }

    /// Another node that knows the founding record alone.
    pub(crate) fn new(number: u8) -> Node {
        let founder = Authority::found(genesis(), &key(1)).unwrap();
        let records: Vec<ProofRecord> = founder.chain().records_from(0).cloned().collect();
        let authority = Authority::new(genesis(), &records).unwrap();
        Node { key: key(number), authority, sequence: sequence() }
    }

    pub(crate) fn publish(&mut self, publish: Publish) -> Publication {
        self.try_publish(publish).unwrap()
    }

    pub(crate) fn try_publish(&mut self, publish: Publish) -> Result<Publication, PublishError> {
        self.authority.publish(&self.key, publish, &mut self.sequence)
    }

    /// Publishes a changed document with the same tree.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Document)) -> Publication {
        let mut draft = self.authority.document_draft().unwrap();
        change(&mut draft);
        self.publish(Publish { document: Some(draft), ..tree(1) })
    }

    /// Becomes origin of the next epoch by an admin's word.
    pub(crate) fn promote(&mut self) {
        self.authority.certify_manual(&self.key, "test", WALL).unwrap();
    }

    pub(crate) fn records(&self) -> Vec<ProofRecord> {
        self.authority.chain().records_from(0).cloned().collect()
    }

    pub(crate) fn signed_head(&self) -> SignedHead {
        self.authority.signed_head().unwrap().clone()
    }

    pub(crate) fn head(&self) -> &Head {
        self.authority.head().unwrap()
    }

    pub(crate) fn document_bytes(&self) -> Bytes {
        self.authority.document_bytes().unwrap().clone()
    }

    /// Offers this node a head with its document; takes it if it is newer.
    pub(crate) fn offer(
        &mut self,
        head: &SignedHead,
        document: &[u8],
    ) -> Result<HeadVerdict, Refusal> {
        let verdict = self.authority.consider_head(head, Some(document))?;
        if let HeadVerdict::Newer(_) = verdict {
            let prepared = self.authority.prepare(head, None)?;
            assert_eq!(self.authority.accept(head, None)?, prepared);
        }
        Ok(verdict)
    }

    /// Takes all records and the newest head of another node.
    pub(crate) fn learn(&mut self, other: &Node) -> Result<HeadVerdict, Refusal> {
        self.authority.consider_proof(&other.records()).unwrap();
        self.offer(&other.signed_head(), &other.document_bytes())
    }

    /// Restarts the node from what it stored.
    pub(crate) fn restart(&mut self) {
        let stored: Stored = self.authority.stored();
        let restarted = Authority::restore(&stored).unwrap();
        assert_eq!(restarted.stored(), stored);
        self.authority = restarted;
        self.sequence = Sequence::restart(self.sequence.durable_bound());
        let bound = self.sequence.reserve_next(1_000);
        self.sequence.made_durable(bound);
    }
}

/// A head as `number` could forge it, after `change`.
pub(crate) fn forged(node: &Node, number: u8, change: impl FnOnce(&mut Head)) -> SignedHead {
    let mut head = node.head().clone();
    change(&mut head);
    SignedHead::sign(&head, &key(number))
}

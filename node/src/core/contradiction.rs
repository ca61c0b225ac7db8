//! Two heads with one number: what a node does that is shown them.
//!
//! A replica keeps what it had, says so, and shows both to the origin, which begins a new term.

use mirrormesh_gossip::{EquivocationProof, NodeId};

use super::event::{ConnectionId, Effect};
use super::node::Node;
use super::note::Note;
use super::state;
use super::wire::{Frame, Push};
use crate::store::Batch;

impl Node {
    /// A head came that contradicts one that was taken.
    pub(super) fn contradicted(
        &mut self,
        connection: ConnectionId,
        peer: NodeId,
        proof: &EquivocationProof,
    ) {
        self.refuse(peer, "equivocation", "two heads with one number");
        if peer == *self.authority.origin() {
            self.show_contradiction(connection, proof);
        }
        // Only the first is news: every head of the term comes here from now on.
        if !self.warnings.contains_key("equivocation") {
            let mut batch = Batch::default();
            state::put(&mut batch, state::EQUIVOCATION, proof.encode());
            self.persist(batch, true, Vec::new());
            let seq = proof.heads().0.peek().map_or(0, |head| head.seq);
            self.warnings.insert(
                "equivocation",
                format!(
                    "the origin signed two different heads number {seq}; waiting for a new term"
                ),
            );
            self.note(Note::Equivocation { seq });
        }
        self.renew_term();
    }

    /// Shows the origin both heads: it begins a new term.
    fn show_contradiction(&mut self, connection: ConnectionId, proof: &EquivocationProof) {
        let (first, second) = proof.heads();
        for signed in [first, second] {
            let head = signed.encode().into();
            let push = Push { head, document: None, delta: None, inline: Vec::new() };
            self.out.push(Effect::Frame { connection, bytes: Frame::Push(push).encode() });
        }
    }
}

//! Numbers that no restart repeats.
//!
//! Purpose: two heads with one number under one key would be proof of equivocation, so a number may
//! be used only if no run of this node can use it again. Instead of a flush for every head, whole
//! blocks are reserved durably in advance.
//!
//! State: the next number; the bound below which numbers may be used (durable); the bound that the
//! caller was asked to make durable (reserved).
//!
//! Invariants: numbers rise strictly; only numbers below the durable bound are given out; after a
//! restart with the durable bound, numbering goes on at it. Gaps are legal.
//!
//! Never stores anything itself.

/// A source of rising numbers. See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    next: u64,
    durable: u64,
    reserved: u64,
}

impl Sequence {
    /// Numbers in a block.
    pub const BLOCK: u64 = 1_024;

    /// A sequence that begins at 1, with nothing reserved.
    pub const fn new() -> Sequence {
        Sequence::restart(1)
    }

    /// The sequence after a restart: `bound` is the last upper bound that was made durable.
    pub const fn restart(bound: u64) -> Sequence {
        let bound = if bound == 0 { 1 } else { bound };
        Sequence { next: bound, durable: bound, reserved: bound }
    }

    /// Reserves another `block` of numbers (at least one): returns the upper bound to store, after
    /// which the caller reports [`Sequence::made_durable`].
    pub fn reserve_next(&mut self, block: u64) -> u64 {
        self.reserved = self.reserved.max(self.next).saturating_add(block.max(1));
        self.reserved
    }

    /// The caller stored this bound durably. A bound that was never reserved counts only as far as
    /// one was.
    pub fn made_durable(&mut self, upper: u64) {
        self.durable = self.durable.max(upper.min(self.reserved));
    }

    /// The next number, or nothing until a further block is durable.
    #[expect(clippy::should_implement_trait, reason = "none now does not mean none later")]
    pub fn next(&mut self) -> Option<u64> {
        let number = self.next;
        if number >= self.durable {
            return None;
        }
        self.next += 1;
        Some(number)
    }

    /// Goes on above `seq`, which this node or a former run of it is known to have used although
    /// the stored bound does not say so (its disk was rolled back).
    pub fn raise_above(&mut self, seq: u64) {
        self.next = self.next.max(seq.saturating_add(1));
    }

    /// How many numbers are left below the durable bound.
    pub const fn remaining(&self) -> u64 {
        self.durable.saturating_sub(self.next)
    }

    /// Whether it is time to reserve another block: fewer than half a block is left, and none is
    /// on its way.
    pub const fn wants_block(&self) -> bool {
        let on_its_way = self.reserved > self.durable && self.reserved > self.next;
        self.remaining() < Sequence::BLOCK / 2 && !on_its_way
    }

    /// The bound below which numbers may be used.
    pub const fn durable_bound(&self) -> u64 {
        self.durable
    }
}

impl Default for Sequence {
    fn default() -> Sequence {
        Sequence::new()
    }
}

#[cfg(test)]
mod tests;

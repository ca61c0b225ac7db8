//! Random numbers that a seed decides.
//!
//! Purpose: the pure crates need jitter and choices, and a simulator must be able to repeat them.
//! The driver seeds one generator (from the operating system in the daemon, from the scenario in
//! the simulator) and hands out forks.
//!
//! State: a key and a block counter; the output is BLAKE3 in keyed mode over the counter, so that
//! what is drawn tells nothing about what comes next.
//!
//! Invariants: same seed and same calls, same values. The seed is never shown.
//!
//! Never asks the operating system.

use std::fmt;
use std::time::Duration;

use mirrormesh_merkle::Hash;

const BLOCK: usize = 64;

/// A deterministic generator.
#[derive(Clone)]
pub struct Entropy {
    key: [u8; 32],
    counter: u64,
    block: [u8; BLOCK],
    used: usize,
}

impl Entropy {
    /// A generator that `seed` decides.
    pub fn new(seed: [u8; 32]) -> Entropy {
        let key = *Hash::derive("mirrormesh entropy seed v1", &seed).as_bytes();
        Entropy { key, counter: 0, block: [0; BLOCK], used: BLOCK }
    }

    /// A generator of its own for one purpose. What is drawn from one does not change what the
    /// other yields; two forks for one purpose differ.
    pub fn fork(&mut self, purpose: &'static str) -> Entropy {
        let mut material = [0; 32].to_vec();
        self.fill(&mut material);
        material.extend_from_slice(purpose.as_bytes());
        Entropy::new(*Hash::derive("mirrormesh entropy fork v1", &material).as_bytes())
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Fills `target`.
    pub fn fill(&mut self, target: &mut [u8]) {
        let mut rest = target;
        while !rest.is_empty() {
            if self.used == BLOCK {
                self.refill();
            }
            let count = rest.len().min(BLOCK - self.used);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&self.block[self.used..self.used + count]);
            self.used += count;
            rest = later;
        }
    }

    /// A number below `bound`, each equally likely; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Lemire's method: the high half of a product is uniform once the low halves that would
        // be drawn once too often are drawn again.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// A duration between the half and the whole of `duration`: a wait that is "at most a second"
    /// stays so.
    pub fn jitter(&mut self, duration: Duration) -> Duration {
        let whole = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let half = whole / 2;
        Duration::from_nanos(whole - half + self.below(half.saturating_add(1)))
    }

    fn refill(&mut self) {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.counter.to_le_bytes());
        hasher.finalize_xof().fill(&mut self.block);
        self.counter = self.counter.wrapping_add(1);
        self.used = 0;
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entropy").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Draws: numbers that the seed decides, each by itself.
//!
//! A draw is a hash of (seed, purpose, index) and not the next number of a shared stream: what one
//! fault draws does not change what any other draws, so a fault can be left out and the rest stays.
//!
//! Never asks a clock or the system.

use std::time::Duration;

/// All draws of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draws {
    seed: u64,
}

/// The numbers of one draw.
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

impl Draws {
    /// The draws that `seed` decides.
    pub(crate) fn new(seed: u64) -> Draws {
        Draws { seed: mix(seed ^ 0x6d69_7272_6f72_6d65) }
    }

    /// The numbers for the `index`-th use of one purpose.
    pub(crate) fn of(&self, purpose: &str, index: u64) -> Draw {
        let purpose =
            purpose.bytes().fold(self.seed, |state, byte| mix(state ^ u64::from(byte) ^ 0x5a00));
        Draw(mix(purpose ^ mix(index)))
    }

    /// The numbers for a purpose of a pair of things.
    pub(crate) fn of_pair(&self, purpose: &str, first: u64, second: u64, index: u64) -> Draw {
        self.of(purpose, mix(first ^ mix(second ^ 0x77)) ^ index)
    }
}

impl Draw {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit`; 0 if that is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// A number from `low` to `high`, each order of magnitude equally likely.
    pub(crate) fn spread(&mut self, low: u64, high: u64) -> u64 {
        let (low, high) = (low.max(1), high.max(low.max(1)));
        let doublings = u64::from((high / low).ilog2());
        let base = low << self.below(doublings + 1);
        self.between(base, (base * 2 - 1).min(high))
    }

    /// Like [`Draw::spread`], in nanoseconds.
    pub(crate) fn duration(&mut self, low: Duration, high: Duration) -> u64 {
        self.spread(low.as_nanos() as u64, high.as_nanos() as u64)
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len() as u64) as usize)
    }
}

/// Spreads the bits of a number.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

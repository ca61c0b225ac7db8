//! Names for what is under way: reserved, so that nobody mirrors or serves them.

use mirrormesh_merkle::Name;

/// The work directory where the docroot is a mount point.
pub const WORK_INSIDE: &str = ".mirrormesh";

/// What every temporary name begins with.
pub const TEMPORARY_PREFIX: &str = ".mirrormesh.tmp-";

/// Temporary names, the same ones for the same seed.
#[derive(Debug, Clone)]
pub struct TemporaryNames {
    state: u64,
}

impl TemporaryNames {
    /// Names that follow from a seed.
    pub fn new(seed: u64) -> TemporaryNames {
        TemporaryNames { state: seed }
    }

    /// The next name. A name may be taken all the same: then use the one after it.
    pub fn next_name(&mut self) -> Name {
        // SplitMix64: spreads seeds that lie close together.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let value = value ^ (value >> 31);
        work_name(&format!("{TEMPORARY_PREFIX}{value:016x}"))
    }
}

/// A name made by this program.
pub(super) fn work_name(text: &str) -> Name {
    Name::new(text).expect("names made here are short and without slashes")
}

//! What a simulated machine can do, and how it behaves where the contract leaves it free.

use super::draw::Draws;

/// Where the work directory lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkPlace {
    /// Beside the docroot.
    Beside,
    /// As `.mirrormesh` in the docroot.
    Inside,
}

/// Order in which a directory is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// By the bytes of the names.
    ByName,
    /// In an order that depends on the seed and the names, not on history.
    Shuffled,
}

/// Abilities, limits and habits of a simulated machine. They outlive a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Seed of what is drawn: order of listings, length of short reads.
    pub seed: u64,
    /// Where the work directory lies.
    pub work: WorkPlace,
    /// Whether files can be made without a name.
    pub unnamed_files: bool,
    /// Whether two names can change places.
    pub exchange: bool,
    /// Whether files can share blocks.
    pub reflink: bool,
    /// Smallest step of time stamps, in nanoseconds.
    pub time_step: u32,
    /// Size of each file system in bytes, in blocks of 4096; holes take none.
    pub total_bytes: u64,
    /// Most inodes on each file system.
    pub total_inodes: u64,
    /// Most files and directories that this process has open.
    pub open_limit: usize,
    /// Order of listings.
    pub listing: Listing,
    /// Whether numbers of inodes that are gone are given to new ones, lowest first.
    pub reuse_inodes: bool,
    /// Whether reads may return less than there is.
    pub short_reads: bool,
    /// Whether the process may ask who has a file open for writing.
    pub may_ask_who_writes: bool,
    /// Whether the process may give files to other owners.
    pub may_change_owner: bool,
    /// Owner and group of what the process makes.
    pub process: (u32, u32),
    /// Owner and group of what local users make.
    pub users: (u32, u32),
    /// Most directories that can be watched.
    pub watch_limit: usize,
    /// Whether the process is given hints of its own changes too, as a real watcher does.
    pub echo_hints: bool,
}

impl Default for Options {
    /// A capable machine without surprises: everything works, listings are in order.
    fn default() -> Options {
        Options {
            seed: 0,
            work: WorkPlace::Beside,
            unnamed_files: true,
            exchange: true,
            reflink: true,
            time_step: 1,
            total_bytes: 1 << 40,
            total_inodes: 1 << 32,
            open_limit: 1024,
            listing: Listing::ByName,
            reuse_inodes: false,
            short_reads: false,
            may_ask_who_writes: true,
            may_change_owner: true,
            process: (0, 0),
            users: (33, 33),
            watch_limit: usize::MAX,
            echo_hints: false,
        }
    }
}

impl Options {
    /// A machine drawn by seed: each ability may be missing, each habit may be a bad one. Room
    /// and limits are ample.
    pub fn draw(seed: u64) -> Options {
        let mut draws = Draws::new(seed);
        let mut one_in = |limit| draws.below(limit) == 0;
        Options {
            seed,
            work: if one_in(3) { WorkPlace::Inside } else { WorkPlace::Beside },
            unnamed_files: !one_in(3),
            exchange: !one_in(4),
            reflink: !one_in(2),
            time_step: match (one_in(3), one_in(2)) {
                (true, true) => 1_000_000_000,
                (true, false) => 4_000_000,
                (false, _) => 1,
            },
            listing: if one_in(4) { Listing::ByName } else { Listing::Shuffled },
            reuse_inodes: !one_in(3),
            short_reads: one_in(3),
            may_ask_who_writes: !one_in(3),
            may_change_owner: !one_in(4),
            echo_hints: !one_in(4),
            ..Options::default()
        }
    }
}

//! Watching a docroot: hints that something changed, never facts.
//!
//! A [`Watch`] is asked for each directory before it is listed, so that no change falls between; it
//! says whether hints will come. What it cannot watch is scanned from time to time. Which back end
//! is at work, and why, can be read at any time.
//!
//! Back ends: [`InotifyWatch`] (one watch a directory) and [`ScanOnly`] (none). The trait takes a
//! handle and a path, so that one that marks whole file systems fits as well.
//!
//! Names that begin with `.mirrormesh` give no hints.

mod hints;
mod inotify;
mod scan_only;
mod start;

use std::os::fd::BorrowedFd;

use mirrormesh_merkle::Path;
use serde::Serialize;

pub use self::hints::HintReceiver;
pub use self::inotify::InotifyWatch;
pub use self::scan_only::ScanOnly;
pub use self::start::{Preference, start};
use crate::store::Watched;

/// Which back end gives hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// One inotify watch a directory.
    Inotify,
    /// None: changes are found by scanning.
    Scan,
}

/// What there is to say of a back end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchStatus {
    /// The back end at work.
    pub backend: Backend,
    /// Why this one, or why it does not see everything and what the operator can do.
    pub reason: String,
    /// Directories that are watched.
    pub watches: usize,
    /// Directories that may be watched.
    pub limit: usize,
    /// Directories that were asked for and are not watched, as far as they are counted: up to
    /// 1,024.
    pub unwatched: usize,
    /// How often hints were lost because the kernel's queue was full.
    pub overflows: u64,
}

/// Gives hints about directories.
pub trait Watch: Send + Sync {
    /// Asks for hints about the names in a directory, which lies at `path` in the docroot. May wait
    /// for another thread; may be asked again for what is watched already, at little cost.
    fn watch(&self, directory: BorrowedFd<'_>, path: &Path) -> Watched;

    /// Waits until every change that was complete before the call has been hinted: whoever then takes
    /// hints until there are none has them all. Returns whether every directory that was asked for
    /// is watched; if not, only a scan can tell. Waits for threads, not for disks.
    fn barrier(&self) -> bool;

    /// Which back end this is, why, and how far it reaches.
    fn status(&self) -> WatchStatus;
}

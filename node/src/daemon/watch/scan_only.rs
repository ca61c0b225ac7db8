//! No hints at all: for file systems that other machines write to, and for operators who want it so.

use std::os::fd::BorrowedFd;

use mirrormesh_merkle::Path;

use super::{Backend, Watch, WatchStatus};
use crate::store::Watched;

/// Watches nothing.
#[derive(Debug, Clone)]
pub struct ScanOnly {
    reason: String,
}

impl ScanOnly {
    /// `reason` is shown to people.
    pub fn new(reason: impl Into<String>) -> ScanOnly {
        ScanOnly { reason: reason.into() }
    }
}

impl Watch for ScanOnly {
    fn watch(&self, _directory: BorrowedFd<'_>, _path: &Path) -> Watched {
        Watched::No
    }

    fn barrier(&self) -> bool {
        false
    }

    fn status(&self) -> WatchStatus {
        WatchStatus {
            backend: Backend::Scan,
            reason: self.reason.clone(),
            watches: 0,
            limit: 0,
            unwatched: 0,
            overflows: 0,
        }
    }
}

//! What happened, path by path, within bounds.

use std::collections::BTreeSet;

use mirrormesh_merkle::Path;

use super::super::disk::{DiskError, DiskErrorKind};
use super::super::job::JobError;
use super::super::reason::{failed_at, reason};

/// Most failed paths that are listed.
const LISTED: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) failed: Vec<(Path, String)>,
    pub(super) failed_more: u64,
    pub(super) missing: u64,
    pub(super) wrong: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) set_aside: u64,
    pub(super) set_aside_bytes: u64,
    pub(super) look: BTreeSet<Path>,
    /// Directories below which nothing can be done: whether that is a failure.
    blocked: BTreeSet<Path>,
}

impl Report {
    /// A path could not be brought in line.
    pub(super) fn fail(&mut self, path: &Path, reason: impl Into<String>) {
        if self.failed.len() < LISTED {
            self.failed.push((path.clone(), reason.into()));
        } else {
            self.failed_more += 1;
        }
        self.blocked.insert(path.clone());
    }

    /// A primitive failed at a path; the end of the process ends the job.
    pub(super) fn fail_with(&mut self, path: &Path, error: &DiskError) -> Result<(), JobError> {
        if error.kind == DiskErrorKind::Crashed {
            return Err(failed_at(path, error.clone()));
        }
        self.fail(path, reason(error));
        Ok(())
    }

    /// A path is left for a later pass, and what depends on it with it.
    pub(super) fn postpone(&mut self, path: &Path) {
        self.blocked.insert(path.clone());
    }

    /// A content did not come, or is not where it was.
    pub(super) fn miss(&mut self, path: &Path, reason: impl Into<String>) {
        self.missing += 1;
        self.fail(path, reason);
    }

    /// A content that came was not what it should be.
    pub(super) fn refuse(&mut self, path: &Path, reason: impl Into<String>) {
        self.wrong += 1;
        self.fail(path, reason);
    }

    /// The disk has something else than the index says: to be observed.
    pub(super) fn look(&mut self, path: &Path) {
        self.look.insert(path.clone());
    }

    /// Whether a directory above a path failed.
    pub(super) fn is_below_failed(&self, path: &Path) -> bool {
        is_below(path, &self.blocked)
    }

    /// Whether a directory above a path has to be observed first.
    pub(super) fn is_below_look(&self, path: &Path) -> bool {
        is_below(path, &self.look)
    }
}

fn is_below(path: &Path, paths: &BTreeSet<Path>) -> bool {
    !paths.is_empty() && (1..path.depth()).any(|depth| paths.contains(&path.ancestor(depth)))
}

//! What an operator reads about a failure, and how a failure below ends a job.

use mirrormesh_merkle::{Path, TreeError};

use super::disk::{DiskError, DiskErrorKind};
use super::job::JobError;

impl From<DiskError> for JobError {
    /// A failure that is about no path in particular.
    fn from(error: DiskError) -> JobError {
        failed_at(&Path::root(), error)
    }
}

impl From<TreeError<DiskError>> for JobError {
    fn from(error: TreeError<DiskError>) -> JobError {
        match error {
            TreeError::Source(error) => error.into(),
            other => JobError::Inconsistent(other.to_string()),
        }
    }
}

/// A primitive failed at a path, and the job with it.
pub(super) fn failed_at(path: &Path, error: DiskError) -> JobError {
    JobError::Disk { kind: error.kind, path: path.clone(), detail: error.to_string() }
}

/// What an operator reads about a path that failed, and what can be done about it.
pub(super) fn reason(error: &DiskError) -> String {
    let hint = match error.kind {
        DiskErrorKind::NoSpace => "no space: the disk, the quota or the inodes are used up",
        DiskErrorKind::Permission => "this process lacks the right",
        DiskErrorKind::ReadOnly => "the file system is mounted read-only",
        DiskErrorKind::OtherFilesystem => "another file system begins here",
        DiskErrorKind::TooManyOpen => "too many files are open: raise the limit",
        DiskErrorKind::Invalid => "the file system refuses this name or value",
        _ => return error.to_string(),
    };
    format!("{hint} ({error})")
}

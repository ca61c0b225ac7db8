//! What a failed primitive says of the name it was about, or that it ends the whole job.

use mirrormesh_merkle::Path;

use super::disk::{DiskError, DiskErrorKind};
use super::job::JobError;
use super::reason::failed_at;

/// What a failed primitive says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FailedName {
    /// The name is gone.
    Gone,
    /// The name is not of the kind it was a moment ago.
    OtherKind,
    /// Another file system begins there.
    Mount,
    /// It is there and cannot be read; the reason.
    Unreadable(String),
}

/// What a failure says of a name, or the job's error if it is about more than that name: the
/// process has ended, or nothing more can be opened now.
pub(crate) fn failed_name(error: DiskError, path: &Path) -> Result<FailedName, JobError> {
    match error.kind {
        DiskErrorKind::NotFound => Ok(FailedName::Gone),
        DiskErrorKind::NotDirectory | DiskErrorKind::NotRegular => Ok(FailedName::OtherKind),
        DiskErrorKind::OtherFilesystem => Ok(FailedName::Mount),
        DiskErrorKind::Crashed | DiskErrorKind::TooManyOpen => Err(failed_at(path, error)),
        _ => Ok(FailedName::Unreadable(error.to_string())),
    }
}

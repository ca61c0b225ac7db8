//! What the system's error numbers mean in the words of the seam.

use rustix::io::Errno;

use crate::store::{DiskError, DiskErrorKind};

/// The kind of failure an error number stands for, where the primitive gives it no other meaning.
pub(super) fn kind_of(errno: Errno) -> DiskErrorKind {
    match errno {
        // A stale handle is a name that another client of a network file system removed.
        Errno::NOENT | Errno::STALE => DiskErrorKind::NotFound,
        Errno::EXIST => DiskErrorKind::Exists,
        // No symlink is ever followed, so a loop is one symlink where a directory was needed.
        Errno::NOTDIR | Errno::LOOP => DiskErrorKind::NotDirectory,
        Errno::ISDIR | Errno::NXIO => DiskErrorKind::NotRegular,
        Errno::NOTEMPTY => DiskErrorKind::NotEmpty,
        Errno::ACCESS | Errno::PERM | Errno::NOKEY => DiskErrorKind::Permission,
        Errno::NOSPC | Errno::DQUOT => DiskErrorKind::NoSpace,
        Errno::ROFS => DiskErrorKind::ReadOnly,
        // A name that is busy for rename or removal is a mount point.
        Errno::XDEV | Errno::BUSY => DiskErrorKind::OtherFilesystem,
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY | Errno::MLINK | Errno::FBIG => {
            DiskErrorKind::Unsupported
        }
        Errno::MFILE | Errno::NFILE => DiskErrorKind::TooManyOpen,
        Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => DiskErrorKind::Invalid,
        _ => DiskErrorKind::Failed,
    }
}

/// The failure of `operation` with `errno`; fits `map_err`.
pub(super) fn failed(operation: &'static str) -> impl Fn(Errno) -> DiskError {
    move |errno| with_kind(kind_of(errno), operation, errno)
}

/// The failure of `operation` with `errno`, which means `kind` there.
pub(super) fn with_kind(kind: DiskErrorKind, operation: &'static str, errno: Errno) -> DiskError {
    DiskError { kind, operation, detail: errno.to_string() }
}

//! Making, reading and writing the content of files.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mirrormesh_merkle::Name;
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::error::{failed, with_kind};
use super::status;
use crate::store::{DiskErrorKind, DiskResult};

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A new file without a name in `at`.
pub(super) fn create_unnamed(at: BorrowedFd<'_>) -> DiskResult<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::openat(at, ".", flags, PRIVATE)).map_err(|errno| match errno {
        // What kernels and file systems say that take the flag for the directory itself.
        Errno::ISDIR | Errno::INVAL | Errno::OPNOTSUPP => {
            with_kind(DiskErrorKind::Unsupported, "create_unnamed", errno)
        }
        errno => failed("create_unnamed")(errno),
    })
}

/// A new file with a free name in `at`.
pub(super) fn create(at: BorrowedFd<'_>, name: &Name) -> DiskResult<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::openat(at, name.as_bytes(), flags, PRIVATE))
        .map_err(failed("create"))
}

/// Reads once; 0 at the end.
pub(super) fn read(file: &OwnedFd, offset: u64, buffer: &mut [u8]) -> DiskResult<usize> {
    retry_on_intr(|| rustix::io::pread(file, &mut *buffer, offset)).map_err(failed("read"))
}

/// Writes all.
pub(super) fn write(file: &OwnedFd, mut offset: u64, mut bytes: &[u8]) -> DiskResult<()> {
    while !bytes.is_empty() {
        let written =
            retry_on_intr(|| rustix::io::pwrite(file, bytes, offset)).map_err(failed("write"))?;
        if written == 0 {
            return Err(failed("write")(Errno::IO));
        }
        offset += written as u64;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Cuts or extends.
pub(super) fn set_length(file: &OwnedFd, length: u64) -> DiskResult<()> {
    retry_on_intr(|| rustix::fs::ftruncate(file, length)).map_err(failed("set_length"))
}

/// Shares all blocks of `from` with the empty `to`, then cuts `to`.
///
/// Sharing the whole file takes no length, so none has to be a multiple of the block size, and it
/// costs the same: only references are written.
pub(super) fn clone_range(from: &OwnedFd, to: &OwnedFd, length: u64) -> DiskResult<()> {
    let operation = "clone_range";
    share(from, to).map_err(|errno| match errno {
        Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::NOSYS => {
            with_kind(DiskErrorKind::Unsupported, operation, errno)
        }
        errno => failed(operation)(errno),
    })?;
    let size = status::of_open(to).map_err(failed(operation))?.size;
    if size == length {
        return Ok(());
    }
    // A source that is shorter by now must not be filled up with zeros.
    let wanted = if size > length { length } else { 0 };
    retry_on_intr(|| rustix::fs::ftruncate(to, wanted)).map_err(failed(operation))?;
    if size > length { Ok(()) } else { Err(failed(operation)(Errno::INVAL)) }
}

/// Makes `to` share every block of `from`.
pub(super) fn share(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::ioctl_ficlone(&to, &from))
}

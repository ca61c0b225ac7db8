//! Giving, changing and taking away names.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use bytes::Bytes;
use mirrormesh_merkle::Name;
use rustix::fs::{AtFlags, CWD, Mode, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::error::{failed, with_kind};
use super::open::Opener;
use super::status;
use crate::store::{DiskErrorKind, DiskResult, FileKind, Rename};

/// A path that leads to what is open, whatever its name is by now.
pub(super) fn by_descriptor(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// Gives an unnamed file a free name.
pub(super) fn link(file: &OwnedFd, at: BorrowedFd<'_>, name: &Name) -> DiskResult<()> {
    let name = name.as_bytes();
    match retry_on_intr(|| rustix::fs::linkat(file, "", at, name, AtFlags::EMPTY_PATH)) {
        // Without CAP_DAC_READ_SEARCH, kernels before 6.10 say so; the way through `/proc` needs none.
        Err(Errno::NOENT | Errno::PERM) => retry_on_intr(|| {
            rustix::fs::linkat(CWD, by_descriptor(file), at, name, AtFlags::SYMLINK_FOLLOW)
        }),
        result => result,
    }
    .map_err(failed("link"))
}

/// Renames `old` in `from` to `new` in `to`.
pub(super) fn rename(
    from: BorrowedFd<'_>,
    old: &Name,
    to: BorrowedFd<'_>,
    new: &Name,
    how: Rename,
) -> DiskResult<()> {
    let with = |flags| {
        retry_on_intr(|| rustix::fs::renameat_with(from, old.as_bytes(), to, new.as_bytes(), flags))
    };
    match how {
        Rename::Replace => with(RenameFlags::empty()).map_err(|errno| match errno {
            Errno::EXIST => with_kind(DiskErrorKind::NotEmpty, "rename", errno),
            errno => failed("rename")(errno),
        }),
        Rename::Keep => match with(RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => keep_by_hand(from, old, to, new),
            result => result,
        }
        .map_err(failed("rename")),
        Rename::Exchange => with(RenameFlags::EXCHANGE).map_err(|errno| match errno {
            Errno::INVAL | Errno::NOSYS => with_kind(DiskErrorKind::Unsupported, "rename", errno),
            errno => failed("rename")(errno),
        }),
    }
}

/// Renames onto a free name where the file system has no such rename: the free name is first taken,
/// by an empty directory for a directory and by a second link for anything else.
pub(super) fn keep_by_hand(
    from: BorrowedFd<'_>,
    old: &Name,
    to: BorrowedFd<'_>,
    new: &Name,
) -> Result<(), Errno> {
    let (old_bytes, new_bytes) = (old.as_bytes(), new.as_bytes());
    if status::of_name(from, old)?.kind == FileKind::Directory {
        rustix::fs::mkdirat(to, new_bytes, Mode::RWXU)?;
        rustix::fs::renameat(from, old_bytes, to, new_bytes).inspect_err(|_| {
            // Ours if it is still empty, and not ours to take away otherwise.
            let _ = rustix::fs::unlinkat(to, new_bytes, AtFlags::REMOVEDIR);
        })
    } else {
        rustix::fs::linkat(from, old_bytes, to, new_bytes, AtFlags::empty())?;
        rustix::fs::unlinkat(from, old_bytes, AtFlags::empty()).inspect_err(|_| {
            let _ = rustix::fs::unlinkat(to, new_bytes, AtFlags::empty());
        })
    }
}

/// Removes a name that is not a directory.
pub(super) fn remove(at: BorrowedFd<'_>, name: &Name) -> DiskResult<()> {
    retry_on_intr(|| rustix::fs::unlinkat(at, name.as_bytes(), AtFlags::empty()))
        .map_err(failed("remove"))
}

/// Removes an empty directory.
pub(super) fn remove_directory(at: BorrowedFd<'_>, name: &Name) -> DiskResult<()> {
    let operation = "remove_directory";
    retry_on_intr(|| rustix::fs::unlinkat(at, name.as_bytes(), AtFlags::REMOVEDIR)).map_err(
        |errno| match errno {
            Errno::EXIST => with_kind(DiskErrorKind::NotEmpty, operation, errno),
            errno => failed(operation)(errno),
        },
    )
}

/// Makes a directory with exactly the bits of `mode`.
///
/// The process's mask, a default ACL and the parent's set-group-id bit may have changed them. What
/// is set right then is only what was made here: a directory of ours with the bits just seen, since
/// somebody else may have put another one in its place.
pub(super) fn make_directory(
    opener: &Opener,
    at: BorrowedFd<'_>,
    name: &Name,
    mode: u16,
) -> DiskResult<()> {
    let operation = "make_directory";
    let wanted = Mode::from_raw_mode(u32::from(mode & 0o7777));
    retry_on_intr(|| rustix::fs::mkdirat(at, name.as_bytes(), wanted))
        .map_err(failed(operation))?;
    let made = status::of_name(at, name).map_err(failed(operation))?;
    if made.mode == mode & 0o7777 {
        return Ok(());
    }
    let set = || {
        let directory = opener.directory(at, name)?;
        let opened = status::of_open(&directory).map_err(failed(operation))?;
        let ours = opened.user == rustix::process::geteuid().as_raw();
        if !ours || opened.inode != made.inode || opened.mode != made.mode {
            return Err(failed(operation)(Errno::PERM));
        }
        change_mode(&directory, wanted).map_err(failed(operation))
    };
    set().inspect_err(|_| {
        let _ = rustix::fs::unlinkat(at, name.as_bytes(), AtFlags::REMOVEDIR);
    })
}

/// Sets permission bits, also on a handle that is only a place.
pub(super) fn change_mode(file: impl AsFd, mode: Mode) -> Result<(), Errno> {
    match rustix::fs::fchmod(&file, mode) {
        Err(Errno::BADF) => rustix::fs::chmod(by_descriptor(&file), mode),
        result => result,
    }
}

/// Makes a symlink.
pub(super) fn make_symlink(at: BorrowedFd<'_>, name: &Name, target: &[u8]) -> DiskResult<()> {
    retry_on_intr(|| rustix::fs::symlinkat(target, at, name.as_bytes()))
        .map_err(failed("make_symlink"))
}

/// Reads a symlink.
pub(super) fn read_symlink(at: BorrowedFd<'_>, name: &Name) -> DiskResult<Bytes> {
    retry_on_intr(|| rustix::fs::readlinkat(at, name.as_bytes(), Vec::new()))
        .map(|target| Bytes::from(target.into_bytes()))
        .map_err(failed("read_symlink"))
}

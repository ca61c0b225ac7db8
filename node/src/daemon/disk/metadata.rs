//! Owner, permission bits and time of what is open.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mirrormesh_merkle::{Name, Time};
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::{Errno, retry_on_intr};

use super::error::{failed, with_kind};
use super::names::change_mode;
use super::open::Opener;
use super::status;
use crate::store::{DiskErrorKind, DiskResult, FileKind, Metadata};

/// Sets owner, then mode (a change of owner takes set-id bits away), then time.
pub(super) fn set_on_file(file: &OwnedFd, metadata: Metadata) -> DiskResult<()> {
    let operation = "set_file_metadata";
    set_owner_and_mode(file.as_fd(), metadata).map_err(failed(operation))?;
    match metadata.mtime {
        Some(mtime) => set_mtime(file.as_fd(), mtime).map_err(failed(operation)),
        None => Ok(()),
    }
}

/// Sets owner, then mode.
pub(super) fn set_on_directory(directory: BorrowedFd<'_>, metadata: Metadata) -> DiskResult<()> {
    set_owner_and_mode(directory, metadata).map_err(failed("set_directory_metadata"))
}

/// Sets the owner of a symlink that this process just made.
///
/// The name may by now be a hard link that somebody else put there to be given the file: only a
/// symlink that has no other name and is still ours changes hands.
pub(super) fn set_on_symlink(
    opener: &Opener,
    at: BorrowedFd<'_>,
    name: &Name,
    owner: (u32, u32),
) -> DiskResult<()> {
    let operation = "set_symlink_owner";
    let symlink = opener.symlink(at, name).map_err(failed(operation))?;
    let stat = status::of_open(&symlink).map_err(failed(operation))?;
    if stat.kind != FileKind::Symlink {
        return Err(with_kind(DiskErrorKind::Invalid, operation, Errno::INVAL));
    }
    if (stat.user, stat.group) == owner {
        return Ok(());
    }
    if stat.links != 1 || stat.user != rustix::process::geteuid().as_raw() {
        return Err(failed(operation)(Errno::PERM));
    }
    change_owner(symlink.as_fd(), owner).map_err(failed(operation))
}

fn set_owner_and_mode(file: BorrowedFd<'_>, metadata: Metadata) -> Result<(), Errno> {
    if let Some(owner) = metadata.owner {
        change_owner(file, owner)?;
    }
    if let Some(mode) = metadata.mode {
        let mode = Mode::from_raw_mode(u32::from(mode & 0o7777));
        retry_on_intr(|| change_mode(file, mode))?;
    }
    Ok(())
}

fn change_owner(file: BorrowedFd<'_>, (user, group): (u32, u32)) -> Result<(), Errno> {
    // All ones mean "leave as is" to the kernel, and nobody.
    if user == u32::MAX || group == u32::MAX {
        return Err(Errno::INVAL);
    }
    let (user, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
    // By an empty name below the handle, which handles that are only a place allow too.
    retry_on_intr(|| rustix::fs::chownat(file, "", user, group, AtFlags::EMPTY_PATH))
}

/// Sets the time of the last change of content, and no other.
pub(super) fn set_mtime(file: BorrowedFd<'_>, mtime: Time) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() },
    };
    retry_on_intr(|| rustix::fs::futimens(file, &times))
}

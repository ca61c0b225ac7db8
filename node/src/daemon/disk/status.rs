//! What names and open files are: the system's answer in the words of the seam.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use mirrormesh_merkle::{Name, Time};
use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::io::Errno;

use crate::store::{FileKind, Stat};

/// The mount's number that is never used again while the system runs (Linux 6.8).
const UNIQUE_MOUNT: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// Flags of every look at a name: the name itself, not what it points to or mounts.
const LOOK: AtFlags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);

/// What a name in a directory is. At a mount point, what is mounted there.
pub(super) fn of_name(at: BorrowedFd<'_>, name: &Name) -> Result<Stat, Errno> {
    rustix::io::retry_on_intr(|| rustix::fs::statat(at, name.as_bytes(), LOOK)).map(convert)
}

/// Kind of what a path leads to and its number of names, symlinks in all but the last component
/// followed: good enough for a hint, and for nothing else.
pub(in crate::daemon) fn kind_of_path(path: &std::path::Path) -> Option<(FileKind, u32)> {
    let stat = rustix::fs::statat(rustix::fs::CWD, path, LOOK).map(convert).ok()?;
    Some((stat.kind, stat.links))
}

/// Device and inode of something open.
pub(in crate::daemon) fn identity(file: BorrowedFd<'_>) -> Option<(u64, u64)> {
    of_open(file).map(|stat| (stat.device, stat.inode)).ok()
}

/// Device and inode of what a path leads to, symlinks followed: to compare, and for nothing else.
pub(in crate::daemon) fn identity_of_path(path: &std::path::Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::stat(path).map(convert).ok()?;
    Some((stat.device, stat.inode))
}

/// What something open is.
pub(super) fn of_open(file: impl AsFd) -> Result<Stat, Errno> {
    rustix::fs::fstat(file).map(convert)
}

/// Time of birth, in nanoseconds since 1970, or the device number where none is known.
pub(super) fn birth(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    let wanted = StatxFlags::BTIME;
    if let Ok(status) = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, wanted)
        && StatxFlags::from_bits_retain(status.stx_mask).contains(wanted)
    {
        let born = status.stx_btime;
        let seconds = born.tv_sec.cast_unsigned();
        return Ok(seconds.wrapping_mul(1_000_000_000).wrapping_add(u64::from(born.tv_nsec)));
    }
    of_open(file).map(|stat| stat.device)
}

/// The kind that a directory's listing or a mode tells.
pub(super) fn kind(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        _ => FileKind::Device,
    }
}

/// Identity of the mount that something open lies on.
///
/// The unique number where the kernel knows it, else the number that is valid as long as the mount
/// is, else that number as `/proc` tells it, else the device.
pub(super) fn mount_of(file: impl AsFd) -> Result<u64, Errno> {
    let file = file.as_fd();
    let wanted = UNIQUE_MOUNT.union(StatxFlags::MNT_ID);
    if let Ok(status) = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, wanted)
        && StatxFlags::from_bits_retain(status.stx_mask).intersects(wanted)
    {
        return Ok(status.stx_mnt_id);
    }
    match mount_of_by_proc(file) {
        Some(mount) => Ok(mount),
        None => of_open(file).map(|stat| stat.device),
    }
}

pub(super) fn mount_of_by_proc(file: BorrowedFd<'_>) -> Option<u64> {
    let path = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

fn convert(stat: rustix::fs::Stat) -> Stat {
    let time = |seconds, nanoseconds| Time { seconds, nanoseconds };
    Stat {
        kind: kind(FileType::from_raw_mode(stat.st_mode)),
        mode: (stat.st_mode & 0o7777) as u16,
        size: stat.st_size as u64,
        mtime: time(stat.st_mtime, stat.st_mtime_nsec as u32),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec as u32),
        inode: stat.st_ino,
        device: stat.st_dev,
        links: stat.st_nlink.try_into().unwrap_or(u32::MAX),
        user: stat.st_uid,
        group: stat.st_gid,
    }
}

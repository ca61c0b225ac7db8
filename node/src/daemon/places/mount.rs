//! Which directories are mount points.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

/// Whether another mount begins at a directory, symlinks in its path followed.
pub(super) fn is_mount_point(directory: &Path) -> io::Result<bool> {
    Ok(mount_of(directory)? != mount_of(&directory.join(".."))?)
}

/// Device and, where the kernel tells it, number of the mount.
fn mount_of(directory: &Path) -> io::Result<(u32, u32, u64)> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let status = statx(CWD, directory, AtFlags::NO_AUTOMOUNT, wanted)?;
    let known = StatxFlags::from_bits_retain(status.stx_mask).contains(StatxFlags::MNT_ID);
    let mount = if known { status.stx_mnt_id } else { 0 };
    Ok((status.stx_dev_major, status.stx_dev_minor, mount))
}

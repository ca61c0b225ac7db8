//! Making things durable.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::{Errno, retry_on_intr};

use super::error::failed;
use super::status;
use crate::store::DiskResult;

/// From this number of files on, the whole file system is flushed once instead of each file.
///
/// Measured on a journalled ext4, 4 KiB each: 64 files take 12 ms side by side and 1.4 ms as a whole;
/// with 64 MiB of somebody else's not yet written, 9.5 ms and 19 ms. At 16 files the whole wins
/// little and loses ten times as much, at 512 it always wins.
const FILES_FOR_WHOLE: usize = 64;

/// Flushes that run side by side: they share the journal's commits.
const SIDE_BY_SIDE: usize = 16;

/// Whether flushing a file system tells of pages that could not be written (Linux 5.8).
static WHOLE_TELLS_ERRORS: LazyLock<bool> = LazyLock::new(|| {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 8)
});

/// One file's data and metadata: mode, owner and time too, so not `fdatasync`.
pub(super) fn file(file: BorrowedFd<'_>) -> DiskResult<()> {
    retry_on_intr(|| rustix::fs::fsync(file)).map_err(failed("sync_file"))
}

/// The names in a directory. A handle that is only a place cannot be flushed: then everything on
/// the file system is, by a handle from `other` that lies on the same mount.
pub(super) fn directory(
    directory: BorrowedFd<'_>,
    other: impl FnOnce() -> DiskResult<OwnedFd>,
) -> DiskResult<()> {
    match retry_on_intr(|| rustix::fs::fsync(directory)) {
        Err(Errno::BADF) => all(other()?),
        result => result.map_err(failed("sync_directory")),
    }
}

/// Everything on the file system that something open lies on.
pub(super) fn all(file: impl AsFd) -> DiskResult<()> {
    retry_on_intr(|| rustix::fs::syncfs(&file)).map_err(failed("sync_all"))
}

/// The data and metadata of many files.
pub(super) fn files(files: &[&OwnedFd]) -> DiskResult<()> {
    if files.len() >= FILES_FOR_WHOLE && *WHOLE_TELLS_ERRORS && share_a_device(files)? {
        return all(files[0]);
    }
    side_by_side(files)
}

fn share_a_device(files: &[&OwnedFd]) -> DiskResult<bool> {
    let device =
        |file: &&OwnedFd| status::of_open(file).map(|stat| stat.device).map_err(failed("sync"));
    let first = device(&files[0])?;
    for file in &files[1..] {
        if device(file)? != first {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Flushes file by file with a few threads, this one among them; the first failure is told.
pub(super) fn side_by_side(files: &[&OwnedFd]) -> DiskResult<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            self::file(file.as_fd())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let helpers: Vec<_> =
            (1..files.len().min(SIDE_BY_SIDE)).map(|_| scope.spawn(work)).collect();
        let mut result = work();
        for helper in helpers {
            let helped = helper.join().unwrap_or_else(|_| Err(failed("sync_file")(Errno::IO)));
            result = result.and(helped);
        }
        result
    })
}

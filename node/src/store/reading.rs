//! Reads one file and hashes it, so that what was read is known to be one state of it, or is said
//! not to be.
//!
//! A stable reading asks before and after whether somebody has the file open for writing, and
//! whether its stat moved; the name must still mean that file in the end. The two questions are
//! single calls: nothing is held while hashing. A reading *as it is* takes what comes. Never
//! changes anything.

use bytes::Bytes;
use mirrormesh_merkle::{ContentHasher, Hash, Name, Path};

use super::disk::{Disk, Stat, Writing};
use super::failed_name::{FailedName, failed_name};
use super::index::Seen;
use super::job::{INLINE_FILE_BYTES, JobError, Unlisted};

/// Bytes read at a time: pieces from which hashing gains nothing more.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// What came of reading a file.
#[derive(Debug)]
pub(crate) enum Reading {
    /// It was read.
    Whole {
        /// Its stat before.
        stat: Stat,
        /// Number of bytes read.
        size: u64,
        /// Hash of the bytes read.
        content: Hash,
        /// The bytes, if there are at most [`INLINE_FILE_BYTES`].
        bytes: Option<Bytes>,
    },
    /// It was not, and why.
    Not(Unlisted),
    /// The name is gone.
    Gone,
    /// The name is something else now.
    OtherKind,
}

/// Where a file to be read is.
pub(crate) struct FileAt<'a, D: Disk> {
    /// The disk.
    pub(crate) disk: &'a D,
    /// The directory.
    pub(crate) directory: &'a D::Directory,
    /// The name there.
    pub(crate) name: &'a Name,
    /// The whole path, for errors.
    pub(crate) path: &'a Path,
}

/// Ends a reading where a primitive fails.
macro_rules! or_return {
    ($at:expr, $result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return failed(failed_name(error, $at.path)?),
        }
    };
}

impl<D: Disk> FileAt<'_, D> {
    /// Reads the file if it is closed and does not move. `buffer` is [`READ_BYTES`] long.
    pub(crate) fn read_stable(&self, buffer: &mut [u8]) -> Result<Reading, JobError> {
        let file = or_return!(self, self.disk.open_file(self.directory, self.name));
        let before = or_return!(self, self.disk.stat_file(&file));
        if self.disk.is_somebody_writing(&file) == Writing::Yes {
            return Ok(Reading::Not(Unlisted::OpenForWriting));
        }
        let read = or_return!(self, hash(self.disk, &file, before.size, buffer));
        if self.disk.is_somebody_writing(&file) == Writing::Yes {
            return Ok(Reading::Not(Unlisted::OpenForWriting));
        }
        let after = or_return!(self, self.disk.stat_file(&file));
        let named = or_return!(self, self.disk.stat(self.directory, self.name));
        let still = Seen::of(&before) == Seen::of(&after)
            && (after.inode, after.device) == (named.inode, named.device)
            && read.0 == before.size;
        if !still {
            return Ok(Reading::Not(Unlisted::Moving));
        }
        Ok(whole(before, read, buffer))
    }

    /// Reads the file whatever happens to it meanwhile.
    pub(crate) fn read_as_it_is(&self, buffer: &mut [u8]) -> Result<Reading, JobError> {
        let file = or_return!(self, self.disk.open_file(self.directory, self.name));
        let stat = or_return!(self, self.disk.stat_file(&file));
        let read = or_return!(self, hash(self.disk, &file, stat.size, buffer));
        Ok(whole(stat, read, buffer))
    }
}

fn failed(failure: FailedName) -> Result<Reading, JobError> {
    Ok(match failure {
        FailedName::Gone => Reading::Gone,
        FailedName::OtherKind => Reading::OtherKind,
        FailedName::Mount => Reading::Not(Unlisted::Mount),
        FailedName::Unreadable(reason) => Reading::Not(Unlisted::Unreadable(reason)),
    })
}

fn whole(stat: Stat, (size, content): (u64, Hash), buffer: &[u8]) -> Reading {
    let bytes = match usize::try_from(size) {
        Ok(length) if size <= INLINE_FILE_BYTES => buffer.get(..length).map(Bytes::copy_from_slice),
        _ => None,
    };
    Reading::Whole { stat, size, content, bytes }
}

/// Reads up to `size` bytes and hashes them; returns how many there were. What fits the buffer
/// stays in it.
pub(crate) fn hash<D: Disk>(
    disk: &D,
    file: &D::File,
    size: u64,
    buffer: &mut [u8],
) -> Result<(u64, Hash), super::disk::DiskError> {
    let mut hasher = ContentHasher::new();
    let mut offset = 0;
    let mut filled = 0;
    while offset < size {
        if filled == buffer.len() {
            filled = 0;
        }
        let room = buffer.len() - filled;
        let wanted = usize::try_from(size - offset).unwrap_or(room).min(room);
        let count = disk.read(file, offset, &mut buffer[filled..filled + wanted])?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[filled..filled + count]);
        filled += count;
        offset += count as u64;
    }
    Ok((offset, hasher.finish()))
}

//! Small files of the state directory.
//!
//! Invariants: only a regular file is read, and no more of it than is allowed: a pipe in its place
//! would never end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Reads a text of at most `limit` bytes.
///
/// # Errors
/// What the system says; [`io::ErrorKind::InvalidData`] if it is longer, or no UTF-8.
pub(super) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    // Opening a pipe would wait for somebody who writes.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    must_be_regular(&file)?;
    let mut text = String::new();
    file.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        let message = format!("longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

/// Refuses what is no regular file.
///
/// # Errors
/// If it is none.
pub(super) fn must_be_regular(file: &File) -> io::Result<()> {
    match file.metadata()?.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("not a regular file: move it away")),
    }
}

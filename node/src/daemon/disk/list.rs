//! Listing a directory.

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use mirrormesh_merkle::Name;
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::{open, status};
use crate::store::FileKind;

/// Room for some 800 names of common length; a listing of any size needs no more.
const BUFFER_BYTES: usize = 32 * 1024;

/// Calls `each` with every name and its kind.
///
/// The directory is opened once more: a handle has one reading position, and handles are shared by
/// threads. Where the file system does not tell the kind, the name is looked at; one that is gone by
/// then is left out.
pub(super) fn list(at: BorrowedFd<'_>, each: &mut dyn FnMut(Name, FileKind)) -> Result<(), Errno> {
    let directory = open::again(at)?;
    let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Err(Errno::INTR) => continue,
            entry => entry?,
        };
        let bytes = entry.file_name().to_bytes();
        if bytes == b"." || bytes == b".." {
            continue;
        }
        let Ok(name) = Name::new(bytes) else {
            // Some file systems list names longer than the kernel lets anybody open.
            tracing::warn!(length = bytes.len(), "a name that cannot be opened is left out");
            continue;
        };
        let kind = match entry.file_type() {
            FileType::Unknown => match status::of_name(at, &name) {
                Ok(stat) => stat.kind,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            },
            file_type => status::kind(file_type),
        };
        each(name, kind);
    }
    Ok(())
}

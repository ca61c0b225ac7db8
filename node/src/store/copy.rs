//! Writes contents into staged files, and checks what was written.

use bytes::Bytes;
use mirrormesh_merkle::{ContentHasher, Hash, Record};

use super::disk::{Disk, DiskErrorKind, DiskResult};
use super::index::IndexRow;

/// Bytes that are read and written at a time.
const PIECE: usize = 256 * 1024;
/// Between multiples of this length, zeros alone are not written.
const HOLE: u64 = 16 * 1024;

/// Writes pieces one after the other.
pub(crate) fn write_pieces<D: Disk>(disk: &D, file: &D::File, pieces: &[Bytes]) -> DiskResult<()> {
    let mut offset = 0;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        disk.write(file, offset, piece)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// Writes at the end of a file, and leaves holes where there are only zeros: a sparse file takes no
/// more room here than where it came from.
pub(crate) fn write_with_holes<D: Disk>(
    disk: &D,
    file: &D::File,
    offset: u64,
    bytes: &[u8],
) -> DiskResult<()> {
    let (mut start, mut end) = (0, 0);
    while end < bytes.len() {
        let to_boundary = HOLE - (offset + end as u64) % HOLE;
        let to_boundary = usize::try_from(to_boundary).unwrap_or(usize::MAX);
        let next = end.saturating_add(to_boundary).min(bytes.len());
        if bytes[end..next].iter().all(|byte| *byte == 0) {
            if start < end {
                disk.write(file, offset + start as u64, &bytes[start..end])?;
            }
            start = next;
        }
        end = next;
    }
    if start < end {
        return disk.write(file, offset + start as u64, &bytes[start..end]);
    }
    if end > 0 { disk.set_length(file, offset + end as u64) } else { Ok(()) }
}

/// Hash of pieces one after the other.
pub(crate) fn hash_pieces(pieces: &[Bytes]) -> Hash {
    let mut hasher = ContentHasher::new();
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher.finish()
}

/// Copies the first `size` bytes of `from` into `to`, which is empty. Returns the hash of what
/// `to` holds then: of the copy, for the source may change at any moment.
pub(crate) fn copy_file<D: Disk>(
    disk: &D,
    from: &D::File,
    to: &D::File,
    size: u64,
) -> DiskResult<Hash> {
    match disk.clone_range(from, to, size) {
        Ok(()) => hash_file(disk, to, size),
        Err(error) if error.kind == DiskErrorKind::Crashed => Err(error),
        Err(_) => {
            disk.set_length(to, 0)?;
            read_and_write(disk, from, to, size)
        }
    }
}

fn read_and_write<D: Disk>(disk: &D, from: &D::File, to: &D::File, size: u64) -> DiskResult<Hash> {
    let mut hasher = ContentHasher::new();
    let mut buffer = vec![0; PIECE];
    let mut offset = 0;
    while offset < size {
        let wanted = (size - offset).min(PIECE as u64) as usize;
        let length = disk.read(from, offset, &mut buffer[..wanted])?;
        if length == 0 {
            break;
        }
        write_with_holes(disk, to, offset, &buffer[..length])?;
        hasher.update(&buffer[..length]);
        offset += length as u64;
    }
    Ok(hasher.finish())
}

/// Hash of the first `size` bytes of a file, or of all if it is shorter.
pub(crate) fn hash_file<D: Disk>(disk: &D, file: &D::File, size: u64) -> DiskResult<Hash> {
    let mut hasher = ContentHasher::new();
    let mut buffer = vec![0; PIECE];
    let mut offset = 0;
    while offset < size {
        let wanted = (size - offset).min(PIECE as u64) as usize;
        let length = disk.read(file, offset, &mut buffer[..wanted])?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
        offset += length as u64;
    }
    Ok(hasher.finish())
}

/// Whether a name still has the content or target that a row says, read anew.
pub(crate) fn has_content<D: Disk>(
    disk: &D,
    at: &D::Directory,
    name: &mirrormesh_merkle::Name,
    row: &IndexRow,
) -> DiskResult<bool> {
    match &row.record {
        Record::File(file) => {
            let open = disk.open_file(at, name)?;
            let is_as_long = disk.stat_file(&open)?.size == file.size;
            Ok(is_as_long && hash_file(disk, &open, file.size)? == file.content)
        }
        Record::Symlink(link) => Ok(disk.read_symlink(at, name)? == link.target),
        Record::Directory { .. } => Ok(true),
    }
}

//! Content of files: sectors that may be missing, shared until written to.
//!
//! Invariant: no sector is empty, longer than [`SECTOR`], or ends in a zero byte; what is not there
//! reads as zeros. Equal content is therefore equal as a value, however it was written.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use mirrormesh_merkle::{ContentHasher, Hash};

/// Bytes that survive a crash together or not at all.
pub const SECTOR: usize = 4096;

const SECTOR_LENGTH: u64 = SECTOR as u64;

/// The sectors of one file, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sectors(BTreeMap<u64, Bytes>);

impl Sectors {
    /// Number of sectors that take room.
    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn get(&self, index: u64) -> Option<&Bytes> {
        self.0.get(&index)
    }

    pub(super) fn set(&mut self, index: u64, bytes: Bytes) {
        debug_assert!(bytes.len() <= SECTOR && bytes.last() != Some(&0));
        if bytes.is_empty() {
            self.0.remove(&index);
        } else {
            self.0.insert(index, bytes);
        }
    }

    /// Removes everything from `size` on.
    pub(super) fn cut(&mut self, size: u64) {
        for (index, bytes) in self.beyond(size) {
            self.set(index, bytes);
        }
    }

    /// The sectors that change if everything from `size` on is removed, as they are then.
    pub(super) fn beyond(&self, size: u64) -> Vec<(u64, Bytes)> {
        let first = size / SECTOR_LENGTH;
        self.0
            .range(first..)
            .map(|(&index, bytes)| {
                let keep = size.saturating_sub(index * SECTOR_LENGTH).min(bytes.len() as u64);
                (index, without_zeros(bytes.slice(..keep as usize)), bytes)
            })
            .filter(|(_, cut, bytes)| cut.len() != bytes.len())
            .map(|(index, cut, _)| (index, cut))
            .collect()
    }

    /// Fills all of `buffer` from `offset` on.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) {
        for piece in pieces(offset, buffer.len()) {
            let out = &mut buffer[piece.start..piece.start + piece.length];
            out.fill(0);
            if let Some(bytes) = self.0.get(&piece.sector)
                && bytes.len() > piece.within
            {
                let length = piece.length.min(bytes.len() - piece.within);
                out[..length].copy_from_slice(&bytes[piece.within..piece.within + length]);
            }
        }
    }

    /// The sectors that change by writing `bytes` at `offset`, as they are then.
    pub(super) fn written(&self, offset: u64, bytes: &Bytes) -> Vec<(u64, Bytes)> {
        pieces(offset, bytes.len())
            .map(|piece| {
                let new = bytes.slice(piece.start..piece.start + piece.length);
                let old = self.0.get(&piece.sector);
                let old_length = old.map_or(0, Bytes::len);
                if piece.within == 0 && piece.length >= old_length {
                    return (piece.sector, without_zeros(new));
                }
                let mut sector = vec![0; old_length.max(piece.within + piece.length)];
                if let Some(old) = old {
                    sector[..old_length].copy_from_slice(old);
                }
                sector[piece.within..piece.within + piece.length].copy_from_slice(&new);
                (piece.sector, without_zeros(sector.into()))
            })
            .collect()
    }
}

/// The part of a range of bytes that lies in one sector.
struct Piece {
    sector: u64,
    /// Where it begins in the sector.
    within: usize,
    /// Where it begins in the range.
    start: usize,
    length: usize,
}

fn pieces(offset: u64, length: usize) -> impl Iterator<Item = Piece> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start == length {
            return None;
        }
        let position = offset + start as u64;
        let within = (position % SECTOR_LENGTH) as usize;
        let piece = Piece {
            sector: position / SECTOR_LENGTH,
            within,
            start,
            length: (SECTOR - within).min(length - start),
        };
        start += piece.length;
        Some(piece)
    })
}

fn without_zeros(bytes: Bytes) -> Bytes {
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes.slice(..length)
}

/// Content of a file at one moment. Cheap to clone and to compare with itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub(super) size: u64,
    pub(super) sectors: Rc<Sectors>,
}

impl Content {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// All of it, holes as zeros.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.size as usize];
        self.sectors.read(0, &mut bytes);
        bytes
    }

    /// Its content hash, without having all of it in memory.
    pub fn hash(&self) -> Hash {
        let mut hasher = ContentHasher::new();
        let mut buffer = vec![0; 1 << 17];
        let mut offset = 0;
        while offset < self.size {
            let length = (self.size - offset).min(buffer.len() as u64) as usize;
            self.sectors.read(offset, &mut buffer[..length]);
            hasher.update(&buffer[..length]);
            offset += length as u64;
        }
        hasher.finish()
    }
}

//! What comes back on a stream.
//!
//! Many contents are framed: for each want one status byte (0: gone, 1: whole), and after a 1 the
//! size in 8 bytes, big-endian, and the bytes. One content is raw. Nodes and deltas are lists: for
//! each item its length in 4 bytes, big-endian, and the bytes.
//!
//! Readers take buffers as they came from the network and hand out slices of them: nothing is
//! copied. They know what was asked for and believe nothing else, not even a length.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mirrormesh_merkle::Hash;

use super::job::Want;

/// Status of a want that the peer does not have.
pub const GONE: u8 = 0;
/// Status of a want whose size and bytes follow.
pub const WHOLE: u8 = 1;
/// Most items of a list.
pub const MAX_LIST_ITEMS: usize = 65_536;

/// Why a reply cannot be read. Nothing has changed; what was read before it is as good as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A status that this program does not know.
    #[error("unknown status {0}")]
    Status(u8),
    /// Another size than was asked for.
    #[error("a content has {found} bytes instead of {expected}")]
    Size {
        /// What was asked for.
        expected: u64,
        /// What the reply says.
        found: u64,
    },
    /// Bytes follow the last item.
    #[error("bytes follow the reply")]
    Trailing,
    /// The reply ends within an item.
    #[error("the reply ends early")]
    Truncated,
    /// More items than a list may have.
    #[error("a list has too many items")]
    TooMany,
}

/// What became of one want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The peer does not have it (any more).
    Gone,
    /// The content, in pieces; not hashed yet.
    Whole(Vec<Bytes>),
}

/// Where a reader is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Status,
    Size(Vec<u8>),
    Bytes { left: u64, pieces: Vec<Bytes> },
}

/// Reads a framed reply chunk by chunk.
///
/// Holds the content that is under way, and nothing of those before it.
#[derive(Debug)]
pub struct ContentReader<'a> {
    wants: &'a [Want],
    next: usize,
    at: At,
}

impl<'a> ContentReader<'a> {
    /// A reader of the reply to these wants.
    pub fn new(wants: &'a [Want]) -> ContentReader<'a> {
        ContentReader { wants, next: 0, at: At::Status }
    }

    /// Whether every want was answered.
    pub fn is_finished(&self) -> bool {
        self.next == self.wants.len()
    }

    /// The next want that was answered, by its index, from `chunk`, of which that much is taken
    /// off. `None`: the chunk is used up.
    pub fn next(&mut self, chunk: &mut Bytes) -> Result<Option<(usize, Piece)>, ReplyError> {
        loop {
            let Some(want) = self.wants.get(self.next) else {
                return if chunk.is_empty() { Ok(None) } else { Err(ReplyError::Trailing) };
            };
            match &mut self.at {
                At::Bytes { left: 0, pieces } => {
                    let piece = Piece::Whole(std::mem::take(pieces));
                    return Ok(Some(self.answered(piece)));
                }
                _ if chunk.is_empty() => return Ok(None),
                At::Status => match chunk.get_u8() {
                    GONE => return Ok(Some(self.answered(Piece::Gone))),
                    WHOLE => self.at = At::Size(Vec::with_capacity(8)),
                    status => return Err(ReplyError::Status(status)),
                },
                At::Size(bytes) => {
                    let count = chunk.len().min(8 - bytes.len());
                    bytes.extend_from_slice(&chunk.split_to(count));
                    let Ok(size) = <[u8; 8]>::try_from(&bytes[..]) else { continue };
                    let found = u64::from_be_bytes(size);
                    if found != want.size {
                        return Err(ReplyError::Size { expected: want.size, found });
                    }
                    self.at = At::Bytes { left: found, pieces: Vec::new() };
                }
                At::Bytes { left, pieces } => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(chunk.len());
                    *left -= count as u64;
                    pieces.push(chunk.split_to(count));
                }
            }
        }
    }

    fn answered(&mut self, piece: Piece) -> (usize, Piece) {
        let index = self.next;
        self.next += 1;
        self.at = At::Status;
        (index, piece)
    }
}

/// The contents in a framed reply that is there whole, or as far as it goes and is what it should
/// be. Not hashed yet.
pub fn contents(wants: &[Want], chunks: &[Bytes]) -> Vec<(Hash, Vec<Bytes>)> {
    let mut reader = ContentReader::new(wants);
    let mut found = Vec::new();
    for chunk in chunks {
        let mut chunk = chunk.clone();
        loop {
            match reader.next(&mut chunk) {
                Ok(Some((index, Piece::Whole(pieces)))) => {
                    found.push((wants[index].content, pieces));
                }
                Ok(Some((_, Piece::Gone))) => {}
                Ok(None) => break,
                Err(_) => return found,
            }
        }
    }
    found
}

/// Byte strings as one.
pub fn encode_list(items: &[Bytes]) -> Bytes {
    let length = items.iter().map(|item| 4 + item.len()).sum();
    let mut out = BytesMut::with_capacity(length);
    for item in items {
        out.put_u32(item.len() as u32);
        out.put_slice(item);
    }
    out.freeze()
}

/// The byte strings of a list: slices of it.
pub fn decode_list(list: &Bytes) -> Result<Vec<Bytes>, ReplyError> {
    let mut rest = list.clone();
    let mut items = Vec::new();
    while !rest.is_empty() {
        if items.len() == MAX_LIST_ITEMS {
            return Err(ReplyError::TooMany);
        }
        let length = rest.try_get_u32().map_err(|_| ReplyError::Truncated)? as usize;
        if length > rest.len() {
            return Err(ReplyError::Truncated);
        }
        items.push(rest.split_to(length));
    }
    Ok(items)
}

/// Body for fuzzing: reads arbitrary bytes, cut in pieces, as a reply.
///
/// # Panics
///
/// If the pieces matter, or a list that was accepted is written otherwise.
pub fn fuzz_reply(bytes: &[u8], wants: &[Want], cut: usize) {
    let bytes = Bytes::copy_from_slice(bytes);
    let pieces: Vec<Bytes> = bytes.chunks(cut.max(1)).map(|chunk| bytes.slice_ref(chunk)).collect();
    let join = |found: Vec<(Hash, Vec<Bytes>)>| -> Vec<(Hash, Vec<u8>)> {
        found.into_iter().map(|(hash, pieces)| (hash, pieces.concat())).collect()
    };
    let whole = join(contents(wants, std::slice::from_ref(&bytes)));
    assert_eq!(join(contents(wants, &pieces)), whole, "the pieces matter");
    if let Ok(items) = decode_list(&bytes) {
        assert_eq!(encode_list(&items), bytes, "a list is written otherwise");
    }
}

#[cfg(test)]
mod tests;

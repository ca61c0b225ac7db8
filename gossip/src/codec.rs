//! Canonical encoding: what is signed or hashed is written and read by this.
//!
//! Purpose: one value, one sequence of bytes. Fields stand in a fixed order, numbers are
//! little-endian base-128 of minimal length, byte strings and lists carry their length, optional
//! values a 0 or a 1 before them.
//!
//! State: none beyond the bytes at hand.
//!
//! Invariants: a decoder built from [`Reader`] that ends with [`Reader::finish`] accepts only bytes
//! that the matching encoder writes; it allocates no more than the bytes it was given justify;
//! it never panics.
//!
//! Never carries control messages: those are [`crate::message`]'s.

use mirrormesh_merkle::Hash;

use crate::key::{NodeId, Signature};
use crate::time::Wall;

/// Why bytes are not the canonical encoding of what was expected.
///
/// Decoding changes no state. The operator's part is the same for all: the bytes come from a peer
/// with another version or from a damaged store; the caller says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("it ends early")]
    Truncated,
    /// Bytes follow the end of the value.
    #[error("bytes follow its end")]
    Trailing,
    /// A number is written with more bytes than it needs, or exceeds 64 bits.
    #[error("a number in it is not in its shortest form")]
    NotMinimal,
    /// A length or count exceeds its limit.
    #[error("{what}: more than {limit}")]
    TooLong {
        /// The field.
        what: &'static str,
        /// The most that is allowed, in bytes or items.
        limit: usize,
    },
    /// A text is not UTF-8.
    #[error("{what}: not UTF-8")]
    NotText {
        /// The field.
        what: &'static str,
    },
    /// A byte that selects a variant has a value this version does not know.
    #[error("{what}: unknown kind {value}")]
    UnknownKind {
        /// The field.
        what: &'static str,
        /// The value found.
        value: u8,
    },
    /// A list that must be sorted and free of repetitions is not.
    #[error("{what}: not in order")]
    NotInOrder {
        /// The field.
        what: &'static str,
    },
    /// A value that can never be valid.
    #[error("{what}: not valid")]
    NotValid {
        /// The field.
        what: &'static str,
    },
    /// The encoding's own version is not one that this program reads.
    #[error("{what}: encoding version {value} is not known to this program")]
    UnknownVersion {
        /// What is encoded.
        what: &'static str,
        /// The version found.
        value: u8,
    },
}

/// Writes fields one after another.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// One byte: a version, a kind.
    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// A truth value, as 0 or 1.
    pub fn flag(&mut self, value: bool) {
        self.byte(u8::from(value));
    }

    /// A number, 1 to 10 bytes.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Bytes whose length the reader knows.
    pub fn fixed(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    /// Bytes with their length before them.
    pub fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.fixed(value);
    }

    /// A text with its length in bytes before it.
    pub fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// A hash: 32 bytes.
    pub fn hash(&mut self, value: &Hash) {
        self.fixed(value.as_bytes());
    }

    /// A node's id: 32 bytes.
    pub fn node(&mut self, value: &NodeId) {
        self.fixed(value.as_bytes());
    }

    /// A signature: 64 bytes.
    pub fn signature(&mut self, value: &Signature) {
        self.fixed(value.as_bytes());
    }

    /// A time of day: 8 bytes, big-endian two's complement.
    pub fn wall(&mut self, value: Wall) {
        self.fixed(&value.0.to_be_bytes());
    }

    /// A value that may be absent.
    pub fn optional<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Writer, &T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// A list with its count before it.
    pub fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Writer, &T)) {
        self.number(values.len() as u64);
        for value in values {
            write(self, value);
        }
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads what [`Writer`] wrote, and nothing else.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// The encoding's version byte, which must be `expected`.
    pub fn version(&mut self, what: &'static str, expected: u8) -> Result<(), DecodeError> {
        match self.byte()? {
            value if value == expected => Ok(()),
            value => Err(DecodeError::UnknownVersion { what, value }),
        }
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let [value] = self.fixed::<1>()?;
        Ok(value)
    }

    /// A truth value; anything but 0 and 1 is refused.
    pub fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(DecodeError::UnknownKind { what, value }),
        }
    }

    /// A number in its shortest form.
    pub fn number(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(DecodeError::NotMinimal);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                let padded = byte == 0 && shift > 0;
                return if padded { Err(DecodeError::NotMinimal) } else { Ok(value) };
            }
        }
        Err(DecodeError::NotMinimal)
    }

    /// A length or count of at most `limit`.
    pub fn count(&mut self, what: &'static str, limit: usize) -> Result<usize, DecodeError> {
        match usize::try_from(self.number()?) {
            Ok(count) if count <= limit => Ok(count),
            _ => Err(DecodeError::TooLong { what, limit }),
        }
    }

    /// `N` bytes.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (now, later) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = later;
        Ok(*now)
    }

    /// A byte string of at most `limit` bytes.
    pub fn bytes(&mut self, what: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.count(what, limit)?;
        let (now, later) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = later;
        Ok(now)
    }

    /// A text of at most `limit` bytes.
    pub fn text(&mut self, what: &'static str, limit: usize) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes(what, limit)?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::NotText { what })
    }

    /// A hash.
    pub fn hash(&mut self) -> Result<Hash, DecodeError> {
        Ok(Hash::from_bytes(self.fixed()?))
    }

    /// A node's id that is a sound public key.
    pub fn node(&mut self, what: &'static str) -> Result<NodeId, DecodeError> {
        NodeId::from_bytes(self.fixed()?).map_err(|_| DecodeError::NotValid { what })
    }

    /// A node's id that nothing trusts: a revoked key, or one whose signature is checked next.
    pub fn unchecked_node(&mut self) -> Result<NodeId, DecodeError> {
        Ok(NodeId::unchecked(self.fixed()?))
    }

    /// A signature; whether it holds is for its verification to say.
    pub fn signature(&mut self) -> Result<Signature, DecodeError> {
        Ok(Signature::from_bytes(self.fixed()?))
    }

    /// A time of day.
    pub fn wall(&mut self) -> Result<Wall, DecodeError> {
        Ok(Wall(i64::from_be_bytes(self.fixed()?)))
    }

    /// A value that may be absent.
    pub fn optional<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flag(what)? { read(self).map(Some) } else { Ok(None) }
    }

    /// A list of at most `limit` items.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        mut read: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(what, limit)?;
        // Every item takes at least a byte: a claimed count buys no more memory than was sent.
        let mut items = Vec::with_capacity(count.min(self.rest.len()).min(1_024));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// The end: nothing may follow.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }
}

/// Refuses a list that is not strictly ascending by `key`.
pub fn ascending<T, K: Ord>(
    what: &'static str,
    items: &[T],
    key: impl Fn(&T) -> K,
) -> Result<(), DecodeError> {
    if items.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) {
        Ok(())
    } else {
        Err(DecodeError::NotInOrder { what })
    }
}

#[cfg(test)]
mod tests;

//! Bounded rmp-serde, for everything that is neither signed nor hashed.
//!
//! Purpose: control messages, requests, tokens and the control socket speak MessagePack with named
//! maps. Unknown fields are skipped and new ones have defaults, so an older reader understands a
//! newer writer. Signed things travel inside as opaque bytes.
//!
//! Invariants: nothing longer than the caller's limit is looked at, nesting stops at
//! [`MAX_DEPTH`], bytes after the value are refused, and no claimed length is believed before the
//! bytes are there.
//!
//! Never used for what is signed: MessagePack has more than one spelling of a value.

use std::fmt;
use std::io::Cursor;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The deepest nesting that a message may have.
pub const MAX_DEPTH: usize = 32;

/// Why a message was not written or not read. No state changes; the peer speaks another version or
/// is broken, and the connection that carried the message is to be ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than the caller allows.
    #[error("message of {length} bytes, at most {limit} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// The bytes end before the value does.
    #[error("the message ends early")]
    EndsEarly,
    /// Bytes follow the value.
    #[error("{count} bytes follow the message")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// Not the MessagePack of what was expected.
    #[error("malformed message: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// The value cannot be written (a bug of the caller: a map key that is no text, for example).
    #[error("cannot write message: {reason}")]
    Unwritable {
        /// What the encoder says.
        reason: String,
    },
}

/// `value` as MessagePack with named maps.
///
/// # Errors
/// [`MessageError::Unwritable`] for a value that MessagePack cannot hold.
pub fn to_bytes_named<T: Serialize>(value: &T) -> Result<Vec<u8>, MessageError> {
    rmp_serde::to_vec_named(value)
        .map_err(|error| MessageError::Unwritable { reason: error.to_string() })
}

/// The value in `bytes`, of which there may be at most `max`.
///
/// # Errors
/// All variants but [`MessageError::Unwritable`].
pub fn from_bytes_bounded<T: DeserializeOwned>(
    bytes: &[u8],
    max: usize,
) -> Result<T, MessageError> {
    if bytes.len() > max {
        return Err(MessageError::TooLong { length: bytes.len(), limit: max });
    }
    let (value, position) = from_bytes_prefix(bytes)?;
    match bytes.len() - position {
        0 => Ok(value),
        count => Err(MessageError::Trailing { count }),
    }
}

/// The value at the beginning of `bytes`, and where it ends.
pub(crate) fn from_bytes_prefix<T: DeserializeOwned>(
    bytes: &[u8],
) -> Result<(T, usize), MessageError> {
    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(bytes));
    deserializer.set_max_depth(MAX_DEPTH);
    let value = T::deserialize(&mut deserializer).map_err(malformed)?;
    let position = usize::try_from(deserializer.position()).unwrap_or(usize::MAX);
    Ok((value, position.min(bytes.len())))
}

fn malformed(error: rmp_serde::decode::Error) -> MessageError {
    use rmp_serde::decode::Error;
    match error {
        Error::InvalidMarkerRead(cause) | Error::InvalidDataRead(cause)
            if cause.kind() == std::io::ErrorKind::UnexpectedEof =>
        {
            MessageError::EndsEarly
        }
        other => MessageError::Malformed { reason: other.to_string() },
    }
}

/// A list of at most `MAX` values: `#[serde(deserialize_with = "list::<_, _, MAX>")]`. A value may
/// take far more memory than the one byte that can stand for it in a message, so that a bound on
/// the bytes alone is none on the memory.
///
/// # Errors
/// Those of the format, and a list that is longer.
pub fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(Bounded::<T, MAX>(PhantomData))
}

struct Bounded<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Bounded<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(text, "a list of at most {MAX} values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            if list.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            list.push(value);
        }
        Ok(list)
    }
}

/// A [`mirrormesh_merkle::Hash`] in a message: `#[serde(with = "mirrormesh_gossip::message::hash")]`.
/// Bytes in MessagePack, hex digits where people read.
pub mod hash {
    use mirrormesh_merkle::Hash;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::key::FixedBytes;

    /// Writes a hash.
    ///
    /// # Errors
    /// Those of the format.
    pub fn serialize<S: Serializer>(value: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(value)
        } else {
            serializer.serialize_bytes(value.as_bytes())
        }
    }

    /// Reads a hash.
    ///
    /// # Errors
    /// Those of the format, and what is not 32 bytes (64 hex digits).
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            deserializer.deserialize_bytes(FixedBytes::<32>).map(Hash::from_bytes)
        }
    }
}

#[cfg(test)]
mod tests;

//! Optional metadata of an entry: owner and group names, extended attributes (ACLs are among them).
//!
//! Attributes that exist are valid and not empty: an entry without any has none, so that one entry
//! has one encoding.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Reader, varint_length, write_varint};
use crate::error::DecodeError;
use crate::limits::{
    MAX_ATTRIBUTES_BYTES, MAX_OWNER_BYTES, MAX_XATTR_NAME_BYTES, MAX_XATTR_VALUE_BYTES,
};

const HAS_OWNER: u8 = 1;
const HAS_GROUP: u8 = 2;
const HAS_XATTRS: u8 = 4;

/// Owner, group and extended attributes; at least one of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    owner: Option<Bytes>,
    group: Option<Bytes>,
    xattrs: Vec<(Bytes, Bytes)>,
}

/// Why attributes are not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// An owner or group name that is empty, too long or contains NUL.
    #[error("an owner or group name is not 1 to {MAX_OWNER_BYTES} bytes without NUL")]
    Owner,
    /// The name of an extended attribute is empty, too long or contains NUL.
    #[error("an attribute's name is not 1 to {MAX_XATTR_NAME_BYTES} bytes without NUL")]
    XattrName,
    /// The value of an extended attribute is too large.
    #[error("an attribute's value is larger than {MAX_XATTR_VALUE_BYTES} bytes")]
    XattrValue,
    /// Two extended attributes of one name, or names that are out of order in an encoding.
    #[error("attributes are not strictly ordered by name")]
    XattrOrder,
    /// All of it together is too large.
    #[error("attributes take more than {MAX_ATTRIBUTES_BYTES} bytes")]
    TooLarge,
}

fn is_text(bytes: &[u8], limit: usize) -> bool {
    (1..=limit).contains(&bytes.len()) && !bytes.contains(&0)
}

impl Attributes {
    /// Checks and sorts what an entry has beside mode and content: names of owner and group, and
    /// extended attributes as (name, value). `None` if that is nothing.
    pub fn new(
        owner: Option<Bytes>,
        group: Option<Bytes>,
        mut xattrs: Vec<(Bytes, Bytes)>,
    ) -> Result<Option<Arc<Attributes>>, AttributesError> {
        if owner.is_none() && group.is_none() && xattrs.is_empty() {
            return Ok(None);
        }
        xattrs.sort();
        let attributes = Attributes { owner, group, xattrs };
        attributes.check()?;
        Ok(Some(Arc::new(attributes)))
    }

    /// Name of the owner.
    pub fn owner(&self) -> Option<&Bytes> {
        self.owner.as_ref()
    }

    /// Name of the group.
    pub fn group(&self) -> Option<&Bytes> {
        self.group.as_ref()
    }

    /// Extended attributes as (name, value), strictly ordered by name.
    pub fn xattrs(&self) -> &[(Bytes, Bytes)] {
        &self.xattrs
    }

    fn check(&self) -> Result<(), AttributesError> {
        if [&self.owner, &self.group].into_iter().flatten().any(|o| !is_text(o, MAX_OWNER_BYTES)) {
            return Err(AttributesError::Owner);
        }
        for (name, value) in &self.xattrs {
            if !is_text(name, MAX_XATTR_NAME_BYTES) {
                return Err(AttributesError::XattrName);
            }
            if value.len() > MAX_XATTR_VALUE_BYTES {
                return Err(AttributesError::XattrValue);
            }
        }
        if !self.xattrs.is_sorted_by(|left, right| left.0 < right.0) {
            return Err(AttributesError::XattrOrder);
        }
        if self.encoded_length() > MAX_ATTRIBUTES_BYTES {
            return Err(AttributesError::TooLarge);
        }
        Ok(())
    }

    /// Length of the encoding in bytes, without the length that precedes it.
    fn encoded_length(&self) -> usize {
        let owners: usize =
            [&self.owner, &self.group].into_iter().flatten().map(|o| 1 + o.len()).sum();
        let xattrs: usize = self
            .xattrs
            .iter()
            .map(|(name, value)| 1 + name.len() + varint_length(value.len() as u64) + value.len())
            .sum();
        let count = match self.xattrs.len() {
            0 => 0,
            count => varint_length(count as u64),
        };
        1 + owners + count + xattrs
    }

    /// Appends the encoding: its length, what is present, then each part.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        write_varint(out, self.encoded_length() as u64);
        let owner = if self.owner.is_some() { HAS_OWNER } else { 0 };
        let group = if self.group.is_some() { HAS_GROUP } else { 0 };
        let xattrs = if self.xattrs.is_empty() { 0 } else { HAS_XATTRS };
        out.push(owner | group | xattrs);
        for text in [&self.owner, &self.group].into_iter().flatten() {
            out.push(text.len() as u8);
            out.extend_from_slice(text);
        }
        if !self.xattrs.is_empty() {
            write_varint(out, self.xattrs.len() as u64);
        }
        for (name, value) in &self.xattrs {
            out.push(name.len() as u8);
            out.extend_from_slice(name);
            write_varint(out, value.len() as u64);
            out.extend_from_slice(value);
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Arc<Attributes>, DecodeError> {
        let length = reader.length(MAX_ATTRIBUTES_BYTES)?;
        let mut reader = Reader::new(reader.take(length)?);
        let present = reader.byte()?;
        if present == 0 || present > HAS_OWNER | HAS_GROUP | HAS_XATTRS {
            return Err(DecodeError::Flags(present));
        }
        let text = |reader: &mut Reader<'_>, flag: u8| -> Result<_, DecodeError> {
            if present & flag == 0 {
                return Ok(None);
            }
            let length = reader.byte()?;
            Ok(Some(Bytes::copy_from_slice(reader.take(usize::from(length))?)))
        };
        let owner = text(&mut reader, HAS_OWNER)?;
        let group = text(&mut reader, HAS_GROUP)?;
        let mut xattrs = Vec::new();
        if present & HAS_XATTRS != 0 {
            // The shortest extended attribute takes three bytes: a count cannot ask for much.
            let count = reader.length(MAX_ATTRIBUTES_BYTES / 3)?;
            if count == 0 {
                return Err(DecodeError::Flags(present));
            }
            for _ in 0..count {
                let length = reader.byte()?;
                let name = Bytes::copy_from_slice(reader.take(usize::from(length))?);
                let length = reader.length(MAX_XATTR_VALUE_BYTES)?;
                xattrs.push((name, Bytes::copy_from_slice(reader.take(length)?)));
            }
        }
        reader.end()?;
        let attributes = Attributes { owner, group, xattrs };
        attributes.check()?;
        Ok(Arc::new(attributes))
    }
}

/// The canonical encoding of attributes by themselves.
pub fn encode_attributes(attributes: &Attributes) -> Vec<u8> {
    let mut out = Vec::with_capacity(attributes.encoded_length() + 4);
    attributes.encode(&mut out);
    out
}

/// Reads what [`encode_attributes`] wrote, and nothing else.
///
/// # Errors
/// [`DecodeError`] if the bytes are not such an encoding, whole.
pub fn decode_attributes(bytes: &[u8]) -> Result<Arc<Attributes>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let attributes = Attributes::decode(&mut reader)?;
    reader.end()?;
    Ok(attributes)
}

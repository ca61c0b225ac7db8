//! What the tree says of one name: kind, metadata, content.
//!
//! An entry holds what two hosts can agree on and nothing else: no directory mtime, no inode, no
//! numeric owner, no access time. [`Record`](crate::Record) is an entry without what is derived
//! from below it.
//!
//! The encoding is one byte of kind and flags, then (in a node) the name, then the body.

use std::sync::Arc;

use bytes::Bytes;

use crate::attributes::Attributes;
use crate::codec::{Reader, write_signed, write_varint};
use crate::error::DecodeError;
use crate::hash::Hash;
use crate::limits::{MAX_FILE_BYTES, MAX_MODE, MAX_TARGET_BYTES};

pub(crate) const KIND_FILE: u8 = 1;
pub(crate) const KIND_DIRECTORY: u8 = 2;
pub(crate) const KIND_SYMLINK: u8 = 3;
pub(crate) const KIND_MASK: u8 = 0x0f;
pub(crate) const FLAG_ATTRIBUTES: u8 = 0x40;
pub(crate) const FLAG_UNSERVED: u8 = 0x80;

/// A point in time: seconds since 1970 and nanoseconds within the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Seconds since 1970-01-01 00:00:00 UTC; negative before.
    pub seconds: i64,
    /// Nanoseconds since the start of the second: below 1,000,000,000.
    pub nanoseconds: u32,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File {
    /// Permission bits, set-id bits and the sticky bit: at most 07777.
    pub mode: u16,
    /// Time of the last change of the content.
    pub mtime: Time,
    /// Size in bytes.
    pub size: u64,
    /// BLAKE3 of the content.
    pub content: Hash,
    /// The content is that of the last published version, which nobody can serve any more: a
    /// replica that has it keeps it, one that has not leaves the name out.
    pub unserved: bool,
    /// Owner, group and extended attributes, where mirrored.
    pub attributes: Option<Arc<Attributes>>,
}

/// A directory with everything below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Directory {
    /// Permission bits, set-id bits and the sticky bit: at most 07777.
    pub mode: u16,
    /// Hash of the directory's node.
    pub node: Hash,
    /// Number of regular files below, at any depth.
    pub files: u64,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// Owner, group and extended attributes, where mirrored.
    pub attributes: Option<Arc<Attributes>>,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symlink {
    /// What it points to: 1 to 4,095 raw bytes without NUL, never interpreted here.
    pub target: Bytes,
    /// Owner, group and extended attributes, where mirrored.
    pub attributes: Option<Arc<Attributes>>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A regular file.
    File(File),
    /// A directory.
    Directory(Directory),
    /// A symbolic link.
    Symlink(Symlink),
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// Why an entry's own fields are not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A mode above 07777.
    #[error("a mode is above 07777")]
    Mode,
    /// Nanoseconds of a whole second or more.
    #[error("nanoseconds are not below 1,000,000,000")]
    Nanoseconds,
    /// A size above [`MAX_FILE_BYTES`].
    #[error("a size is above {MAX_FILE_BYTES} bytes")]
    Size,
    /// A symlink's target that is empty, too long or contains NUL.
    #[error("a symlink's target is not 1 to {MAX_TARGET_BYTES} bytes without NUL")]
    Target,
}

pub(crate) fn check_mode(mode: u16) -> Result<(), EntryError> {
    if mode > MAX_MODE { Err(EntryError::Mode) } else { Ok(()) }
}

impl File {
    /// Whether every field is in range.
    pub fn check(&self) -> Result<(), EntryError> {
        check_mode(self.mode)?;
        if self.mtime.nanoseconds >= 1_000_000_000 {
            return Err(EntryError::Nanoseconds);
        }
        if self.size > MAX_FILE_BYTES {
            return Err(EntryError::Size);
        }
        Ok(())
    }

    pub(crate) fn flags(&self) -> u8 {
        let unserved = if self.unserved { FLAG_UNSERVED } else { 0 };
        KIND_FILE | unserved | attributes_flag(&self.attributes)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.mode.to_le_bytes());
        write_signed(out, self.mtime.seconds);
        out.extend_from_slice(&self.mtime.nanoseconds.to_le_bytes());
        write_varint(out, self.size);
        out.extend_from_slice(self.content.as_bytes());
        encode_attributes(&self.attributes, out);
    }

    pub(crate) fn decode(flags: u8, reader: &mut Reader<'_>) -> Result<File, DecodeError> {
        let file = File {
            mode: reader.u16()?,
            mtime: Time { seconds: reader.signed()?, nanoseconds: reader.u32()? },
            size: reader.varint()?,
            content: reader.hash()?,
            unserved: flags & FLAG_UNSERVED != 0,
            attributes: decode_attributes(flags, reader)?,
        };
        file.check()?;
        Ok(file)
    }
}

impl Symlink {
    /// Whether every field is in range.
    pub fn check(&self) -> Result<(), EntryError> {
        let length = self.target.len();
        if length == 0 || length > MAX_TARGET_BYTES || self.target.contains(&0) {
            return Err(EntryError::Target);
        }
        Ok(())
    }

    pub(crate) fn flags(&self) -> u8 {
        KIND_SYMLINK | attributes_flag(&self.attributes)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        write_varint(out, self.target.len() as u64);
        out.extend_from_slice(&self.target);
        encode_attributes(&self.attributes, out);
    }

    pub(crate) fn decode(flags: u8, reader: &mut Reader<'_>) -> Result<Symlink, DecodeError> {
        let length = reader.length(MAX_TARGET_BYTES)?;
        let target = Bytes::copy_from_slice(reader.take(length)?);
        let symlink = Symlink { target, attributes: decode_attributes(flags, reader)? };
        symlink.check()?;
        Ok(symlink)
    }
}

impl Directory {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.mode.to_le_bytes());
        out.extend_from_slice(self.node.as_bytes());
        write_varint(out, self.files);
        write_varint(out, self.bytes);
        encode_attributes(&self.attributes, out);
    }

    fn decode(flags: u8, reader: &mut Reader<'_>) -> Result<Directory, DecodeError> {
        let mode = reader.u16()?;
        check_mode(mode)?;
        let node = reader.hash()?;
        let (files, bytes) = (reader.varint()?, reader.varint()?);
        Ok(Directory { mode, node, files, bytes, attributes: decode_attributes(flags, reader)? })
    }
}

impl Entry {
    /// The entry's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Entry::File(_) => Kind::File,
            Entry::Directory(_) => Kind::Directory,
            Entry::Symlink(_) => Kind::Symlink,
        }
    }

    /// The directory, if it is one.
    pub fn as_directory(&self) -> Option<&Directory> {
        match self {
            Entry::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// Kind and flags in one byte.
    pub(crate) fn flags(&self) -> u8 {
        match self {
            Entry::File(file) => file.flags(),
            Entry::Directory(directory) => KIND_DIRECTORY | attributes_flag(&directory.attributes),
            Entry::Symlink(symlink) => symlink.flags(),
        }
    }

    /// Appends the body, which follows flags and name.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Entry::File(file) => file.encode(out),
            Entry::Directory(directory) => directory.encode(out),
            Entry::Symlink(symlink) => symlink.encode(out),
        }
    }

    pub(crate) fn decode(flags: u8, reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
        match check_flags(flags)? {
            Kind::File => File::decode(flags, reader).map(Entry::File),
            Kind::Directory => Directory::decode(flags, reader).map(Entry::Directory),
            Kind::Symlink => Symlink::decode(flags, reader).map(Entry::Symlink),
        }
    }
}

/// The kind that a byte of kind and flags names, if every bit of it has a meaning.
pub(crate) fn check_flags(flags: u8) -> Result<Kind, DecodeError> {
    let (kind, allowed) = match flags & KIND_MASK {
        KIND_FILE => (Kind::File, FLAG_ATTRIBUTES | FLAG_UNSERVED),
        KIND_DIRECTORY => (Kind::Directory, FLAG_ATTRIBUTES),
        KIND_SYMLINK => (Kind::Symlink, FLAG_ATTRIBUTES),
        _ => return Err(DecodeError::Flags(flags)),
    };
    if flags & !KIND_MASK & !allowed != 0 {
        return Err(DecodeError::Flags(flags));
    }
    Ok(kind)
}

pub(crate) fn attributes_flag(attributes: &Option<Arc<Attributes>>) -> u8 {
    if attributes.is_some() { FLAG_ATTRIBUTES } else { 0 }
}

pub(crate) fn encode_attributes(attributes: &Option<Arc<Attributes>>, out: &mut Vec<u8>) {
    if let Some(attributes) = attributes {
        attributes.encode(out);
    }
}

pub(crate) fn decode_attributes(
    flags: u8,
    reader: &mut Reader<'_>,
) -> Result<Option<Arc<Attributes>>, DecodeError> {
    if flags & FLAG_ATTRIBUTES == 0 {
        return Ok(None);
    }
    Attributes::decode(reader).map(Some)
}

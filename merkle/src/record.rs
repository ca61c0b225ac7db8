//! An entry without what is derived from below it: what changes and deltas carry.

use std::sync::Arc;

use crate::attributes::Attributes;
use crate::codec::Reader;
use crate::entry::{
    Entry, EntryError, File, KIND_DIRECTORY, Kind, Symlink, attributes_flag, check_flags,
    check_mode, decode_attributes, encode_attributes,
};
use crate::error::DecodeError;

/// What a path is, apart from what lies below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// A regular file.
    File(File),
    /// A symbolic link.
    Symlink(Symlink),
    /// A directory, whatever is in it.
    Directory {
        /// Permission bits, set-id bits and the sticky bit: at most 07777.
        mode: u16,
        /// Owner, group and extended attributes, where mirrored.
        attributes: Option<Arc<Attributes>>,
    },
}

impl Record {
    /// The record's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Record::File(_) => Kind::File,
            Record::Symlink(_) => Kind::Symlink,
            Record::Directory { .. } => Kind::Directory,
        }
    }

    /// Owner, group and extended attributes, where mirrored.
    pub fn attributes(&self) -> Option<&Arc<Attributes>> {
        match self {
            Record::File(File { attributes, .. })
            | Record::Symlink(Symlink { attributes, .. })
            | Record::Directory { attributes, .. } => attributes.as_ref(),
        }
    }

    /// Whether every field is in range.
    pub fn check(&self) -> Result<(), EntryError> {
        match self {
            Record::File(file) => file.check(),
            Record::Symlink(symlink) => symlink.check(),
            Record::Directory { mode, .. } => check_mode(*mode),
        }
    }

    /// Whether this is the record of `entry`.
    pub fn describes(&self, entry: &Entry) -> bool {
        match (self, entry) {
            (Record::File(left), Entry::File(right)) => left == right,
            (Record::Symlink(left), Entry::Symlink(right)) => left == right,
            (Record::Directory { mode, attributes }, Entry::Directory(right)) => {
                *mode == right.mode && *attributes == right.attributes
            }
            _ => false,
        }
    }

    /// Appends the encoding: one byte of kind and flags, then the body.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Record::File(file) => {
                out.push(file.flags());
                file.encode(out);
            }
            Record::Symlink(symlink) => {
                out.push(symlink.flags());
                symlink.encode(out);
            }
            Record::Directory { mode, attributes } => {
                out.push(KIND_DIRECTORY | attributes_flag(attributes));
                out.extend_from_slice(&mode.to_le_bytes());
                encode_attributes(attributes, out);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Record, DecodeError> {
        let flags = reader.byte()?;
        match check_flags(flags)? {
            Kind::File => File::decode(flags, reader).map(Record::File),
            Kind::Symlink => Symlink::decode(flags, reader).map(Record::Symlink),
            Kind::Directory => {
                let mode = reader.u16()?;
                check_mode(mode)?;
                Ok(Record::Directory { mode, attributes: decode_attributes(flags, reader)? })
            }
        }
    }
}

impl From<&Entry> for Record {
    fn from(entry: &Entry) -> Record {
        match entry {
            Entry::File(file) => Record::File(file.clone()),
            Entry::Symlink(symlink) => Record::Symlink(symlink.clone()),
            Entry::Directory(directory) => {
                Record::Directory { mode: directory.mode, attributes: directory.attributes.clone() }
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! The index: what lies at each path of the docroot, as last observed or applied.
//!
//! A row holds the record that the current tree has there and the stat that the file had then.
//! As long as the stat is the same, the file need not be opened. A row marked local was put there
//! by somebody else than this program on a replica, and is set aside before it is displaced.
//!
//! Keys sort a directory's names together: the parent's path, a NUL, the name.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mirrormesh_merkle::{
    File, Hash, Path, Record, Symlink, Time, decode_attributes, encode_attributes,
};

use super::disk::Stat;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// What the current tree has there.
    pub record: Record,
    /// What the file's stat was when that was established.
    pub seen: Seen,
    /// Whether it is a local edit of a replica; on an origin, whether what lies there is damaged.
    pub local: bool,
}

/// The part of a stat whose change means that the file must be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Inode number.
    pub inode: u64,
    /// Time of the last change of the inode.
    pub ctime: Time,
    /// Time of the last change of content.
    pub mtime: Time,
    /// Length in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u16,
}

impl Seen {
    /// No file has it: what lies there is to be read. It counts as changed a moment ago.
    pub const UNKNOWN: Seen = {
        let late = Time { seconds: i64::MAX, nanoseconds: 0 };
        Seen { inode: 0, ctime: late, mtime: late, size: 0, mode: 0 }
    };

    /// Of a stat.
    pub fn of(stat: &Stat) -> Seen {
        Seen {
            inode: stat.inode,
            ctime: stat.ctime,
            mtime: stat.mtime,
            size: stat.size,
            mode: stat.mode,
        }
    }

    /// Whether a file with this stat was not written to since, whatever else was done to it.
    pub fn same_data(&self, stat: &Stat) -> bool {
        (self.inode, self.mtime, self.size) == (stat.inode, stat.mtime, stat.size)
    }

    /// The same of a directory that could not be looked into: it has to be scanned wholly as soon as
    /// it can be.
    pub fn doubted(self) -> Seen {
        // No inode has this number.
        Seen { inode: 0, ..self }
    }

    /// Whether a directory is to be scanned wholly.
    pub fn is_doubted(&self) -> bool {
        self.inode == 0
    }

    /// Whether a directory with this stat needs no look itself: sizes and times of directories
    /// change with their content.
    pub fn same_directory(&self, stat: &Stat) -> bool {
        self.inode == stat.inode && self.mode == stat.mode
    }
}

/// Key of a path's row.
pub fn index_key(path: &Path) -> Bytes {
    let bytes = path.as_bytes();
    let split = bytes.iter().rposition(|byte| *byte == b'/');
    let (parent, name) = match split {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (&bytes[..0], bytes),
    };
    let mut key = BytesMut::with_capacity(bytes.len() + 1);
    key.put_slice(parent);
    key.put_u8(0);
    key.put_slice(name);
    key.freeze()
}

/// The path of a row's key, or `None` if it is no key.
pub fn index_path(key: &[u8]) -> Option<Path> {
    let at = key.iter().rposition(|byte| *byte == 0)?;
    let mut bytes = key[..at].to_vec();
    if !bytes.is_empty() {
        bytes.push(b'/');
    }
    bytes.extend_from_slice(&key[at + 1..]);
    Path::from_bytes(&bytes).ok()
}

/// First key of a directory's rows, and the key after the last.
pub fn index_directory(path: &Path) -> (Bytes, Bytes) {
    let mut start = path.as_bytes().to_vec();
    let mut end = start.clone();
    start.push(0);
    end.push(1);
    (start.into(), end.into())
}

/// Key in [`super::Table::Contents`] of a content at a path.
pub fn content_key(content: &Hash, path: &Path) -> Bytes {
    let mut key = BytesMut::from(&content.as_bytes()[..16]);
    key.put_slice(&index_key(path));
    key.freeze()
}

/// First key of a content's rows, and the key after the last (`None`: the end of the table).
pub fn content_range(content: &Hash) -> (Bytes, Option<Bytes>) {
    let start = content.as_bytes()[..16].to_vec();
    let mut end = start.clone();
    while let Some(last) = end.pop() {
        if last < 255 {
            end.push(last + 1);
            return (start.into(), Some(end.into()));
        }
    }
    (start.into(), None)
}

/// The path in a key of [`super::Table::Contents`].
pub fn content_path(key: &[u8]) -> Option<Path> {
    index_path(key.get(16..)?)
}

const VERSION: u8 = 1;
const KIND_FILE: u8 = 0;
const KIND_DIRECTORY: u8 = 1;
const KIND_SYMLINK: u8 = 2;
const LOCAL: u8 = 0x10;
const UNSERVED: u8 = 0x20;
const ATTRIBUTES: u8 = 0x40;

impl IndexRow {
    /// The row as bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(128);
        let (kind, attributes, unserved) = match &self.record {
            Record::File(file) => (KIND_FILE, &file.attributes, file.unserved),
            Record::Directory { attributes, .. } => (KIND_DIRECTORY, attributes, false),
            Record::Symlink(link) => (KIND_SYMLINK, &link.attributes, false),
        };
        let mut flags = kind;
        flags |= if self.local { LOCAL } else { 0 };
        flags |= if unserved { UNSERVED } else { 0 };
        flags |= if attributes.is_some() { ATTRIBUTES } else { 0 };
        out.put_u8(VERSION);
        out.put_u8(flags);
        out.put_u64(self.seen.inode);
        put_time(&mut out, self.seen.ctime);
        put_time(&mut out, self.seen.mtime);
        out.put_u64(self.seen.size);
        out.put_u16(self.seen.mode);
        match &self.record {
            Record::File(file) => {
                out.put_u16(file.mode);
                put_time(&mut out, file.mtime);
                out.put_u64(file.size);
                out.put_slice(file.content.as_bytes());
            }
            Record::Directory { mode, .. } => out.put_u16(*mode),
            Record::Symlink(link) => {
                out.put_u16(link.target.len() as u16);
                out.put_slice(&link.target);
            }
        }
        if let Some(attributes) = attributes {
            out.put_slice(&encode_attributes(attributes));
        }
        out.freeze()
    }

    /// Reads a row; `None` if it is not one of this version.
    pub fn decode(bytes: &[u8]) -> Option<IndexRow> {
        let mut input = bytes;
        if input.try_get_u8().ok()? != VERSION {
            return None;
        }
        let flags = input.try_get_u8().ok()?;
        let seen = Seen {
            inode: input.try_get_u64().ok()?,
            ctime: get_time(&mut input)?,
            mtime: get_time(&mut input)?,
            size: input.try_get_u64().ok()?,
            mode: input.try_get_u16().ok()?,
        };
        let mut record = match flags & 0x0f {
            KIND_FILE => Record::File(File {
                mode: input.try_get_u16().ok()?,
                mtime: get_time(&mut input)?,
                size: input.try_get_u64().ok()?,
                content: get_hash(&mut input)?,
                unserved: flags & UNSERVED != 0,
                attributes: None,
            }),
            KIND_DIRECTORY => {
                Record::Directory { mode: input.try_get_u16().ok()?, attributes: None }
            }
            KIND_SYMLINK => {
                let length = usize::from(input.try_get_u16().ok()?);
                let target = Bytes::copy_from_slice(input.get(..length)?);
                input = &input[length..];
                Record::Symlink(Symlink { target, attributes: None })
            }
            _ => return None,
        };
        if flags & ATTRIBUTES != 0 {
            let attributes = decode_attributes(input).ok()?;
            let slot = match &mut record {
                Record::File(file) => &mut file.attributes,
                Record::Directory { attributes, .. } => attributes,
                Record::Symlink(link) => &mut link.attributes,
            };
            *slot = Some(attributes);
        } else if !input.is_empty() {
            return None;
        }
        Some(IndexRow { record, seen, local: flags & LOCAL != 0 })
    }
}

fn put_time(out: &mut BytesMut, time: Time) {
    out.put_i64(time.seconds);
    out.put_u32(time.nanoseconds);
}

fn get_time(input: &mut &[u8]) -> Option<Time> {
    Some(Time { seconds: input.try_get_i64().ok()?, nanoseconds: input.try_get_u32().ok()? })
}

fn get_hash(input: &mut &[u8]) -> Option<Hash> {
    let bytes: [u8; 32] = input.get(..32)?.try_into().ok()?;
    *input = &input[32..];
    Some(Hash::from_bytes(bytes))
}

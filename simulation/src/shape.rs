//! What a name looks like, as far as mirrormesh mirrors it; and what lies in a docroot.
//!
//! The slow, independent model of all checkers: shapes are taken from what anybody who looks would
//! see, or from the records of a published tree, and compared as values.

use std::collections::BTreeMap;

use bytes::Bytes;
use mirrormesh::store::FileKind;
use mirrormesh_merkle::{Hash, RESERVED_PREFIX, Record, Time};

use crate::disk::{Seen, SimDisk};

/// What a name looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A regular file.
    File { mode: u16, mtime: Time, size: u64, content: Hash },
    /// A directory.
    Directory { mode: u16 },
    /// A symbolic link.
    Symlink { target: Bytes },
    /// Something that is not mirrored.
    Other,
    /// A published file that nobody serves: whoever has it may keep it.
    Unserved,
}

/// Everything below a docroot, by path.
pub(crate) type Listing = BTreeMap<Vec<u8>, Shape>;

impl Shape {
    /// What somebody sees.
    pub(crate) fn of_seen(seen: &Seen) -> Shape {
        match (seen.kind, &seen.content, &seen.target) {
            (FileKind::File, Some(content), _) => Shape::File {
                mode: seen.mode,
                mtime: seen.mtime.unwrap_or_default(),
                size: content.size(),
                content: content.hash(),
            },
            (FileKind::Directory, ..) => Shape::Directory { mode: seen.mode },
            (FileKind::Symlink, _, Some(target)) => Shape::Symlink { target: target.clone() },
            _ => Shape::Other,
        }
    }

    /// Whether two files differ in content alone.
    pub(crate) fn has_stat_of(&self, other: &Shape) -> bool {
        let stat = |shape: &Shape| match shape {
            Shape::File { mode, mtime, size, .. } => Some((*mode, *mtime, *size)),
            _ => None,
        };
        stat(self).is_some() && stat(self) == stat(other)
    }

    /// What a tree says.
    pub(crate) fn of_record(record: &Record) -> Shape {
        match record {
            Record::File(file) if file.unserved => Shape::Unserved,
            Record::File(file) => Shape::File {
                mode: file.mode,
                mtime: file.mtime,
                size: file.size,
                content: file.content,
            },
            Record::Directory { mode, .. } => Shape::Directory { mode: *mode },
            Record::Symlink(link) => Shape::Symlink { target: link.target.clone() },
        }
    }

    /// The content of a file.
    pub(crate) fn content(&self) -> Option<Hash> {
        match self {
            Shape::File { content, .. } => Some(*content),
            _ => None,
        }
    }

    /// Whether both are the same kind of thing with the same content, metadata apart.
    pub(crate) fn holds_the_same(&self, other: &Shape) -> bool {
        match (self, other) {
            (Shape::File { content: left, .. }, Shape::File { content: right, .. }) => {
                left == right
            }
            (Shape::Directory { .. }, Shape::Directory { .. }) => true,
            (left, right) => left == right,
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        matches!(self, Shape::Directory { .. })
    }
}

/// Whether a path has a name that is mirrormesh's own.
pub(crate) fn is_reserved(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|name| name.starts_with(RESERVED_PREFIX))
}

/// Everything in a docroot but reserved names: the naive walk.
pub(crate) fn listing(seen: &BTreeMap<Vec<u8>, Seen>) -> Listing {
    seen.iter()
        .filter(|(path, _)| !is_reserved(path))
        .map(|(path, seen)| (path.clone(), Shape::of_seen(seen)))
        .collect()
}

/// Everything in the docroot of a disk but reserved names.
pub(crate) fn listing_of(disk: &SimDisk) -> Listing {
    listing(&disk.tree_of_docroot())
}

/// Text for people.
pub(crate) fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// Whether a directory holds something that is not mirrored: it stays for that.
pub(crate) fn stays(listing: &Listing, path: &[u8], shape: &Shape) -> bool {
    let below = |other: &[u8]| other.starts_with(path) && other.get(path.len()) == Some(&b'/');
    shape.is_directory()
        && listing.iter().any(|(other, shape)| *shape == Shape::Other && below(other))
}

/// The first difference between a tree and what shows, for people; `skip` says which paths do not
/// count.
pub(crate) fn first_difference(
    left: &Listing,
    right: &Listing,
    skip: impl Fn(&[u8]) -> bool,
) -> Option<String> {
    let of = |shape: &Shape| matches!(shape, Shape::Other | Shape::Unserved);
    for (path, shape) in left {
        if of(shape) || skip(path) || right.get(path).is_some_and(of) {
            continue;
        }
        match right.get(path) {
            Some(other) if other == shape => {}
            Some(other) => return Some(format!("{}: {shape:?} but {other:?}", show(path))),
            None => return Some(format!("{}: {shape:?} but nothing", show(path))),
        }
    }
    right
        .iter()
        .find(|(path, shape)| {
            !of(shape) && !skip(path) && !left.contains_key(*path) && !stays(right, path, shape)
        })
        .map(|(path, shape)| format!("{}: nothing but {shape:?}", show(path)))
}

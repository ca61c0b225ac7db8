//! What lies in a docroot, seen with nothing of mirrormesh: names, kinds, modes, times, contents.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What is mirrored of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Seconds and nanoseconds since 1970.
        mtime: (i64, i64),
        /// Length in bytes.
        size: u64,
        /// A hash of the content.
        content: u64,
    },
    /// A symlink.
    Symlink {
        /// Where it leads.
        target: OsString,
    },
}

/// All that is mirrored below a directory, by path in raw bytes, the directory itself apart.
pub(crate) fn walk(root: &Path) -> BTreeMap<Vec<u8>, Thing> {
    let mut found = BTreeMap::new();
    let mut directories = vec![(root.to_owned(), Vec::new())];
    while let Some((directory, prefix)) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if name.as_bytes().starts_with(b".mirrormesh") {
                continue;
            }
            let mut path: Vec<u8> = prefix.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            let metadata = fs::symlink_metadata(entry.path()).unwrap();
            let mode = metadata.mode() & 0o7777;
            let kind = metadata.file_type();
            let thing = if kind.is_dir() {
                directories.push((entry.path(), path.clone()));
                Thing::Directory { mode }
            } else if kind.is_symlink() {
                Thing::Symlink { target: fs::read_link(entry.path()).unwrap().into() }
            } else if kind.is_file() {
                Thing::File {
                    mode,
                    mtime: (metadata.mtime(), metadata.mtime_nsec()),
                    size: metadata.len(),
                    content: content(&entry.path()),
                }
            } else {
                continue;
            };
            found.insert(path, thing);
        }
    }
    found
}

fn content(path: &Path) -> u64 {
    let mut file = fs::File::open(path).unwrap();
    let mut hasher = DefaultHasher::new();
    let mut block = vec![0; 256 * 1024];
    loop {
        match file.read(&mut block).unwrap() {
            0 => return hasher.finish(),
            count => hasher.write(&block[..count]),
        }
    }
}

/// Lines that say in what two docroots differ; at most 40.
pub(crate) fn differences(
    expected: &BTreeMap<Vec<u8>, Thing>,
    found: &BTreeMap<Vec<u8>, Thing>,
) -> Vec<String> {
    let names = expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name)));
    names
        .filter(|name| expected.get(*name) != found.get(*name))
        .map(|name| {
            let path = name.escape_ascii();
            format!("{path}: {:?} expected, {:?} found", expected.get(name), found.get(name))
        })
        .take(40)
        .collect()
}

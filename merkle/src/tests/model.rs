//! A tree as a map from path to record, with its root computed from scratch by the format's
//! description alone: no code of the crate but its plain data types.

use std::collections::BTreeMap;

use crate::{Attributes, Change, Entry, File, Hash, Name, Path, Record, Symlink, Tree};

/// Everything below a docroot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model(pub(crate) BTreeMap<Path, Record>);

impl Model {
    fn is_directory(&self, path: &Path) -> bool {
        path.is_root() || matches!(self.0.get(path), Some(Record::Directory { .. }))
    }

    fn remove_below(&mut self, path: &Path) {
        self.0.retain(|other, _| other == path || !other.starts_with(path));
    }

    /// Applies one change. False if it is refused.
    pub(crate) fn apply(&mut self, change: &Change) -> bool {
        let Some(parent) = change.path.parent() else { return false };
        match &change.record {
            None => {
                self.remove_below(&change.path);
                self.0.remove(&change.path);
            }
            Some(_) if !self.is_directory(&parent) => return false,
            Some(record) => {
                if !matches!(record, Record::Directory { .. }) {
                    self.remove_below(&change.path);
                }
                self.0.insert(change.path.clone(), record.clone());
            }
        }
        true
    }

    /// Applies all or nothing.
    pub(crate) fn apply_all(&mut self, changes: &[Change]) -> bool {
        let mut after = self.clone();
        let applied = changes.iter().all(|change| after.apply(change));
        if applied {
            *self = after;
        }
        applied
    }

    /// The changes that make this tree out of nothing.
    pub(crate) fn as_changes(&self) -> Vec<Change> {
        let change = |(path, record): (&Path, &Record)| Change {
            path: path.clone(),
            record: Some(record.clone()),
        };
        self.0.iter().map(change).collect()
    }

    /// Moves a path with everything below it.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) {
        let moved: Vec<Path> =
            self.0.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let rest = &path.as_bytes()[from.as_bytes().len()..];
            let target = Path::from_bytes(&[to.as_bytes(), rest].concat()).unwrap();
            let record = self.0.remove(&path).unwrap();
            self.0.insert(target, record);
        }
    }

    fn names_in<'a>(&'a self, directory: &'a Path) -> impl Iterator<Item = (Name, &'a Record)> {
        self.0
            .iter()
            .filter(move |(path, _)| path.parent().as_ref() == Some(directory))
            .map(|(path, record)| (path.name().unwrap(), record))
    }

    /// The entries of one directory, by name.
    pub(crate) fn list(&self, directory: &Path) -> Vec<(Name, Entry)> {
        let entry = |(name, record): (Name, &Record)| {
            let entry = match record {
                Record::File(file) => Entry::File(file.clone()),
                Record::Symlink(symlink) => Entry::Symlink(symlink.clone()),
                Record::Directory { mode, attributes } => {
                    let tree = self.tree_below(&directory.join(&name));
                    Entry::Directory(crate::Directory {
                        mode: *mode,
                        node: tree.root,
                        files: tree.files,
                        bytes: tree.bytes,
                        attributes: attributes.clone(),
                    })
                }
            };
            (name, entry)
        };
        let mut all: Vec<_> = self.names_in(directory).map(entry).collect();
        all.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
        all
    }

    pub(crate) fn tree(&self) -> Tree {
        self.tree_below(&Path::root())
    }

    fn tree_below(&self, directory: &Path) -> Tree {
        let entries = self.list(directory);
        let (root, _, files, bytes) = node(&entries, &mut Vec::new());
        Tree { root, files, bytes }
    }

    /// Paths where `self` and `other` differ, with what each has, in the order of slots and names.
    pub(crate) fn difference(&self, other: &Model) -> Vec<crate::Difference> {
        let mut paths: Vec<&Path> = self.0.keys().chain(other.0.keys()).collect();
        paths.sort_by_key(|path| order_key(path));
        paths.dedup();
        let difference = |path: &Path| crate::Difference {
            path: path.clone(),
            old: self.0.get(path).cloned(),
            new: other.0.get(path).cloned(),
        };
        paths.into_iter().map(difference).filter(|found| found.old != found.new).collect()
    }
}

/// What sorts paths in tree order.
pub(crate) fn order_key(path: &Path) -> Vec<([u8; 32], Vec<u8>)> {
    path.component_bytes().map(|name| (slot(name), name.to_vec())).collect()
}

fn slot(name: &[u8]) -> [u8; 32] {
    blake3::derive_key("mirrormesh 2026-11 name slot v1", name)
}

fn nibble(name: &[u8], index: usize) -> u8 {
    let hex: String = slot(name).iter().map(|byte| format!("{byte:02x}")).collect();
    u8::from_str_radix(&hex[index..=index], 16).unwrap()
}

/// Hash, entries, files and bytes of the node at a prefix.
fn node(entries: &[(Name, Entry)], prefix: &mut Vec<u8>) -> (Hash, u64, u64, u64) {
    let mine: Vec<&(Name, Entry)> = entries
        .iter()
        .filter(|(name, _)| (0..prefix.len()).all(|i| nibble(name.as_bytes(), i) == prefix[i]))
        .collect();
    let mut out = Vec::new();
    let (mut files, mut bytes) = (0, 0);
    if mine.len() <= 128 {
        out.extend([0x4c, 1]);
        out.extend(varint(mine.len() as u128));
        for (name, entry) in &mine {
            let (flags, body, (more_files, more_bytes)) = body(entry);
            out.push(flags);
            out.push(u8::try_from(name.as_bytes().len()).unwrap());
            out.extend(name.as_bytes());
            out.extend(body);
            files += more_files;
            bytes += more_bytes;
        }
        let hash = blake3::derive_key("mirrormesh 2026-11 directory leaf v1", &out);
        return (Hash::from_bytes(hash), mine.len() as u64, files, bytes);
    }
    let (mut bitmap, mut children) = (0u16, Vec::new());
    let mine: Vec<(Name, Entry)> = mine.into_iter().cloned().collect();
    for child in 0..16u8 {
        prefix.push(child);
        let (hash, entries, more_files, more_bytes) = node(&mine, prefix);
        prefix.pop();
        if entries > 0 {
            bitmap |= 1 << child;
            children.extend(hash.as_bytes());
            for total in [entries, more_files, more_bytes] {
                children.extend(varint(u128::from(total)));
            }
            files += more_files;
            bytes += more_bytes;
        }
    }
    out.extend([0x49, 1, u8::try_from(prefix.len()).unwrap()]);
    out.extend([bitmap as u8, (bitmap >> 8) as u8]);
    out.extend(children);
    let hash = blake3::derive_key("mirrormesh 2026-11 directory interior v1", &out);
    (Hash::from_bytes(hash), mine.len() as u64, files, bytes)
}

fn varint(value: u128) -> Vec<u8> {
    if value < 128 {
        vec![value as u8]
    } else {
        [vec![(value % 128) as u8 + 128], varint(value / 128)].concat()
    }
}

fn body(entry: &Entry) -> (u8, Vec<u8>, (u64, u64)) {
    let mut out = Vec::new();
    let (flags, attributes, totals) = match entry {
        Entry::File(File { mode, mtime, size, content, unserved, attributes }) => {
            out.extend(mode.to_le_bytes());
            let seconds = i128::from(mtime.seconds);
            out.extend(varint(if seconds < 0 { -seconds * 2 - 1 } else { seconds * 2 } as u128));
            out.extend(mtime.nanoseconds.to_le_bytes());
            out.extend(varint(u128::from(*size)));
            out.extend(content.as_bytes());
            (if *unserved { 0x81 } else { 0x01 }, attributes, (1, *size))
        }
        Entry::Directory(directory) => {
            out.extend(directory.mode.to_le_bytes());
            out.extend(directory.node.as_bytes());
            out.extend(varint(u128::from(directory.files)));
            out.extend(varint(u128::from(directory.bytes)));
            (0x02, &directory.attributes, (directory.files, directory.bytes))
        }
        Entry::Symlink(Symlink { target, attributes }) => {
            out.extend(varint(target.len() as u128));
            out.extend(target);
            (0x03, attributes, (0, 0))
        }
    };
    let Some(attributes) = attributes else { return (flags, out, totals) };
    let encoded = attributes_bytes(attributes);
    out.extend(varint(encoded.len() as u128));
    out.extend(encoded);
    (flags | 0x40, out, totals)
}

fn attributes_bytes(attributes: &Attributes) -> Vec<u8> {
    let mut out = vec![0];
    for (bit, text) in [(1, attributes.owner()), (2, attributes.group())] {
        if let Some(text) = text {
            out[0] |= bit;
            out.push(u8::try_from(text.len()).unwrap());
            out.extend(text);
        }
    }
    if !attributes.xattrs().is_empty() {
        out[0] |= 4;
        out.extend(varint(attributes.xattrs().len() as u128));
        for (name, value) in attributes.xattrs() {
            out.push(u8::try_from(name.len()).unwrap());
            out.extend(name);
            out.extend(varint(value.len() as u128));
            out.extend(value);
        }
    }
    out
}

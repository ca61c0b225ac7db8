//! Authenticated sums: how much lies at and below a place in the tree.
//!
//! Every reference to a node states the node's totals, and every reader checks them. So progress,
//! budgets and the brake need no walk.

use crate::entry::Entry;
use crate::name::Name;

/// What a node holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Totals {
    /// Names in this directory, at and below this node; not what is in directories below.
    pub entries: u64,
    /// Regular files, those in directories below included.
    pub files: u64,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
}

impl Totals {
    /// The sum; `None` beyond 64 bits.
    pub(crate) fn add(self, other: Totals) -> Option<Totals> {
        Some(Totals {
            entries: self.entries.checked_add(other.entries)?,
            files: self.files.checked_add(other.files)?,
            bytes: self.bytes.checked_add(other.bytes)?,
        })
    }

    pub(crate) fn sum(mut totals: impl Iterator<Item = Totals>) -> Option<Totals> {
        totals.try_fold(Totals::default(), Totals::add)
    }

    pub(crate) fn of_entries(entries: &[(Name, Entry)]) -> Option<Totals> {
        Totals::sum(entries.iter().map(|(_, entry)| {
            let (files, bytes) = match entry {
                Entry::File(file) => (1, file.size),
                Entry::Directory(directory) => (directory.files, directory.bytes),
                Entry::Symlink(_) => (0, 0),
            };
            Totals { entries: 1, files, bytes }
        }))
    }
}

/// What a reference says of the node it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Expected {
    /// Nothing: a root hash alone.
    Nothing,
    /// A directory's entry: how many files and bytes.
    Directory { files: u64, bytes: u64 },
    /// An interior node's child: everything.
    Child(Totals),
}

impl Expected {
    pub(crate) fn allows(&self, totals: &Totals) -> bool {
        match *self {
            Expected::Nothing => true,
            Expected::Directory { files, bytes } => totals.files == files && totals.bytes == bytes,
            Expected::Child(expected) => *totals == expected,
        }
    }
}

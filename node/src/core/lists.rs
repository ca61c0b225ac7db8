//! Names that are not, or not newly, in the tree, and why: what `status` lists beside the errors.
//!
//! Each list is bounded; what does not fit is only counted by its absence from the list.

use std::collections::BTreeMap;
use std::time::Duration;

use mirrormesh_gossip::Instant;
use mirrormesh_merkle::Path;

use super::view::{PathView, SkippedView};
use crate::store::{FileKind, Unlisted};

/// Most names in all lists together.
const MAX_NAMES: usize = 2_048;
/// A published file open for writing for this long is marked as not served.
const GIVE_UP: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    why: Unlisted,
    since: Instant,
    looks: u32,
}

/// The lists.
#[derive(Debug, Default)]
pub(super) struct Lists {
    names: BTreeMap<Path, Listed>,
}

impl Lists {
    /// Takes what an Observe found, after it was told to forget what it covered.
    pub(super) fn put(
        &mut self,
        path: Path,
        why: Unlisted,
        before: Option<(Instant, u32)>,
        now: Instant,
    ) {
        let (since, looks) = before.unwrap_or((now, 0));
        if self.names.len() < MAX_NAMES || self.names.contains_key(&path) {
            self.names.insert(path, Listed { why, since, looks: looks + 1 });
        }
    }

    /// Forgets a name; returns since when it was listed and how often it was looked at.
    pub(super) fn forget(&mut self, path: &Path) -> Option<(Instant, u32)> {
        self.names.remove(path).map(|listed| (listed.since, listed.looks))
    }

    /// Forgets the names in a directory. Returns them.
    pub(super) fn forget_directory(&mut self, path: &Path) -> BTreeMap<Path, (Instant, u32)> {
        let below: Vec<Path> = self
            .names
            .range(path.clone()..)
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(path))
            .filter(|name| name.parent().as_ref() == Some(path))
            .cloned()
            .collect();
        below.into_iter().filter_map(|name| Some((name.clone(), self.forget(&name)?))).collect()
    }

    /// The names listed below a path.
    pub(super) fn below(&self, path: &Path) -> Vec<Path> {
        let from = self.names.range(path.clone()..).map(|(name, _)| name);
        let below = from.take_while(|name| name.starts_with(path));
        below.filter(|name| *name != path).cloned().collect()
    }

    /// Files that have been open for writing for so long that they are published as not served.
    pub(super) fn given_up(&self, now: Instant) -> Vec<Path> {
        self.names
            .iter()
            .filter(|(_, listed)| match listed.why {
                Unlisted::OpenForWriting => now.saturating_since(listed.since) >= GIVE_UP,
                Unlisted::Unreadable(_) => true,
                _ => false,
            })
            .map(|(path, _)| path.clone())
            .take(256)
            .collect()
    }

    /// Files open for writing.
    pub(super) fn open(&self) -> Vec<PathView> {
        self.select(|why| match why {
            Unlisted::OpenForWriting => Some("open for writing".to_string()),
            Unlisted::Moving => Some("changes while it is read".to_string()),
            _ => None,
        })
    }

    /// Files that cannot be read.
    pub(super) fn unreadable(&self) -> Vec<PathView> {
        self.select(|why| match why {
            Unlisted::Unreadable(reason) => Some(reason.clone()),
            _ => None,
        })
    }

    /// Whether a file cannot be read.
    pub(super) fn has_unreadable(&self) -> bool {
        self.names.values().any(|listed| matches!(listed.why, Unlisted::Unreadable(_)))
    }

    /// Names that are not mirrored.
    pub(super) fn skipped(&self) -> Vec<SkippedView> {
        self.names
            .iter()
            .filter_map(|(path, listed)| {
                let kind = match &listed.why {
                    Unlisted::Skipped(FileKind::Fifo) => "fifo",
                    Unlisted::Skipped(FileKind::Socket) => "socket",
                    Unlisted::Skipped(_) => "device",
                    Unlisted::Mount => "mount",
                    Unlisted::TooLong => "too-long",
                    Unlisted::Reserved => "reserved-name",
                    _ => return None,
                };
                let (path, path_hex) = path_fields(path);
                Some(SkippedView { path, path_hex, kind: kind.to_string() })
            })
            .collect()
    }

    fn select(&self, reason: impl Fn(&Unlisted) -> Option<String>) -> Vec<PathView> {
        self.names
            .iter()
            .filter_map(|(path, listed)| Some(path_view(path, reason(&listed.why)?)))
            .collect()
    }
}

/// The path as JSON has it: text if it is UTF-8, else hex.
pub(super) fn path_fields(path: &Path) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) => (Some(text.to_string()), None),
        Err(_) => {
            let hex = path.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            (None, Some(hex))
        }
    }
}

/// A path with a reason.
pub(super) fn path_view(path: &Path, reason: String) -> PathView {
    let (path, path_hex) = path_fields(path);
    PathView { path, path_hex, reason }
}

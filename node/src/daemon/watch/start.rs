//! Choosing a back end: the best that works here, and why.

use std::path::Path;
use std::sync::Arc;

use super::hints::{HintReceiver, Hints};
use super::{InotifyWatch, ScanOnly, Watch};
use crate::daemon::disk;

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preference {
    /// The best that works.
    #[default]
    Best,
    /// inotify, even where it does not see what other machines write.
    Inotify,
    /// Scanning alone.
    Scan,
}

/// Starts a back end for a docroot; `limit` directories may be watched. Never fails: scanning always
/// works, and the reason says why it came to that.
pub fn start(
    docroot: &Path,
    preference: Preference,
    limit: usize,
) -> (Arc<dyn Watch>, HintReceiver) {
    let scan = |reason: String| -> (Arc<dyn Watch>, HintReceiver) {
        tracing::warn!(reason, "no hints about changes: the docroot is scanned from time to time");
        (Arc::new(ScanOnly::new(reason)), Hints::new().1)
    };
    match preference {
        Preference::Scan => scan("configured".to_owned()),
        Preference::Best if disk::is_remote(docroot) => scan(
            "the docroot lies on a file system that other machines write to, and the kernel tells \
             only what this one writes"
                .to_owned(),
        ),
        Preference::Best | Preference::Inotify => match InotifyWatch::start(docroot, limit) {
            Ok((watch, receiver)) => (Arc::new(watch), receiver),
            Err(reason) => scan(reason),
        },
    }
}

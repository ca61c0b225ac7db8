//! What a watcher says: hints, never facts.

use mirrormesh_merkle::Path;

/// How sure a hint is that a change is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HintKind {
    /// Closed after writing, renamed, or made as a whole: worth a look at once.
    Complete,
    /// Removed, not moved away: worth a look at once, and no new name of it is to be waited for.
    Removed,
    /// Made or written to, and the writer may go on.
    Changing,
    /// Hints were lost, or a directory appeared: everything below the path may have changed.
    Lost,
}

/// Something below the docroot may have changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    /// Where, relative to the docroot.
    pub path: Path,
    /// What is known of it.
    pub kind: HintKind,
}

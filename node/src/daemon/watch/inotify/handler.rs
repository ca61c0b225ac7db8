//! From what `notify` reports to hints. Runs on the thread of one instance, for each event.

use std::sync::Arc;

use mirrormesh_merkle::Path;
use notify::EventHandler;
use notify::event::{AccessKind, AccessMode, CreateKind, Event, EventKind, ModifyKind, RenameMode};

use super::Shared;
use super::state::Removal;
use crate::core::HintKind;
use crate::daemon::disk;
use crate::store::FileKind;

/// Turns the events of one instance into hints.
pub(super) struct Handler {
    shard: u64,
    shared: Arc<Shared>,
}

impl Handler {
    /// The handler of the instance with this number.
    pub(super) fn new(shard: u64, shared: Arc<Shared>) -> Handler {
        Handler { shard, shared }
    }

    fn take(&self, event: &Event) {
        if event.need_rescan() {
            self.shared.lost(self.shard);
            return;
        }
        // A rename within one instance is reported a third time, with both paths.
        if event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::Both)) {
            return;
        }
        for full in &event.paths {
            if let Some(path) = self.shared.below(full)
                && !path.is_reserved()
                && let Some(kind) = self.kind(event, full, &path)
            {
                self.shared.hints.add(path, kind);
            }
        }
    }

    /// What an event about a path is worth; also forgets watches that it ends.
    fn kind(&self, event: &Event, full: &std::path::Path, path: &Path) -> Option<HintKind> {
        Some(match event.kind {
            EventKind::Create(CreateKind::Folder) => HintKind::Lost,
            EventKind::Create(_) => match disk::kind_of_path(full) {
                // Whoever made it is about to write to it, and closes it then.
                Some((FileKind::File, 1)) => HintKind::Changing,
                Some((FileKind::Directory, _)) => HintKind::Lost,
                _ => HintKind::Complete,
            },
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
                self.moved_away(path, event.tracker().is_some())
            }
            EventKind::Modify(ModifyKind::Name(_)) => match disk::kind_of_path(full) {
                Some((FileKind::Directory, _)) => HintKind::Lost,
                _ => HintKind::Complete,
            },
            EventKind::Modify(ModifyKind::Data(_)) => HintKind::Changing,
            EventKind::Modify(_) => HintKind::Complete,
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => HintKind::Complete,
            EventKind::Access(_) => return None,
            // The kernel ends the watch of a directory that is removed, and `notify` sees it.
            EventKind::Remove(_) if !self.shared.state().remove_tree(path).is_empty() => {
                HintKind::Lost
            }
            EventKind::Remove(_) => HintKind::Removed,
            EventKind::Any | EventKind::Other => HintKind::Lost,
        })
    }

    /// A name was moved away. A directory takes its watches along, which would report its former
    /// path. `by_name` says that its parent reported it: then `notify` itself ends the watches of
    /// this instance at and below the path, if the path itself is one of them.
    fn moved_away(&self, path: &Path, by_name: bool) -> HintKind {
        let mut state = self.shared.state();
        let removed = state.remove_tree(path);
        if removed.is_empty() {
            return HintKind::Complete;
        }
        let ended = by_name
            && removed.iter().any(|(below, placed)| below == path && placed.shard == self.shard);
        let left = removed.into_iter().filter(|(_, placed)| !ended || placed.shard != self.shard);
        state
            .removals
            .extend(left.map(|(path, placed)| Removal::Watch { shard: placed.shard, path }));
        if !state.removals.is_empty() {
            drop(state);
            self.shared.changed.notify_all();
        }
        HintKind::Lost
    }
}

impl EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        match event {
            Ok(event) => self.take(&event),
            Err(error) => {
                tracing::warn!(%error, "an instance of inotify failed");
                self.shared.lost(self.shard);
            }
        }
    }
}

//! inotify, through the crate `notify`: one watch a directory, each placed by us.
//!
//! Watches are never recursive and never about opens or reads: a web server's reads, and our own
//! scans, give no events. A directory is watched by its path, since that is what `notify` takes;
//! that the path led to the directory that was meant is checked after. What the kernel reports of a
//! path is turned into hints ([`handler`]) as it is read; there is no timer.
//!
//! **Shards.** `notify` goes through all its watches for each one that vanishes. So there are
//! several instances of it with [`SHARD_WATCHES`] each, where the system allows them: with 20,000
//! watches, an event behind the removal of 10,000 directories came after 5 s from one instance, and
//! after 6 ms from its own. An instance whose queue
//! in the kernel overflowed may believe in watches that are gone; it is thrown away as a whole, and
//! the scan that the loss calls for places the watches anew.
//!
//! **What is watched** is kept here ([`State`]), since `notify` takes a second request for a path as
//! done even if another directory lies there by now. Whenever an entry is dropped, a loss at its path
//! is hinted afterwards: a scan follows, which asks for the watch again. So whatever order events of
//! several instances arrive in, a directory that exists is watched in the end.
//!
//! Locks: `placing` is held while an instance is asked for something, and an instance may wait for
//! its handler meanwhile; so handlers take `state` only, and nobody takes `placing` while holding
//! `state`.

mod handler;
mod state;

use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use mirrormesh_merkle::Path;
use notify::{Config, ErrorKind, EventKindMask, INotifyWatcher, RecursiveMode, Watcher};

use self::handler::Handler;
use self::state::{Placed, Removal, State};
use super::hints::{HintReceiver, Hints};
use super::{Backend, Watch, WatchStatus};
use crate::core::HintKind;
use crate::daemon::disk;
use crate::store::Watched;

/// Watches of one instance, unless the system allows no more instances.
const SHARD_WATCHES: usize = 1_024;

/// Watches directories with inotify.
pub struct InotifyWatch {
    inner: Arc<Inner>,
    keeper: Option<JoinHandle<()>>,
}

struct Inner {
    shared: Arc<Shared>,
    limit: usize,
    shard_watches: usize,
    placing: Mutex<Placing>,
}

/// What handlers and callers share.
struct Shared {
    /// Absolute, and otherwise as the administrator wrote it.
    docroot: PathBuf,
    hints: Arc<Hints>,
    state: Mutex<State>,
    /// Told when there is something to remove.
    changed: Condvar,
}

/// The instances of `notify`.
#[derive(Default)]
struct Placing {
    shards: Vec<Shard>,
    next: u64,
}

struct Shard {
    number: u64,
    watcher: INotifyWatcher,
}

impl InotifyWatch {
    /// Starts without any watch; `limit` directories may be watched. The error says why inotify
    /// does not work here.
    pub fn start(
        docroot: &std::path::Path,
        limit: usize,
    ) -> Result<(InotifyWatch, HintReceiver), String> {
        InotifyWatch::start_with(docroot, limit, SHARD_WATCHES)
    }

    fn start_with(
        docroot: &std::path::Path,
        limit: usize,
        shard_watches: usize,
    ) -> Result<(InotifyWatch, HintReceiver), String> {
        let docroot = std::path::absolute(docroot).map_err(|error| error.to_string())?;
        let (hints, receiver) = Hints::new();
        let shared =
            Arc::new(Shared { docroot, hints, state: Mutex::default(), changed: Condvar::new() });
        let mut placing = Placing::default();
        placing.add_shard(&shared).map_err(|error| {
            format!("inotify does not work: {error}; see the sysctl fs.inotify.max_user_instances")
        })?;
        let inner = Arc::new(Inner { shared, limit, shard_watches, placing: Mutex::new(placing) });
        let kept = Arc::clone(&inner);
        let keeper = std::thread::Builder::new()
            .name("watch-keeper".to_owned())
            .spawn(move || kept.keep())
            .map_err(|error| error.to_string())?;
        Ok((InotifyWatch { inner, keeper: Some(keeper) }, receiver))
    }
}

impl Drop for InotifyWatch {
    fn drop(&mut self) {
        self.inner.shared.state().closed = true;
        self.inner.shared.changed.notify_all();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

impl Watch for InotifyWatch {
    fn watch(&self, directory: BorrowedFd<'_>, path: &Path) -> Watched {
        let Some(identity) = disk::identity(directory) else { return Watched::No };
        if self.inner.is_watched(path, identity) {
            return Watched::Yes;
        }
        match self.inner.place(path, identity) {
            Ok(()) => Watched::Yes,
            Err(reason) => {
                self.inner.shared.state().refuse(path, reason);
                Watched::No
            }
        }
    }

    fn barrier(&self) -> bool {
        let mut placing = self.inner.placing.lock().unwrap_or_else(PoisonError::into_inner);
        placing.remove_all(&self.inner.shared);
        for shard in &mut placing.shards {
            // An instance that is asked for nothing reads all that the kernel has, answers, and then
            // hands it on; its second answer comes after that.
            for _ in 0..2 {
                if shard.watcher.update_paths(Vec::new()).is_err() {
                    return false;
                }
            }
        }
        self.inner.shared.state().refused() == 0
    }

    fn status(&self) -> WatchStatus {
        let state = self.inner.shared.state();
        WatchStatus {
            backend: Backend::Inotify,
            reason: state.reason(),
            watches: state.watches(),
            limit: self.inner.limit,
            unwatched: state.refused(),
            overflows: state.overflows,
        }
    }
}

impl Inner {
    fn is_watched(&self, path: &Path, identity: (u64, u64)) -> bool {
        self.shared.state().placed(path).is_some_and(|placed| placed.identity == identity)
    }

    /// Places a watch, or says why not.
    fn place(&self, path: &Path, identity: (u64, u64)) -> Result<(), String> {
        if self.shared.state().watches() >= self.limit {
            return Err(format!("at most {} directories are watched", self.limit));
        }
        let mut placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        placing.remove_all(&self.shared);
        if self.is_watched(path, identity) {
            return Ok(());
        }
        placing.remove_other(&self.shared, path);
        let full = self.shared.full(path);
        let number = placing.shard_with_room(&self.shared, self.shard_watches)?;
        // Known before it is placed, so that an event that comes at once finds it.
        self.shared.state().insert(path, Placed { identity, shard: number });
        let placed = match placing.shard(number) {
            Some(shard) => shard.watcher.watch(&full, RecursiveMode::NonRecursive),
            None => Err(notify::Error::generic("the instance is gone")),
        };
        if let Err(error) = placed {
            self.shared.state().remove_one(path);
            return Err(refusal(&error));
        }
        if disk::identity_of_path(&full) != Some(identity) {
            self.shared.state().remove_one(path);
            placing.unwatch(&self.shared, number, path);
            return Err("its path leads to another directory".to_owned());
        }
        Ok(())
    }

    /// Takes away watches of directories that were moved, and instances that lost events.
    fn keep(&self) {
        loop {
            {
                let mut state = self.shared.state();
                while state.removals.is_empty() && !state.closed {
                    state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.closed {
                    return;
                }
            }
            let mut placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
            placing.remove_all(&self.shared);
        }
    }
}

impl Placing {
    fn add_shard(&mut self, shared: &Arc<Shared>) -> Result<u64, notify::Error> {
        let number = self.next;
        let kinds = EventKindMask::CORE | EventKindMask::ACCESS_CLOSE;
        let config = Config::default().with_event_kinds(kinds).with_follow_symlinks(false);
        let handler = Handler::new(number, Arc::clone(shared));
        self.shards.push(Shard { number, watcher: INotifyWatcher::new(handler, config)? });
        self.next += 1;
        Ok(number)
    }

    fn shard(&mut self, number: u64) -> Option<&mut Shard> {
        self.shards.iter_mut().find(|shard| shard.number == number)
    }

    /// An instance that is not full, a new one, or the emptiest where there can be no more.
    fn shard_with_room(&mut self, shared: &Arc<Shared>, watches: usize) -> Result<u64, String> {
        let emptiest = {
            let state = shared.state();
            self.shards.iter().map(|shard| (state.watches_of(shard.number), shard.number)).min()
        };
        match emptiest {
            Some((used, number)) if used < watches => Ok(number),
            emptiest => match (self.add_shard(shared), emptiest) {
                (Ok(number), _) | (Err(_), Some((_, number))) => Ok(number),
                (Err(error), None) => {
                    Err(format!("{error}; see the sysctl fs.inotify.max_user_instances"))
                }
            },
        }
    }

    /// Makes room for `path`: another directory lay there. At the docroot, everything did.
    fn remove_other(&mut self, shared: &Shared, path: &Path) {
        let mut state = shared.state();
        let Some(placed) = state.placed(path) else { return };
        if path.is_root() {
            state.clear();
            drop(state);
            self.shards.clear();
        } else {
            state.remove_one(path);
            drop(state);
            self.unwatch(shared, placed.shard, path);
        }
    }

    /// Does what handlers asked for; they must not wait for instances themselves.
    fn remove_all(&mut self, shared: &Shared) {
        let removals = std::mem::take(&mut shared.state().removals);
        for removal in removals {
            match removal {
                Removal::Watch { shard, path } => self.unwatch(shared, shard, &path),
                Removal::Shard(number) => self.shards.retain(|shard| shard.number != number),
            }
        }
    }

    fn unwatch(&mut self, shared: &Shared, number: u64, path: &Path) {
        let full = shared.full(path);
        if let Some(shard) = self.shard(number) {
            // That there is none is what is wanted.
            let _ = shard.watcher.unwatch(&full);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self, path: &Path) -> PathBuf {
        match path.is_root() {
            true => self.docroot.clone(),
            false => self.docroot.join(std::ffi::OsStr::from_bytes(path.as_bytes())),
        }
    }

    /// The path below the docroot, if it is one; a path that exceeds the limits stands for its
    /// directory.
    fn below(&self, full: &std::path::Path) -> Option<Path> {
        let below = full.strip_prefix(&self.docroot).ok()?.as_os_str().as_bytes();
        Path::from_bytes(below).ok().or_else(|| {
            let end = below.iter().rposition(|&byte| byte == b'/')?;
            Path::from_bytes(&below[..end]).ok()
        })
    }

    /// Events of an instance were lost: it is given up, and everything may have changed.
    fn lost(&self, shard: u64) {
        {
            let mut state = self.state();
            state.overflows += 1;
            state.remove_shard(shard);
            state.removals.push(Removal::Shard(shard));
        }
        self.changed.notify_all();
        self.hints.add(Path::root(), HintKind::Lost);
    }
}

fn refusal(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            "the system's limit of watches is reached; raise the sysctl fs.inotify.max_user_watches"
                .to_owned()
        }
        ErrorKind::PathNotFound => "it is gone".to_owned(),
        // Without the path, which may be of any length.
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::Generic(reason) => reason.clone(),
        kind => format!("{kind:?}"),
    }
}

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;

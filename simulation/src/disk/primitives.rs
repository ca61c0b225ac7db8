//! The primitives: [`Disk`] for [`SimDisk`].

use std::ops::Bound;
use std::rc::Rc;

use bytes::Bytes;
use mirrormesh::core::HintKind;
use mirrormesh::store::{
    Batch, Disk, DiskError, DiskErrorKind, DiskResult, FileKind, Filesystem, Metadata, Place,
    Rename, Stat, Table, Watched, Writing,
};
use mirrormesh_merkle::{Name, Path};

use super::SimDisk;
use super::handles::{Handle, SimDirectory, SimFile};
use super::seen::Actor;
use super::state::{Outcome, State};
use super::tree::{Body, Key};

/// Whether a primitive may change anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Look,
    Change,
}

impl SimDisk {
    /// Runs one primitive: hook, plan, planned failures, the primitive itself, observers.
    fn primitive<T>(
        &self,
        operation: &'static str,
        does: Does,
        run: impl FnOnce(&mut State) -> Outcome<T>,
    ) -> DiskResult<T> {
        let crashed = || DiskError::new(DiskErrorKind::Crashed, operation);
        if self.state.borrow().process.crashed {
            return Err(crashed());
        }
        self.call_hook(operation);
        let outcome = {
            let state = &mut *self.state.borrow_mut();
            if state.process.ends_before(true, does == Does::Change) {
                return Err(crashed());
            }
            state.process.primitives += 1;
            *state.process.counts.entry(operation).or_default() += 1;
            state.actor = Actor::Mirrormesh;
            state.operation = operation;
            match state.faults.take(operation) {
                Some(kind) => Err(kind),
                None => run(state),
            }
        };
        self.tell_visible_changes();
        outcome.map_err(|kind| DiskError::new(kind, operation))
    }

    fn open(&self, state: &mut State, key: Key) -> Outcome<Handle> {
        Handle::open(&self.state, state, key)
    }

    fn at(&self, directory: &SimDirectory) -> Key {
        assert!(directory.0.is_of(&self.state), "a handle of another boot or disk");
        directory.0.key
    }

    fn file(&self, file: &SimFile) -> Key {
        assert!(file.handle.is_of(&self.state), "a handle of another boot or disk");
        file.handle.key
    }

    fn file_for_writing(&self, file: &SimFile) -> Key {
        assert!(file.is_writable, "a file opened for reading is never written to");
        self.file(file)
    }
}

impl Disk for SimDisk {
    type Directory = SimDirectory;
    type File = SimFile;

    fn open_place(&self, place: Place) -> DiskResult<SimDirectory> {
        self.primitive("open_place", Does::Look, |state| {
            let key = state.live.place(place, state.options.work).ok_or(DiskErrorKind::NotFound)?;
            state.inode(key)?.entries().ok_or(DiskErrorKind::NotDirectory)?;
            Ok(SimDirectory(Rc::new(self.open(state, key)?)))
        })
    }

    fn open_directory(&self, at: &SimDirectory, name: &Name) -> DiskResult<SimDirectory> {
        self.primitive("open_directory", Does::Look, |state| {
            let key = state.lookup(self.at(at), name)?;
            let inode = state.inode(key)?;
            inode.entries().ok_or(DiskErrorKind::NotDirectory)?;
            if inode.mount != state.inode(self.at(at))?.mount {
                return Err(DiskErrorKind::OtherFilesystem);
            }
            Ok(SimDirectory(Rc::new(self.open(state, key)?)))
        })
    }

    fn list(&self, at: &SimDirectory, each: &mut dyn FnMut(Name, FileKind)) -> DiskResult<()> {
        let listed = self.primitive("list", Does::Look, |state| state.listed(self.at(at)))?;
        listed.into_iter().for_each(|(name, kind)| each(name, kind));
        Ok(())
    }

    fn stat(&self, at: &SimDirectory, name: &Name) -> DiskResult<Stat> {
        self.primitive("stat", Does::Look, |state| {
            let key = state.lookup(self.at(at), name)?;
            state.stat(key)
        })
    }

    fn birth(&self, directory: &SimDirectory) -> DiskResult<u64> {
        self.primitive("birth", Does::Look, |state| {
            state.stat(self.at(directory)).map(|stat| stat.device)
        })
    }

    fn stat_directory(&self, directory: &SimDirectory) -> DiskResult<Stat> {
        self.primitive("stat_directory", Does::Look, |state| state.stat(self.at(directory)))
    }

    fn stat_file(&self, file: &SimFile) -> DiskResult<Stat> {
        self.primitive("stat_file", Does::Look, |state| state.stat(self.file(file)))
    }

    fn open_file(&self, at: &SimDirectory, name: &Name) -> DiskResult<SimFile> {
        self.primitive("open_file", Does::Look, |state| {
            let key = state.regular(self.at(at), name)?;
            Ok(SimFile { handle: self.open(state, key)?, is_writable: false })
        })
    }

    fn read(&self, file: &SimFile, offset: u64, buffer: &mut [u8]) -> DiskResult<usize> {
        self.primitive("read", Does::Look, |state| state.read(self.file(file), offset, buffer))
    }

    fn create_unnamed(&self, at: &SimDirectory) -> DiskResult<SimFile> {
        self.primitive("create_unnamed", Does::Change, |state| {
            if !state.options.unnamed_files {
                return Err(DiskErrorKind::Unsupported);
            }
            let at = self.at(at);
            state.check_writable(at)?;
            state.check_allowed(at)?;
            if state.inode(at)?.links == 0 {
                return Err(DiskErrorKind::NotFound);
            }
            let key = state.make(at, Body::File(Default::default()), 0o600)?;
            state.unnamed.insert(key);
            let handle = self.open(state, key).inspect_err(|_| state.release(key))?;
            Ok(SimFile { handle, is_writable: true })
        })
    }

    fn create(&self, at: &SimDirectory, name: &Name) -> DiskResult<SimFile> {
        self.primitive("create", Does::Change, |state| {
            if state.open_handles >= state.options.open_limit {
                return Err(DiskErrorKind::TooManyOpen);
            }
            let body = Body::File(Default::default());
            let key = state.make_at(self.at(at), name, body, 0o600)?;
            Ok(SimFile { handle: self.open(state, key)?, is_writable: true })
        })
    }

    fn reopen(&self, at: &SimDirectory, name: &Name) -> DiskResult<SimFile> {
        self.primitive("reopen", Does::Look, |state| {
            let key = state.regular(self.at(at), name)?;
            state.check_writable(key)?;
            Ok(SimFile { handle: self.open(state, key)?, is_writable: true })
        })
    }

    fn write(&self, file: &SimFile, offset: u64, bytes: &[u8]) -> DiskResult<()> {
        self.primitive("write", Does::Change, |state| {
            let key = self.file_for_writing(file);
            state.check_writable(key)?;
            let bytes = Bytes::copy_from_slice(bytes);
            state.in_place(key, |state| state.write(key, offset, &bytes))?;
            state.hint_at(key, HintKind::Changing);
            Ok(())
        })
    }

    fn set_length(&self, file: &SimFile, length: u64) -> DiskResult<()> {
        self.primitive("set_length", Does::Change, |state| {
            let key = self.file_for_writing(file);
            state.check_writable(key)?;
            state.in_place(key, |state| state.set_length(key, length))?;
            state.hint_at(key, HintKind::Changing);
            Ok(())
        })
    }

    fn clone_range(&self, from: &SimFile, to: &SimFile, length: u64) -> DiskResult<()> {
        self.primitive("clone_range", Does::Change, |state| {
            let (from, to) = (self.file(from), self.file_for_writing(to));
            state.check_writable(to)?;
            state.in_place(to, |state| state.clone_range(from, to, length))
        })
    }

    fn link(&self, file: &SimFile, at: &SimDirectory, name: &Name) -> DiskResult<()> {
        self.primitive("link", Does::Change, |state| {
            let key = self.file(file);
            if !state.unnamed.contains(&key) {
                return Err(DiskErrorKind::Invalid);
            }
            state.link_at(key, self.at(at), name)?;
            state.unnamed.remove(&key);
            Ok(())
        })
    }

    fn rename(
        &self,
        from: &SimDirectory,
        old: &Name,
        to: &SimDirectory,
        new: &Name,
        how: Rename,
    ) -> DiskResult<()> {
        self.primitive("rename", Does::Change, |state| {
            state.rename_at((self.at(from), old), (self.at(to), new), how)
        })
    }

    fn remove(&self, at: &SimDirectory, name: &Name) -> DiskResult<()> {
        self.primitive("remove", Does::Change, |state| state.remove_at(self.at(at), name))
    }

    fn remove_directory(&self, at: &SimDirectory, name: &Name) -> DiskResult<()> {
        self.primitive("remove_directory", Does::Change, |state| {
            state.remove_directory_at(self.at(at), name)
        })
    }

    fn make_directory(&self, at: &SimDirectory, name: &Name, mode: u16) -> DiskResult<()> {
        self.primitive("make_directory", Does::Change, |state| {
            let body = Body::Directory(Default::default());
            state.make_at(self.at(at), name, body, mode & 0o7777).map(drop)
        })
    }

    fn make_symlink(&self, at: &SimDirectory, name: &Name, target: &[u8]) -> DiskResult<()> {
        self.primitive("make_symlink", Does::Change, |state| {
            state.make_symlink_at(self.at(at), name, target).map(drop)
        })
    }

    fn read_symlink(&self, at: &SimDirectory, name: &Name) -> DiskResult<Bytes> {
        self.primitive("read_symlink", Does::Look, |state| {
            let key = state.lookup(self.at(at), name)?;
            match &state.inode(key)?.body {
                Body::Symlink(target) => Ok(target.clone()),
                _ => Err(DiskErrorKind::Invalid),
            }
        })
    }

    fn set_file_metadata(&self, file: &SimFile, metadata: Metadata) -> DiskResult<()> {
        self.primitive("set_file_metadata", Does::Change, |state| {
            let key = self.file(file);
            state.in_place(key, |state| state.set_metadata(key, metadata, true))
        })
    }

    fn set_directory_metadata(
        &self,
        directory: &SimDirectory,
        metadata: Metadata,
    ) -> DiskResult<()> {
        self.primitive("set_directory_metadata", Does::Change, |state| {
            let key = self.at(directory);
            state.in_place(key, |state| state.set_metadata(key, metadata, false))
        })
    }

    fn set_symlink_owner(
        &self,
        at: &SimDirectory,
        name: &Name,
        owner: (u32, u32),
    ) -> DiskResult<()> {
        self.primitive("set_symlink_owner", Does::Change, |state| {
            let key = state.lookup(self.at(at), name)?;
            let stat = state.stat(key)?;
            if stat.kind != FileKind::Symlink {
                return Err(DiskErrorKind::Invalid);
            }
            if (stat.user, stat.group) == owner {
                return Ok(());
            }
            if stat.links != 1 || stat.user != state.options.process.0 {
                return Err(DiskErrorKind::Permission);
            }
            let metadata = Metadata { owner: Some(owner), ..Metadata::default() };
            state.in_place(key, |state| state.set_metadata(key, metadata, false))
        })
    }

    fn is_somebody_writing(&self, file: &SimFile) -> Writing {
        self.primitive("is_somebody_writing", Does::Look, |state| {
            Ok(state.who_writes(self.file(file)))
        })
        .unwrap_or(Writing::Unknown)
    }

    fn sync_file(&self, file: &SimFile) -> DiskResult<()> {
        self.primitive("sync_file", Does::Change, |state| state.sync(self.file(file)))
    }

    fn sync_directory(&self, directory: &SimDirectory) -> DiskResult<()> {
        self.primitive("sync_directory", Does::Change, |state| state.sync(self.at(directory)))
    }

    fn sync_all(&self, directory: &SimDirectory) -> DiskResult<()> {
        self.primitive("sync_all", Does::Change, |state| {
            let mount = state.inode(self.at(directory))?.mount;
            state.sync_mount(mount);
            Ok(())
        })
    }

    fn sync_files_and_commit(&self, files: &[&SimFile], batch: Batch) -> DiskResult<()> {
        self.primitive("sync_files_and_commit", Does::Change, |state| {
            let keys: Vec<Key> = files.iter().map(|file| self.file(file)).collect();
            state.store.commit(batch, false);
            // Here the batch may be on the medium and the data not.
            if state.process.ends_before(false, true) {
                return Err(DiskErrorKind::Crashed);
            }
            // Both run side by side: the batch is committed even if a sync fails.
            state.store.flush();
            keys.iter().map(|&key| state.sync(key)).fold(Ok(()), Result::and)
        })
    }

    fn filesystem(&self, directory: &SimDirectory) -> DiskResult<Filesystem> {
        self.primitive("filesystem", Does::Look, |state| state.filesystem(self.at(directory)))
    }

    fn watch(&self, directory: &SimDirectory, path: &Path) -> Watched {
        let watched = self.primitive("watch", Does::Look, |state| {
            let limit = state.options.watch_limit;
            Ok(state.watches.add(self.at(directory), path.clone(), limit))
        });
        if watched == Ok(true) { Watched::Yes } else { Watched::No }
    }

    fn get(&self, table: Table, key: &[u8]) -> DiskResult<Option<Bytes>> {
        self.primitive("get", Does::Look, |state| Ok(state.store.live.get(table, key)))
    }

    fn range(
        &self,
        table: Table,
        start: &[u8],
        end: Option<&[u8]>,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> DiskResult<()> {
        let rows = self.primitive("range", Does::Look, |state| Ok(state.store.live.rows(table)))?;
        // What is committed meanwhile does not show: these are the rows of the call.
        let from_start = rows.range::<[u8], _>((Bound::Included(start), Bound::Unbounded));
        for (key, value) in from_start {
            if end.is_some_and(|end| key.as_ref() >= end) || !each(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch, durable: bool) -> DiskResult<()> {
        self.primitive("commit", Does::Change, |state| {
            state.store.commit(batch, durable);
            Ok(())
        })
    }
}

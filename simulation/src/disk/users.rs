//! What local users do: edits by path below the docroot, at any time, without a word.
//!
//! Users follow no rule of the program's: they write in place, leave files open, put sockets into
//! the docroot. Their edits are no primitives; they are not durable either, until
//! [`SimDisk::write_back`]. Paths are names joined by `/`; symlinks in them are not followed.

use bytes::Bytes;
use mirrormesh::core::HintKind;
use mirrormesh::store::{DiskErrorKind, FileKind, Rename};
use mirrormesh_merkle::{Name, Time};

use super::SimDisk;
use super::seen::Actor;
use super::state::{Outcome, State};
use super::tree::{Body, Key};

/// A file that a local user has open for writing. It stays so until it is closed.
#[derive(Debug)]
#[must_use = "the file stays open for writing until it is closed"]
pub struct UserFile(Key);

impl State {
    pub(super) fn user_inode(&self, path: &[u8]) -> Outcome<Key> {
        let mut key = self.docroot().ok_or(DiskErrorKind::NotFound)?;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            let name = Name::new(name).map_err(|_| DiskErrorKind::Invalid)?;
            self.inode(key)?.entries().ok_or(DiskErrorKind::NotDirectory)?;
            key = self.lookup(key, &name)?;
        }
        Ok(key)
    }

    fn user_name(&self, path: &[u8]) -> Outcome<(Key, Name)> {
        let split = path.iter().rposition(|&byte| byte == b'/');
        let (above, name) = match split {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        let name = Name::new(name).map_err(|_| DiskErrorKind::Invalid)?;
        Ok((self.user_inode(above)?, name))
    }

    fn user_make(&mut self, path: &[u8], body: Body, mode: u16) -> Outcome<Key> {
        let (at, name) = self.user_name(path)?;
        self.make_at(at, &name, body, mode)
    }

    /// The regular file at a path, made if there is none.
    fn user_file(&mut self, path: &[u8]) -> Outcome<Key> {
        match self.user_inode(path) {
            Err(DiskErrorKind::NotFound) => {
                self.user_make(path, Body::File(Default::default()), 0o644)
            }
            found => {
                let key = found?;
                self.inode(key)?.sectors().ok_or(DiskErrorKind::NotRegular)?;
                Ok(key)
            }
        }
    }

    /// Makes a symlink, whoever does.
    pub(super) fn make_symlink_at(&mut self, at: Key, name: &Name, target: &[u8]) -> Outcome<Key> {
        if target.is_empty() {
            return Err(DiskErrorKind::NotFound);
        }
        if target.len() > 4095 || target.contains(&0) {
            return Err(DiskErrorKind::Invalid);
        }
        self.make_at(at, name, Body::Symlink(Bytes::copy_from_slice(target)), 0o777)
    }
}

impl SimDisk {
    /// Runs one edit of a user or administrator.
    pub(super) fn edit<T>(
        &self,
        operation: &'static str,
        run: impl FnOnce(&mut State) -> Outcome<T>,
    ) -> Outcome<T> {
        let outcome = {
            let state = &mut *self.state.borrow_mut();
            let before = (state.actor, state.operation);
            (state.actor, state.operation) = (Actor::User, operation);
            let outcome = run(state);
            (state.actor, state.operation) = before;
            outcome
        };
        self.tell_visible_changes();
        outcome
    }

    /// Truncates the file and writes it in place, or makes it, and closes it.
    pub fn user_write(&self, path: impl AsRef<[u8]>, bytes: &[u8]) -> Outcome<()> {
        self.edit("user_write", |state| {
            let key = state.user_file(path.as_ref())?;
            let bytes = Bytes::copy_from_slice(bytes);
            state.in_place(key, |state| state.set_length(key, 0))?;
            state.in_place(key, |state| state.write(key, 0, &bytes))?;
            state.hint_at(key, HintKind::Complete);
            Ok(())
        })
    }

    /// Overwrites a part of a file in place.
    pub fn user_write_at(&self, path: impl AsRef<[u8]>, offset: u64, bytes: &[u8]) -> Outcome<()> {
        let file = self.user_open(path)?;
        let outcome = self.user_write_open(&file, offset, bytes);
        self.user_close(file);
        outcome
    }

    /// Opens a file for writing, or makes it, and leaves it open.
    pub fn user_open(&self, path: impl AsRef<[u8]>) -> Outcome<UserFile> {
        self.edit("user_open", |state| {
            let key = state.user_file(path.as_ref())?;
            *state.open.entry(key).or_default() += 1;
            *state.writers.entry(key).or_default() += 1;
            Ok(UserFile(key))
        })
    }

    /// Writes to an open file.
    pub fn user_write_open(&self, file: &UserFile, offset: u64, bytes: &[u8]) -> Outcome<()> {
        self.edit("user_write_open", |state| {
            let bytes = Bytes::copy_from_slice(bytes);
            state.in_place(file.0, |state| state.write(file.0, offset, &bytes))?;
            state.hint_at(file.0, HintKind::Changing);
            Ok(())
        })
    }

    /// Closes an open file.
    pub fn user_close(&self, file: UserFile) {
        let closed = self.edit("user_close", |state| {
            for counts in [&mut state.open, &mut state.writers] {
                if let Some(count) = counts.get_mut(&file.0) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(&file.0);
                    }
                }
            }
            state.hint_at(file.0, HintKind::Complete);
            state.release(file.0);
            Ok(())
        });
        debug_assert!(closed.is_ok());
    }

    /// Writes a new file beside the old one and renames it into its place.
    pub fn user_replace(&self, path: impl AsRef<[u8]>, bytes: &[u8]) -> Outcome<()> {
        self.edit("user_replace", |state| {
            let (at, name) = state.user_name(path.as_ref())?;
            let beside: Vec<u8> = [b".", name.as_bytes(), b".part"].concat();
            let beside = Name::new(beside).map_err(|_| DiskErrorKind::Invalid)?;
            let key = state.make_at(at, &beside, Body::File(Default::default()), 0o644)?;
            let bytes = Bytes::copy_from_slice(bytes);
            state.in_place(key, |state| state.write(key, 0, &bytes))?;
            state.hint_at(key, HintKind::Complete);
            state.rename_at((at, &beside), (at, &name), Rename::Replace)
        })
    }

    /// Removes a file, or a directory with everything below it.
    pub fn user_remove(&self, path: impl AsRef<[u8]>) -> Outcome<()> {
        self.edit("user_remove", |state| {
            let (at, name) = state.user_name(path.as_ref())?;
            remove_all(state, at, &name)
        })
    }

    /// Renames; what has the new name is replaced.
    pub fn user_rename(&self, old: impl AsRef<[u8]>, new: impl AsRef<[u8]>) -> Outcome<()> {
        self.edit("user_rename", |state| {
            let (from, old) = state.user_name(old.as_ref())?;
            let (to, new) = state.user_name(new.as_ref())?;
            state.rename_at((from, &old), (to, &new), Rename::Replace)
        })
    }

    /// Makes a directory, and those above it that are missing. One that is there is no error.
    pub fn user_mkdir(&self, path: impl AsRef<[u8]>) -> Outcome<()> {
        let path = path.as_ref();
        for end in (1..=path.len()).filter(|&end| end == path.len() || path[end] == b'/') {
            self.edit("user_mkdir", |state| match state.user_inode(&path[..end]) {
                Ok(key) if state.inode(key)?.is_directory() => Ok(()),
                Ok(_) => Err(DiskErrorKind::Exists),
                Err(_) => {
                    let body = Body::Directory(Default::default());
                    state.user_make(&path[..end], body, 0o755).map(drop)
                }
            })?;
        }
        Ok(())
    }

    /// Makes a symlink.
    pub fn user_symlink(&self, path: impl AsRef<[u8]>, target: &[u8]) -> Outcome<()> {
        self.edit("user_symlink", |state| {
            let (at, name) = state.user_name(path.as_ref())?;
            state.make_symlink_at(at, &name, target).map(drop)
        })
    }

    /// Gives a file a second name.
    pub fn user_link(&self, old: impl AsRef<[u8]>, new: impl AsRef<[u8]>) -> Outcome<()> {
        self.edit("user_link", |state| {
            let key = state.user_inode(old.as_ref())?;
            if state.inode(key)?.is_directory() {
                return Err(DiskErrorKind::Permission);
            }
            let (at, name) = state.user_name(new.as_ref())?;
            state.link_at(key, at, &name)
        })
    }

    /// Makes a named pipe, a socket or a device.
    pub fn user_make_special(&self, path: impl AsRef<[u8]>, kind: FileKind) -> Outcome<()> {
        assert!(matches!(kind, FileKind::Fifo | FileKind::Socket | FileKind::Device));
        self.edit("user_make_special", |state| {
            state.user_make(path.as_ref(), Body::Other(kind), 0o644).map(drop)
        })
    }

    /// Makes a named pipe.
    pub fn user_mkfifo(&self, path: impl AsRef<[u8]>) -> Outcome<()> {
        self.user_make_special(path, FileKind::Fifo)
    }

    /// Sets permission bits.
    pub fn user_chmod(&self, path: impl AsRef<[u8]>, mode: u16) -> Outcome<()> {
        self.set_by_user("user_chmod", path.as_ref(), |attributes| attributes.mode = mode & 0o7777)
    }

    /// Sets owner and group.
    pub fn user_chown(&self, path: impl AsRef<[u8]>, owner: (u32, u32)) -> Outcome<()> {
        self.set_by_user("user_chown", path.as_ref(), |attributes| {
            (attributes.user, attributes.group) = owner;
        })
    }

    /// Sets the time of the last change of content.
    pub fn user_touch(&self, path: impl AsRef<[u8]>, mtime: Time) -> Outcome<()> {
        let mtime = self.state.borrow().in_steps(mtime);
        self.set_by_user("user_touch", path.as_ref(), |attributes| attributes.mtime = mtime)
    }

    fn set_by_user(
        &self,
        operation: &'static str,
        path: &[u8],
        change: impl FnOnce(&mut super::tree::Attributes),
    ) -> Outcome<()> {
        self.edit(operation, |state| {
            let key = state.user_inode(path)?;
            state.in_place(key, |state| state.set_attributes(key, change))?;
            state.hint_at(key, HintKind::Complete);
            Ok(())
        })
    }

    /// Mounts an empty file system on a directory below the docroot.
    pub fn user_mount(&self, path: impl AsRef<[u8]>) -> Outcome<()> {
        self.edit("user_mount", |state| {
            let key = state.user_inode(path.as_ref())?;
            state.inode(key)?.entries().ok_or(DiskErrorKind::NotDirectory)?;
            let root = state.make_mount()?;
            state.mount_on(key, root);
            Ok(())
        })
    }
}

fn remove_all(state: &mut State, at: Key, name: &Name) -> Outcome<()> {
    let key = state.live.bound(at, name).ok_or(DiskErrorKind::NotFound)?;
    let Some(entries) = state.inode(key)?.entries() else {
        return state.remove_at(at, name);
    };
    let names: Vec<Name> = entries.keys().cloned().collect();
    for below in names {
        remove_all(state, key, &below)?;
    }
    state.remove_directory_at(at, name)
}

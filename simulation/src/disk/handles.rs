//! Open files and directories. While one is open, its inode lives, with a name or without.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use mirrormesh::store::DiskErrorKind;

use super::state::{Outcome, State};
use super::tree::Key;

/// Keeps an inode open until it is dropped.
pub(super) struct Handle {
    state: Rc<RefCell<State>>,
    pub(super) key: Key,
}

impl Handle {
    /// Opens an inode. `state` is what `shared` holds, borrowed by the caller.
    pub(super) fn open(
        shared: &Rc<RefCell<State>>,
        state: &mut State,
        key: Key,
    ) -> Outcome<Handle> {
        if state.open_handles >= state.options.open_limit {
            return Err(DiskErrorKind::TooManyOpen);
        }
        state.open_handles += 1;
        *state.open.entry(key).or_default() += 1;
        Ok(Handle { state: Rc::clone(shared), key })
    }

    /// Whether the handle was opened on this disk. One of an earlier boot is a program's error.
    pub(super) fn is_of(&self, state: &Rc<RefCell<State>>) -> bool {
        Rc::ptr_eq(&self.state, state)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inode {}", self.key)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Handles are dropped by jobs and tests, never while a primitive runs.
        let Ok(mut state) = self.state.try_borrow_mut() else { return };
        state.open_handles = state.open_handles.saturating_sub(1);
        if let Some(count) = state.open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(&self.key);
            }
        }
        state.release(self.key);
    }
}

/// An open directory of a simulated disk.
#[derive(Debug, Clone)]
pub struct SimDirectory(pub(super) Rc<Handle>);

/// An open file of a simulated disk.
#[derive(Debug)]
pub struct SimFile {
    pub(super) handle: Handle,
    /// Whether it was opened for writing too.
    pub(super) is_writable: bool,
}

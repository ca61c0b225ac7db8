//! One daemon on one state directory.
//!
//! Purpose: whoever changes a state directory holds an exclusive lock on its file `lock`.
//!
//! Invariants: the lock goes with the process, however it ends; the file stays, with the number of
//! the last holder's process in it, for people.
//!
//! Never waits.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::regular::must_be_regular;

/// Name of the file in the state directory.
const LOCK: &str = "lock";

/// Why the lock was not had. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another mirrormesh{} works on {}", holder(.pid), .state.display())]
    Held {
        /// The state directory.
        state: PathBuf,
        /// The process, if it could be read.
        pid: Option<u32>,
    },
    /// The file cannot be made or locked.
    #[error("{} cannot be locked: {source}", path.display())]
    Failed {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// The lock on a state directory; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock on `state`, which must exist.
    ///
    /// # Errors
    /// [`LockError::Held`] at once if another process has it.
    pub fn take(state: &Path) -> Result<Lock, LockError> {
        let path = state.join(LOCK);
        let failed = |source| LockError::Failed { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        must_be_regular(&file).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = (&mut file).take(20).read_to_string(&mut text);
                let pid = text.trim().parse().ok();
                return Err(LockError::Held { state: state.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(failed)?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests;

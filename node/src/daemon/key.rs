//! The node's key file.
//!
//! Purpose: `node.key` in the state directory holds the 32 secret bytes as hex digits and a
//! newline, mode 0600.
//!
//! Invariants: a key file is never replaced; what is read is what was made, or an error.
//!
//! Never makes a key up: the seed comes from the caller.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use mirrormesh_gossip::SecretKey;
use mirrormesh_merkle::Hash;

use super::regular::read_text;

/// Name of the file in the state directory.
pub const KEY_FILE: &str = "node.key";
/// Its name while it is written.
const NEW_FILE: &str = "node.key.new";

/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 100;

/// Why there is no key. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// No node was made here.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The file is damaged.
    #[error("{} is damaged: restore it, or join again with a new state", .0.display())]
    Damaged(PathBuf),
    /// The system failed.
    #[error("{}: {source}", path.display())]
    Failed {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Whether a state directory has a file for a key.
pub fn exists(state: &Path) -> bool {
    state.join(KEY_FILE).exists()
}

/// Reads the key of a state directory.
///
/// # Errors
/// See [`KeyFileError`].
pub fn read(state: &Path) -> Result<SecretKey, KeyFileError> {
    let path = state.join(KEY_FILE);
    let text = match read_text(&path, MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(KeyFileError::Missing(path));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(KeyFileError::Damaged(path));
        }
        Err(source) => return Err(KeyFileError::Failed { path, source }),
    };
    match text.trim_end().parse::<Hash>() {
        Ok(seed) => Ok(SecretKey::from_seed(*seed.as_bytes())),
        Err(_) => Err(KeyFileError::Damaged(path)),
    }
}

/// Writes a new key, durably. The caller holds the state's lock.
///
/// # Errors
/// [`KeyFileError::Failed`], also if there is a key already.
pub fn write(state: &Path, key: &SecretKey) -> Result<(), KeyFileError> {
    let path = state.join(KEY_FILE);
    // Under another name until it is whole: half a key would be a damaged one for ever.
    let new = state.join(NEW_FILE);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&new).and_then(|mut file| {
        writeln!(file, "{}", Hash::from_bytes(*key.seed()))?;
        file.sync_all()?;
        // Nobody else makes one meanwhile: the caller holds the state's lock.
        if path.exists() {
            fs::remove_file(&new)?;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(&new, &path)?;
        File::open(state)?.sync_all()
    });
    written.map_err(|source| KeyFileError::Failed { path, source })
}

#[cfg(test)]
mod tests;

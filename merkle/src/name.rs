//! One name in a directory: raw bytes.
//!
//! A name that exists is valid: 1 to 255 bytes, no `/`, no NUL, neither `.` nor `..`. Names are
//! compared byte by byte; there is no case folding and no Unicode normalisation, so what a file
//! system tells apart, the tree tells apart.

use std::fmt;
use std::sync::{Arc, LazyLock};

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};

use crate::limits::MAX_NAME_BYTES;
use crate::quote;

/// Prefix of the names that mirrormesh keeps for itself and that no tree may hold.
pub const RESERVED_PREFIX: &[u8] = b".mirrormesh";

/// Hashing the context string costs as much as hashing a name: it is done once.
static SLOT_KEY: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("mirrormesh 2026-11 name slot v1"));

/// A name in a directory. Cheap to clone; ordered by its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<[u8]>);

/// Why bytes are not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No bytes.
    #[error("a name is empty")]
    Empty,
    /// More than [`MAX_NAME_BYTES`].
    #[error("a name is longer than {MAX_NAME_BYTES} bytes")]
    TooLong,
    /// `.` or `..`.
    #[error("a name is `.` or `..`")]
    Dots,
    /// A `/` or a NUL.
    #[error("a name contains `/` or NUL")]
    Forbidden,
}

/// Whether `bytes` are a name.
pub(crate) fn check(bytes: &[u8]) -> Result<(), NameError> {
    match bytes {
        [] => Err(NameError::Empty),
        b"." | b".." => Err(NameError::Dots),
        _ if bytes.len() > MAX_NAME_BYTES => Err(NameError::TooLong),
        _ if bytes.iter().any(|&byte| byte == b'/' || byte == 0) => Err(NameError::Forbidden),
        _ => Ok(()),
    }
}

impl Name {
    /// Checks and copies `bytes`.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Name, NameError> {
        check(bytes.as_ref())?;
        Ok(Name(bytes.as_ref().into()))
    }

    /// Copies bytes that [`check`] has accepted.
    pub(crate) fn from_checked(bytes: &[u8]) -> Name {
        debug_assert!(check(bytes).is_ok());
        Name(bytes.into())
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the name begins with `.mirrormesh`: such a name is never scanned and no tree may
    /// hold it.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED_PREFIX)
    }

    /// Where the name lies in its directory's trie: 64 nibbles, high nibble of each byte first.
    /// Unkeyed on purpose: any tool can compute a root again.
    pub fn slot(&self) -> Slot {
        let mut hasher = blake3::Hasher::new_from_context_key(&SLOT_KEY);
        hasher.update(&self.0);
        *hasher.finalize().as_bytes()
    }
}

/// The nibbles that place a name in its directory's trie.
pub type Slot = [u8; 32];

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quote::display(&self.0, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quote::display(&self.0, f)
    }
}

#[cfg(test)]
mod tests;

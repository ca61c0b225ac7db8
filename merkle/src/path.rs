//! A path relative to the docroot: names, from the top down.
//!
//! Stored as the names' bytes joined by `/`; no bytes mean the docroot itself. Every component is a
//! valid [`Name`]. [`Path::from_bytes`] also enforces [`MAX_PATH_BYTES`] and [`MAX_DEPTH`];
//! [`Path::join`] does not, so that it cannot fail: operations that descend check the limits where
//! they descend.
//!
//! Paths are ordered component by component, names by their bytes: a directory comes directly
//! before what is below it. That is the byte order in which `/` is the smallest byte.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::limits::{MAX_DEPTH, MAX_PATH_BYTES};
use crate::name::{self, Name, NameError};
use crate::quote;

/// A relative path of zero or more names. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Path(Arc<[u8]>);

/// Why bytes are not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// More than [`MAX_PATH_BYTES`].
    #[error("a path is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_DEPTH`] names.
    #[error("a path is deeper than {MAX_DEPTH} names")]
    TooDeep,
    /// A component is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Path {
    /// The docroot itself.
    pub fn root() -> Path {
        Path::default()
    }

    /// Checks and copies names joined by `/`. No bytes are the root; a `/` at either end is an
    /// empty name and refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Path, PathError> {
        if bytes.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        if !bytes.is_empty() {
            for (index, component) in bytes.split(|&byte| byte == b'/').enumerate() {
                name::check(component)?;
                if index >= MAX_DEPTH {
                    return Err(PathError::TooDeep);
                }
            }
        }
        Ok(Path(bytes.into()))
    }

    /// Whether this is the docroot itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of `name` in this directory. May exceed the limits: see [`Path::is_within_limits`].
    pub fn join(&self, name: &Name) -> Path {
        if self.is_root() {
            return Path(name.as_bytes().into());
        }
        Path([&self.0, b"/".as_slice(), name.as_bytes()].concat().into())
    }

    /// Whether the path keeps [`MAX_PATH_BYTES`] and [`MAX_DEPTH`].
    pub fn is_within_limits(&self) -> bool {
        self.0.len() <= MAX_PATH_BYTES && self.depth() <= MAX_DEPTH
    }

    /// The directory that holds this path's name; `None` for the root.
    pub fn parent(&self) -> Option<Path> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Some(Path(self.0[..end].into()))
    }

    /// The last name; `None` for the root.
    pub fn name(&self) -> Option<Name> {
        self.component_bytes().next_back().map(Name::from_checked)
    }

    /// The names from the top down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = Name> + '_ {
        self.component_bytes().map(Name::from_checked)
    }

    /// The names' bytes from the top down.
    pub fn component_bytes(&self) -> impl DoubleEndedIterator<Item = &[u8]> + '_ {
        // Splitting no bytes yields one empty component where there is none.
        self.0.split(|&byte| byte == b'/').filter(|component| !component.is_empty())
    }

    /// Number of names; 0 for the root.
    pub fn depth(&self) -> usize {
        if self.is_root() { 0 } else { 1 + self.0.iter().filter(|&&byte| byte == b'/').count() }
    }

    /// The first `depth` names.
    pub fn ancestor(&self, depth: usize) -> Path {
        if depth == 0 {
            return Path::root();
        }
        let mut slashes = self.0.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
        match slashes.nth(depth - 1) {
            Some((end, _)) => Path(self.0[..end].into()),
            None => self.clone(),
        }
    }

    /// The names joined by `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `ancestor` or lies below it, by whole names.
    pub fn starts_with(&self, ancestor: &Path) -> bool {
        ancestor.is_root()
            || (self.0.starts_with(&ancestor.0)
                && matches!(self.0.get(ancestor.0.len()), None | Some(b'/')))
    }

    /// Whether any component is a reserved name.
    pub fn is_reserved(&self) -> bool {
        self.component_bytes().any(|component| component.starts_with(name::RESERVED_PREFIX))
    }
}

impl Ord for Path {
    fn cmp(&self, other: &Path) -> Ordering {
        // NUL is in no name, so the separator takes its place as the smallest byte.
        let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
        match self.0.iter().zip(other.0.iter()).find(|(left, right)| left != right) {
            Some((&left, &right)) => rank(left).cmp(&rank(right)),
            None => self.0.len().cmp(&other.0.len()),
        }
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Path) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<&Name> for Path {
    fn from(name: &Name) -> Path {
        Path(name.as_bytes().into())
    }
}

impl fmt::Display for Path {
    /// The root is shown as `.`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() { f.write_str(".") } else { quote::display(&self.0, f) }
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;

//! Patterns of what is not mirrored.
//!
//! A pattern without a slash (but for one at the end) matches a name at any depth; one with a
//! slash is anchored at the docroot. `*` and `?` stop at slashes, `**` does not. A slash at the
//! end makes it match directories only. What matches is left where it lies, with all below it.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use mirrormesh_merkle::Path;

/// Compiled patterns.
#[derive(Debug, Clone)]
pub struct Excludes {
    patterns: Vec<String>,
    any: GlobSet,
    directories: GlobSet,
}

/// A pattern that cannot be understood; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern {number} ({pattern:?}): {reason}")]
pub struct ExcludeError {
    /// Which, counted from 1.
    pub number: usize,
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Excludes {
    /// Compiles patterns.
    pub fn new(patterns: &[String]) -> Result<Excludes, ExcludeError> {
        let mut any = GlobSetBuilder::new();
        let mut directories = GlobSetBuilder::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let fail = |reason: String| ExcludeError {
                number: index + 1,
                pattern: pattern.clone(),
                reason,
            };
            let (body, only_directories) = match pattern.strip_suffix('/') {
                Some(body) => (body, true),
                None => (pattern.as_str(), false),
            };
            let anchored = body.contains('/');
            let body = body.strip_prefix('/').unwrap_or(body);
            if body.is_empty() {
                return Err(fail("it names nothing".into()));
            }
            let text = if anchored { body.to_string() } else { format!("**/{body}") };
            let glob = GlobBuilder::new(&text)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| fail(error.kind().to_string()))?;
            if only_directories {
                directories.add(glob);
            } else {
                any.add(glob);
            }
        }
        let build = |set: GlobSetBuilder| {
            set.build().map_err(|error| ExcludeError {
                number: patterns.len(),
                pattern: String::new(),
                reason: error.to_string(),
            })
        };
        Ok(Excludes {
            patterns: patterns.to_vec(),
            any: build(any)?,
            directories: build(directories)?,
        })
    }

    /// Compiles patterns that somebody asks for: one that can match no path is a mistake.
    ///
    /// # Errors
    /// See [`ExcludeError`].
    pub fn checked(patterns: &[String]) -> Result<Excludes, ExcludeError> {
        for (index, pattern) in patterns.iter().enumerate() {
            let body = pattern.strip_suffix('/').unwrap_or(pattern);
            let mut names = body.strip_prefix('/').unwrap_or(body).split('/');
            if let Some(name) = names.find(|name| matches!(*name, "" | "." | "..")) {
                let (number, pattern) = (index + 1, pattern.clone());
                let reason = format!("it can match nothing: no path has the name {name:?} in it");
                return Err(ExcludeError { number, pattern, reason });
            }
        }
        Excludes::new(patterns)
    }

    /// No patterns.
    pub fn none() -> Excludes {
        Excludes { patterns: Vec::new(), any: GlobSet::empty(), directories: GlobSet::empty() }
    }

    /// The patterns as given.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether something may be mirrored that others exclude.
    pub fn lifts_some_of(&self, others: &Excludes) -> bool {
        others.patterns.iter().any(|pattern| !self.patterns.contains(pattern))
    }

    /// Whether this very path matches (not one above it), or is a name reserved for mirrormesh.
    pub fn matches(&self, path: &Path, is_directory: bool) -> bool {
        if path.name().is_some_and(|name| name.is_reserved()) {
            return true;
        }
        if self.patterns.is_empty() {
            return false;
        }
        let text = bytes_as_path(path.as_bytes());
        self.any.is_match(text) || is_directory && self.directories.is_match(text)
    }

    /// Whether this path, or a directory above it, matches.
    pub fn covers(&self, path: &Path, is_directory: bool) -> bool {
        let mut at = path.clone();
        let mut directory = is_directory;
        while !at.is_root() {
            if self.matches(&at, directory) {
                return true;
            }
            let Some(parent) = at.parent() else { break };
            at = parent;
            directory = true;
        }
        false
    }
}

/// Names are bytes, and so are paths of this system.
fn bytes_as_path(bytes: &[u8]) -> &std::path::Path {
    use std::os::unix::ffi::OsStrExt;
    std::path::Path::new(std::ffi::OsStr::from_bytes(bytes))
}

//! A temporary directory of this run, removed with all in it at the end.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::text;
use crate::daemon::system;

/// A directory with mode 0700 that lives as long as this value.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes `mirrormesh-PURPOSE-RANDOM` in the system's place for temporary files.
    pub(crate) fn new(purpose: &str) -> Result<Scratch, Failure> {
        let secret = system::secret().map_err(Failure::no_entropy)?;
        let name = format!("mirrormesh-{purpose}-{}", text::hex(&secret[..6]));
        let path = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        Ok(Scratch { path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory where it is.
    pub(crate) fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What cannot be removed lies in the system's place for temporary files.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

//! Where things are.

use std::path::PathBuf;

use super::failure::Failure;
use crate::daemon::config::Config;

/// The work directory.
pub(crate) fn work_of(_config: &Config) -> Result<PathBuf, Failure> {
    Err(Failure::failed("not yet"))
}

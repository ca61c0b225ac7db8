//! Exit codes, and what a verb that did not do its work says.
//!
//! Invariants: the codes are those of the command line's contract and keep their meaning; every
//! failure is one message of one line and, where there is something to do, one hint.

use std::path::Path;

use crate::daemon::config::ConfigError;
use crate::daemon::key::KeyFileError;
use crate::daemon::lock::LockError;
use crate::daemon::places::PlaceError;

/// Exit codes.
pub(crate) mod exit {
    /// Done.
    pub(crate) const DONE: u8 = 0;
    /// Failed; the reason is on stderr.
    pub(crate) const FAILED: u8 = 1;
    /// Wrong usage.
    pub(crate) const USAGE: u8 = 2;
    /// Differences were found.
    pub(crate) const DIFFERENCES: u8 = 3;
    /// Done in part; the rest is listed.
    pub(crate) const PART: u8 = 4;
    /// No cluster is here, or one is where none may be.
    pub(crate) const CLUSTER: u8 = 10;
    /// The daemon cannot be reached.
    pub(crate) const UNREACHABLE: u8 = 11;
    /// Refused.
    pub(crate) const REFUSED: u8 = 12;
    /// Time-out.
    pub(crate) const TIMEOUT: u8 = 124;
}

/// Why a verb did not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Exit code.
    pub(crate) exit: u8,
    /// What is wrong, in one line.
    pub(crate) message: String,
    /// What to do; may be empty.
    pub(crate) hint: String,
}

/// What a verb comes to: an exit code, or a failure to be told.
pub(crate) type Outcome = Result<u8, Failure>;

impl Failure {
    /// A failure with an exit code and a message.
    pub(crate) fn new(exit: u8, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), hint: String::new() }
    }

    /// Exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure::new(exit::FAILED, message)
    }

    /// Exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(exit::USAGE, message)
    }

    /// The system has no entropy to give.
    pub(crate) fn no_entropy(error: std::io::Error) -> Failure {
        Failure::failed(format!("no entropy: {error}"))
    }

    /// The same with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = hint.into();
        self
    }
}

/// A command to be run for a state directory, as it has to be typed.
pub(crate) fn with_state(state: &Path, verb: &str) -> String {
    if state == Path::new(super::DEFAULT_STATE) {
        return format!("mirrormesh {verb}");
    }
    format!("mirrormesh {verb} --state {}", state.display())
}

/// Where no cluster is.
pub(crate) fn no_cluster(state: &Path) -> Failure {
    Failure::new(exit::CLUSTER, format!("there is no cluster in {}", state.display()))
        .hint("mirrormesh init, or mirrormesh join")
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::failed(error.to_string())
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Failure {
        Failure::failed(error.to_string())
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Failure {
        Failure::failed(error.to_string())
    }
}

impl From<PlaceError> for Failure {
    fn from(error: PlaceError) -> Failure {
        let hint = error.hint();
        Failure::failed(error.to_string()).hint(hint)
    }
}

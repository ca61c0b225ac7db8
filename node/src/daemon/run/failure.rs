//! Why the daemon did not start, or ended by itself.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::core::{SetupError, StopReason};
use crate::daemon::config::{CONFIG_FILE, ConfigError};
use crate::daemon::key::{KEY_FILE, KeyFileError};
use crate::daemon::lock::LockError;
use crate::daemon::places::{self, PlaceError};
use crate::daemon::transport::EndpointError;

/// Failed; the reason is in the message.
const FAILED: u8 = 1;
/// No cluster is here.
const NO_CLUSTER: u8 = 10;
/// Removed from the cluster.
const REFUSED: u8 = 12;

/// Why `run` failed, in the words of the command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// Exit code.
    pub exit: u8,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl RunError {
    /// Exit code 1 with a message.
    pub(super) fn failed(message: impl Into<String>) -> RunError {
        RunError { exit: FAILED, message: message.into(), hint: String::new() }
    }

    pub(super) fn hint(mut self, hint: &str) -> RunError {
        hint.clone_into(&mut self.hint);
        self
    }

    pub(super) fn cannot_listen(place: &dyn Display, error: &io::Error) -> RunError {
        RunError::failed(format!("cannot listen on {place}: {error}"))
    }

    /// What a stop of the core is to the command line.
    pub(super) fn of(reason: StopReason) -> Result<(), RunError> {
        match reason {
            StopReason::Asked => Ok(()),
            StopReason::Removed => Err(RunError {
                exit: REFUSED,
                message: "this node was removed from the cluster".to_owned(),
                hint: "to come back: move the state and the work directory away, and join again; what was \
                       set aside here stays in kept/ of the old work directory"
                    .to_owned(),
            }),
            StopReason::Broken(reason) => Err(RunError::failed(reason)),
        }
    }

    /// What a missing file means where there may be a store: a node that lost it is another thing
    /// than no node.
    pub(super) fn in_state(state: &Path, error: RunError) -> RunError {
        if error.exit == NO_CLUSTER && places::has_store(state) {
            let message = format!("{KEY_FILE} or {CONFIG_FILE} is gone from {}", state.display());
            return RunError::failed(message).hint(places::STORE_GONE);
        }
        if error.exit == NO_CLUSTER {
            let message = format!("there is no cluster in {}", state.display());
            return RunError { message, ..error };
        }
        error
    }

    /// A key and settings are here, and no store.
    pub(super) fn store_is_gone(state: &Path) -> RunError {
        let message = format!("the store in {} is gone or empty", state.display());
        RunError::failed(message).hint(places::STORE_GONE)
    }

    /// Exit code 10.
    pub(super) fn no_cluster() -> RunError {
        RunError {
            exit: NO_CLUSTER,
            message: "there is no cluster in this state directory".to_owned(),
            hint: "mirrormesh init, or mirrormesh join".to_owned(),
        }
    }
}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> RunError {
        match error {
            ConfigError::Missing(_) => RunError::no_cluster(),
            other => RunError::failed(other.to_string()),
        }
    }
}

impl From<KeyFileError> for RunError {
    fn from(error: KeyFileError) -> RunError {
        match error {
            KeyFileError::Missing(_) => RunError::no_cluster(),
            other => RunError::failed(other.to_string()),
        }
    }
}

impl From<LockError> for RunError {
    fn from(error: LockError) -> RunError {
        RunError::failed(error.to_string()).hint("one daemon for one state directory")
    }
}

impl From<PlaceError> for RunError {
    fn from(error: PlaceError) -> RunError {
        RunError::failed(error.to_string()).hint(error.hint())
    }
}

impl From<EndpointError> for RunError {
    fn from(error: EndpointError) -> RunError {
        RunError::failed(error.to_string())
            .hint("stop what uses the address, or set listen in mirrormesh.toml")
    }
}

impl From<SetupError> for RunError {
    fn from(error: SetupError) -> RunError {
        match error {
            SetupError::NoCluster => RunError::no_cluster(),
            SetupError::Damaged(_) => RunError::failed(error.to_string()),
        }
    }
}

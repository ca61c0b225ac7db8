//! The control socket: how the command line talks to the daemon.
//!
//! Purpose: `control.sock` in the state directory. A client sends one command at a time, each a
//! length of four bytes (big-endian) and MessagePack; the daemon answers with replies of the same
//! form until the one that is the last.
//!
//! Invariants: only the daemon's own user and root are heard; lengths, clients, and answers that
//! wait are bounded; a client that goes away cancels its command.
//!
//! Never starts a daemon.

mod client;
mod server;
mod wire;

use std::path::{Path, PathBuf};

pub use client::{Answers, Client, ControlError};
pub(crate) use server::serve;

/// Name of the socket in the state directory.
pub const SOCKET: &str = "control.sock";

/// Where the control socket of a state directory is.
pub fn socket_path(state: &Path) -> PathBuf {
    state.join(SOCKET)
}

#[cfg(test)]
mod tests;

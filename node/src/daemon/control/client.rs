//! The command line's end of the control socket.

use std::io;
use std::path::Path;

use tokio::net::UnixStream;

use super::socket_path;
use super::wire::{MAX_ANSWER, read, write};
use crate::core::{Answer, Command};
use crate::daemon::input::Reply;
use crate::daemon::socket;

/// Why the daemon gives no answer. What was asked may have been done, if the failure came after
/// the question: ask for the state of things.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens: the daemon does not run, or has not come so far.
    #[error("no daemon runs here")]
    NoDaemon,
    /// The socket belongs to another user.
    #[error("only root and the daemon's own user may ask")]
    Forbidden,
    /// The daemon ended, or let this client go, before the last answer.
    #[error("the daemon ended the conversation")]
    Ended,
    /// The system failed.
    #[error("the control socket failed: {0}")]
    Failed(#[from] io::Error),
}

/// A connection to the daemon of a state directory.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
}

/// The answers to one command.
#[derive(Debug)]
pub struct Answers<'a> {
    stream: &'a mut UnixStream,
}

impl Client {
    /// Connects to the daemon of `state`.
    ///
    /// # Errors
    /// [`ControlError::NoDaemon`] where none listens, [`ControlError::Forbidden`], or what else
    /// fails.
    pub async fn connect(state: &Path) -> Result<Client, ControlError> {
        let connected = socket::connect(&socket_path(state)).await;
        let stream = connected.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NoDaemon,
            io::ErrorKind::PermissionDenied => ControlError::Forbidden,
            _ => ControlError::Failed(error),
        })?;
        Ok(Client { stream })
    }

    /// Asks. One command at a time: its answers are read to the last before the next is asked.
    ///
    /// # Errors
    /// [`ControlError::Ended`], or what else fails.
    pub async fn ask(&mut self, command: Command) -> Result<Answers<'_>, ControlError> {
        write(&mut self.stream, &command).await.map_err(ended)?;
        Ok(Answers { stream: &mut self.stream })
    }
}

impl Answers<'_> {
    /// The next answer, and whether it is the last.
    ///
    /// # Errors
    /// [`ControlError::Ended`], or what else fails.
    pub async fn next(&mut self) -> Result<(Answer, bool), ControlError> {
        match read::<Reply>(self.stream, MAX_ANSWER).await.map_err(ended)? {
            Some(reply) => Ok((reply.answer, reply.last)),
            None => Err(ControlError::Ended),
        }
    }
}

fn ended(error: io::Error) -> ControlError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ControlError::Ended,
        _ => ControlError::Failed(error),
    }
}

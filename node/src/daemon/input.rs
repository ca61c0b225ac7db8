//! What reaches the core's task.
//!
//! Purpose: one bounded queue into which every other task and thread puts what happened; the core's
//! task takes it out, one after another.
//!
//! Invariants: the queue holds at most [`INBOX_PLACES`] inputs; who finds it full waits, which
//! stops reading from the network. The core's task itself never waits for a place.
//!
//! Never drops an input, unless the core's task has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::transport::{Connection, Stream};
use crate::core::{Answer, Command, CommandId, ConnectionId, Event, StreamEvent, StreamId, View};

/// Most inputs that wait.
pub(crate) const INBOX_PLACES: usize = 1_024;
/// Most answers to one command that wait for the operator to read them.
pub(crate) const ANSWER_PLACES: usize = 4_096;

/// Something for the core's task.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made, handed on and dropped at once")]
pub(crate) enum Input {
    /// An event that needs nothing but to be handed on.
    Event(Event),
    /// A connection is up.
    Connected(Arc<Connection>),
    /// A connection has ended.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// Why, for people.
        reason: String,
    },
    /// A control frame came.
    Frame {
        /// On which connection.
        connection: ConnectionId,
        /// The frame.
        bytes: Bytes,
    },
    /// A peer opened a stream.
    Opened {
        /// The stream.
        stream: Arc<Stream>,
        /// The request.
        request: Bytes,
    },
    /// Something on a stream.
    Stream {
        /// Which.
        stream: StreamId,
        /// What.
        event: StreamEvent,
    },
    /// An operator asks.
    Command {
        /// Names the question.
        id: CommandId,
        /// The question.
        command: Command,
        /// Where answers go.
        answers: mpsc::Sender<Reply>,
    },
    /// Somebody wants to see the state of things.
    View(oneshot::Sender<View>),
    /// Somebody wants to know whether the core's task lives.
    Pulse(oneshot::Sender<()>),
    /// A part of the daemon failed for good: the reason.
    Broken(String),
}

/// One answer to a command.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Reply {
    /// The answer.
    pub(crate) answer: Answer,
    /// Whether it is the last.
    pub(crate) last: bool,
}

/// Where inputs are put.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    inputs: mpsc::Sender<Input>,
    commands: Arc<AtomicU64>,
}

impl Inbox {
    /// The queue, and the end at which the core's task takes.
    pub(crate) fn new() -> (Inbox, mpsc::Receiver<Input>) {
        let (sender, receiver) = mpsc::channel(INBOX_PLACES);
        (Inbox { inputs: sender, commands: Arc::default() }, receiver)
    }

    /// Puts an input in, waiting for a place; `false` if the core's task has ended.
    pub(crate) async fn send(&self, input: Input) -> bool {
        self.inputs.send(input).await.is_ok()
    }

    /// The same from a thread of its own.
    pub(crate) fn send_blocking(&self, input: Input) -> bool {
        self.inputs.blocking_send(input).is_ok()
    }

    /// Asks in the name of an operator; `None` if the core's task has ended.
    pub(crate) async fn command(
        &self,
        command: Command,
    ) -> Option<(CommandId, mpsc::Receiver<Reply>)> {
        let id = CommandId(self.commands.fetch_add(1, Ordering::Relaxed) + 1);
        let (answers, replies) = mpsc::channel(ANSWER_PLACES);
        self.send(Input::Command { id, command, answers }).await.then_some((id, replies))
    }

    /// The state of things; `None` if the core's task has ended.
    pub(crate) async fn view(&self) -> Option<View> {
        let (sender, receiver) = oneshot::channel();
        self.send(Input::View(sender)).await;
        receiver.await.ok()
    }

    /// Waits until the core's task has handled all that came before; `false` if it has ended.
    pub(crate) async fn pulse(&self) -> bool {
        let (sender, receiver) = oneshot::channel();
        self.send(Input::Pulse(sender)).await;
        receiver.await.is_ok()
    }
}

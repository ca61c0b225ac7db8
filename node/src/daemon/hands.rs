//! Carries out effects, and turns inputs into events.
//!
//! Purpose: knows which connections, streams and commands are open, so that an order reaches the
//! right task and nothing is reported that the core no longer knows.
//!
//! State: maps of open connections, streams and commands.
//!
//! Invariants: carrying out never waits; a stream is forgotten with its end, its reset, or its
//! connection, and nothing is reported of it afterwards; after [`Effect::Close`] nothing is
//! reported of a connection but its end, exactly once.
//!
//! Never decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::input::{Inbox, Input, Reply};
use super::jobs::Jobs;
use super::notes::Notes;
use super::transport::{Connection, Endpoint, Stream};
use crate::core::view::{CountView, WatchView};
use crate::core::{
    Answer, BarrierId, CommandId, ConnectionId, Effect, Event, StopReason, StreamEvent, StreamId,
    View,
};

/// What became of an effect.
pub(crate) enum Carried {
    /// It is done, or under way.
    Done,
    /// The node stops.
    Stopped(StopReason),
}

/// What the hands need of the watcher.
pub(crate) trait Watcher: Send + 'static {
    /// Finds out when all earlier changes have been hinted, and puts [`Event::Barrier`] into the
    /// inbox then. Does not wait.
    fn barrier(&mut self, barrier: BarrierId, inbox: &Inbox);

    /// How the docroot is watched.
    fn view(&self) -> WatchView;
}

/// Carries out effects.
pub(crate) struct Hands {
    inbox: Inbox,
    endpoint: Endpoint,
    jobs: Jobs,
    watcher: Box<dyn Watcher>,
    notes: Arc<Notes>,
    connections: BTreeMap<ConnectionId, Open>,
    streams: BTreeMap<StreamId, Arc<Stream>>,
    commands: BTreeMap<CommandId, mpsc::Sender<Reply>>,
}

struct Open {
    connection: Arc<Connection>,
    closing: bool,
}

impl Hands {
    /// Hands for a daemon with nothing open yet.
    pub(crate) fn new(
        inbox: Inbox,
        endpoint: Endpoint,
        jobs: Jobs,
        watcher: Box<dyn Watcher>,
        notes: Arc<Notes>,
    ) -> Hands {
        Hands {
            inbox,
            endpoint,
            jobs,
            watcher,
            notes,
            connections: BTreeMap::new(),
            streams: BTreeMap::new(),
            commands: BTreeMap::new(),
        }
    }

    /// The threads, to be ended when all else has.
    pub(crate) fn into_jobs(self) -> Jobs {
        self.jobs
    }

    /// Adds to a view what only the driver knows.
    pub(crate) fn complete(&self, view: &mut View) {
        view.node.watch = self.watcher.view();
        let count = self.endpoint.turned_away();
        if count > 0 {
            view.node.refused.push(CountView { name: "turned-away".to_owned(), count });
        }
    }

    /// The event that an input is to the core, if the core is to hear of it.
    pub(crate) fn receive(&mut self, input: Input) -> Option<Event> {
        match input {
            Input::Event(Event::Cancelled(id)) => {
                self.commands.remove(&id).map(|_| Event::Cancelled(id))
            }
            Input::Event(event) => Some(event),
            Input::Connected(connection) => Some(self.connected(connection)),
            Input::Disconnected { connection, reason } => {
                self.connections.remove(&connection)?;
                self.forget_streams(connection);
                Some(Event::Disconnected { connection, reason })
            }
            Input::Frame { connection, bytes } => {
                self.is_open(connection).then_some(Event::Frame { connection, bytes })
            }
            Input::Opened { stream, request } => self.opened(stream, request),
            Input::Stream { stream, event } => {
                let known = match event {
                    StreamEvent::End | StreamEvent::Reset => self.streams.remove(&stream).is_some(),
                    StreamEvent::Chunk(_) | StreamEvent::Writable => {
                        self.streams.contains_key(&stream)
                    }
                };
                known.then_some(Event::Stream { stream, event })
            }
            Input::Command { id, command, answers } => {
                self.commands.insert(id, answers);
                Some(Event::Command { id, command })
            }
            Input::View(_) | Input::Pulse(_) | Input::Broken(_) => None,
        }
    }

    /// Carries out one effect.
    pub(crate) fn carry_out(&mut self, effect: Effect) -> Carried {
        match effect {
            Effect::Dial { peer, addresses } => self.endpoint.dial(peer, addresses),
            Effect::Close { connection, reason } => self.close(connection, reason),
            Effect::Frame { connection, bytes } => {
                self.with_connection(connection, |connection| connection.send_frame(bytes));
            }
            Effect::Admit { connection } => self.with_connection(connection, Connection::admit),
            Effect::GrantFrames { connection, frames } => {
                self.with_connection(connection, |connection| connection.grant_frames(frames));
            }
            Effect::Open { stream, connection, request } => {
                let opened = self.open_connection(connection);
                if let Some(opened) = opened {
                    self.streams.insert(stream, opened.open(stream, request, &self.inbox));
                }
            }
            Effect::Grant { stream, bytes } => {
                self.with_stream(stream, |stream| stream.grant(bytes));
            }
            Effect::Write { stream, bytes } => {
                self.with_stream(stream, |stream| stream.write(bytes));
            }
            Effect::Finish { stream } => {
                if let Some(stream) = self.streams.remove(&stream) {
                    stream.finish();
                }
            }
            Effect::Reset { stream } => {
                if let Some(stream) = self.streams.remove(&stream) {
                    stream.reset();
                }
            }
            Effect::Job { id, job } => {
                if let Err(error) = self.jobs.submit(id, job) {
                    return Carried::Stopped(StopReason::Broken(error.to_string()));
                }
            }
            Effect::EndJobs => self.jobs.cut_short(),
            Effect::Barrier(barrier) => self.watcher.barrier(barrier, &self.inbox),
            Effect::Answer { id, answer, last } => self.answer(id, answer, last),
            Effect::Note(note) => self.notes.take(&note),
            Effect::Stop(reason) => return Carried::Stopped(reason),
        }
        Carried::Done
    }

    fn connected(&mut self, connection: Arc<Connection>) -> Event {
        let event = Event::Connected {
            connection: connection.id,
            peer: connection.peer,
            dialled: connection.dialled,
            address: connection.address(),
        };
        self.connections.insert(connection.id, Open { connection, closing: false });
        event
    }

    fn opened(&mut self, stream: Arc<Stream>, request: bytes::Bytes) -> Option<Event> {
        let (id, connection) = (stream.id, stream.connection);
        if !self.is_open(connection) {
            stream.reset();
            return None;
        }
        self.streams.insert(id, stream);
        Some(Event::Opened { stream: id, connection, request })
    }

    fn close(&mut self, id: ConnectionId, reason: &'static str) {
        if let Some(open) = self.connections.get_mut(&id) {
            open.closing = true;
            open.connection.close(reason);
            self.forget_streams(id);
        }
    }

    fn forget_streams(&mut self, connection: ConnectionId) {
        for (_, stream) in self.streams.extract_if(.., |_, stream| stream.connection == connection)
        {
            stream.reset();
        }
    }

    fn answer(&mut self, id: CommandId, mut answer: Answer, last: bool) {
        if let Answer::Status(view) = &mut answer {
            self.complete(view);
        }
        let optional = matches!(answer, Answer::Progress { .. });
        let answers =
            if last { self.commands.remove(&id) } else { self.commands.get(&id).cloned() };
        let Some(answers) = answers else { return };
        match answers.try_send(Reply { answer, last }) {
            Err(TrySendError::Full(_)) if !optional => self.let_go(id, last),
            Ok(()) | Err(_) => {}
        }
    }

    /// A client reads too slowly: its queue ends, and the core hears that nobody waits any more.
    fn let_go(&mut self, id: CommandId, last: bool) {
        tracing::warn!("a client reads its answers too slowly and is let go");
        if !last {
            let (closed, _) = mpsc::channel(1);
            self.commands.insert(id, closed);
            let inbox = self.inbox.clone();
            tokio::spawn(async move { inbox.send(Input::Event(Event::Cancelled(id))).await });
        }
    }

    fn is_open(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_some_and(|open| !open.closing)
    }

    fn open_connection(&self, connection: ConnectionId) -> Option<Arc<Connection>> {
        let open = self.connections.get(&connection).filter(|open| !open.closing)?;
        Some(open.connection.clone())
    }

    fn with_connection(&self, connection: ConnectionId, order: impl FnOnce(&Connection)) {
        if let Some(open) = self.connections.get(&connection)
            && !open.closing
        {
            order(&open.connection);
        }
    }

    fn with_stream(&self, stream: StreamId, order: impl FnOnce(&Stream)) {
        if let Some(stream) = self.streams.get(&stream) {
            order(stream);
        }
    }
}

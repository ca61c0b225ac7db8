//! One connection to a peer.
//!
//! Purpose: what the core's task does to a connection (send a frame, grant, open, close) is put
//! down here without waiting; the connection's tasks carry it out, and report its end.
//!
//! State: credit for frames, frames that wait to be sent, whether and why it is closing.
//!
//! Invariants: a peer that does not take its frames loses the connection before they fill the
//! memory ([`OUTGOING_BYTES`], [`OUTGOING_FRAMES`]); the end is reported exactly once, after the
//! frames that were read.
//!
//! Never decides whom to talk to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mirrormesh_gossip::NodeId;
use quinn::{ConnectionError, RecvStream, SendStream, VarInt};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::admission::{ConnectionPlace, StrangerPlace};
use super::stream::Stream;
use super::tuning::{MEMBER_STREAMS, MEMBER_WINDOW, SILENCE};
use super::{answering, asking, frames};
use crate::core::{ConnectionId, FIRST_FRAMES, StreamId};
use crate::daemon::input::{Inbox, Input};

/// Most bytes of frames that wait to be sent.
const OUTGOING_BYTES: usize = 64 * 1024 * 1024;
/// Most frames that wait to be sent.
const OUTGOING_FRAMES: usize = 8_192;
/// What is left to read of a connection that has ended is read within this time.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Most bytes of a reason told or shown.
const REASON_BYTES: usize = 200;

/// Numbers that are never used twice in the life of a daemon.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    connections: AtomicU64,
    streams: AtomicU64,
}

impl Numbers {
    fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Streams opened by peers have odd numbers.
    fn next_stream(&self) -> StreamId {
        StreamId(self.streams.fetch_add(2, Ordering::Relaxed) + 1)
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// The key at the other end.
    pub peer: NodeId,
    /// Whether this node dialled.
    pub dialled: bool,
    quic: quinn::Connection,
    numbers: Arc<Numbers>,
    state: Mutex<State>,
    credit_came: Notify,
    frames_came: Notify,
    frames_taken: Notify,
    _place: Option<ConnectionPlace>,
}

#[derive(Debug)]
struct State {
    credit: u32,
    outgoing: VecDeque<Bytes>,
    outgoing_bytes: usize,
    closing: Option<&'static str>,
    fault: Option<&'static str>,
    admitted: bool,
    stranger: Option<StrangerPlace>,
}

/// What the frame writer does next.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Send these.
    Frames(Vec<Bytes>),
    /// Nothing is left to send: close, for this reason.
    Close(&'static str),
    /// Nothing yet.
    Nothing,
}

impl Connection {
    pub(super) fn new(
        quic: quinn::Connection,
        peer: NodeId,
        dialled: bool,
        numbers: Arc<Numbers>,
        places: Option<(ConnectionPlace, StrangerPlace)>,
    ) -> Arc<Connection> {
        let (place, stranger) = places.unzip();
        let state = State {
            credit: FIRST_FRAMES,
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            closing: None,
            fault: None,
            admitted: false,
            stranger,
        };
        let connection = Arc::new(Connection {
            id: numbers.next_connection(),
            peer,
            dialled,
            quic,
            numbers,
            state: Mutex::new(state),
            credit_came: Notify::new(),
            frames_came: Notify::new(),
            frames_taken: Notify::new(),
            _place: place,
        });
        if dialled {
            // This node chose whom to dial, and the key is the one it expected.
            connection.admit();
        }
        connection
    }

    /// The address at the other end, for people.
    pub fn address(&self) -> String {
        let address = self.quic.remote_address();
        SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
    }

    /// Sends a control frame after those that wait already.
    pub fn send_frame(&self, frame: Bytes) {
        let mut state = self.state();
        if state.closing.is_some() {
            return;
        }
        state.outgoing_bytes += frame.len();
        state.outgoing.push_back(frame);
        let too_many =
            state.outgoing_bytes > OUTGOING_BYTES || state.outgoing.len() > OUTGOING_FRAMES;
        drop(state);
        if too_many {
            self.end("the peer does not take its frames");
        }
        self.frames_came.notify_one();
    }

    /// Lets this many more frames be read.
    pub fn grant_frames(&self, frames: u32) {
        let mut state = self.state();
        state.credit = state.credit.saturating_add(frames);
        drop(state);
        self.credit_came.notify_one();
    }

    /// Gives it the windows of a member, and its stranger's place back.
    pub fn admit(&self) {
        let mut state = self.state();
        if state.admitted {
            return;
        }
        state.admitted = true;
        state.stranger = None;
        drop(state);
        self.quic.set_receive_window(VarInt::from_u32(MEMBER_WINDOW));
        self.quic.set_max_concurrent_bi_streams(VarInt::from_u32(MEMBER_STREAMS));
    }

    /// Opens a stream and sends a request on it.
    pub(crate) fn open(
        self: &Arc<Connection>,
        id: StreamId,
        request: Bytes,
        inbox: &Inbox,
    ) -> Arc<Stream> {
        let stream = Stream::new(id, self.id);
        tokio::spawn(asking::ask(self.clone(), stream.clone(), request, inbox.clone()));
        stream
    }

    /// Ends the connection once the frames that wait are sent, or after a second.
    pub fn close(&self, reason: &'static str) {
        self.state().closing.get_or_insert(reason);
        self.frames_came.notify_one();
    }

    /// Ends the connection at once for a fault at the other end.
    pub(super) fn end(&self, fault: &'static str) {
        self.state().fault.get_or_insert(fault);
        self.quic.close(VarInt::from_u32(1), fault.as_bytes());
    }

    /// Closes the connection now, telling the other end why.
    pub(super) fn close_now(&self, reason: &'static str) {
        self.quic.close(VarInt::from_u32(0), &reason.as_bytes()[..reason.len().min(REASON_BYTES)]);
    }

    pub(super) fn quic(&self) -> &quinn::Connection {
        &self.quic
    }

    pub(super) fn has_ended(&self) -> bool {
        self.quic.close_reason().is_some()
    }

    /// Whether it has the windows of a member.
    pub(super) fn is_admitted(&self) -> bool {
        self.state().admitted
    }

    pub(super) fn next_stream(&self) -> StreamId {
        self.numbers.next_stream()
    }

    /// Waits until one more frame may be read, and takes it off the credit.
    pub(super) async fn frame_credit(&self) {
        loop {
            {
                let mut state = self.state();
                if state.credit > 0 {
                    state.credit -= 1;
                    return;
                }
            }
            self.credit_came.notified().await;
        }
    }

    /// The frames that wait, up to about `bytes`.
    pub(super) fn take_frames(&self, bytes: usize) -> Outgoing {
        let mut state = self.state();
        let mut frames = Vec::new();
        let mut taken = 0;
        while taken < bytes
            && let Some(frame) = state.outgoing.pop_front()
        {
            taken += frame.len();
            frames.push(frame);
        }
        match state.closing {
            _ if !frames.is_empty() => Outgoing::Frames(frames),
            Some(reason) => Outgoing::Close(reason),
            None => Outgoing::Nothing,
        }
    }

    /// The writer has put `bytes` of frames into QUIC's buffer.
    pub(super) fn frames_sent(&self, bytes: usize) {
        let mut state = self.state();
        state.outgoing_bytes = state.outgoing_bytes.saturating_sub(bytes);
        if state.outgoing_bytes == 0 {
            drop(state);
            self.frames_taken.notify_waiters();
        }
    }

    /// Waits until there is something for the frame writer. A single task may wait.
    pub(super) async fn frames_came(&self) {
        self.frames_came.notified().await;
    }

    /// Waits until no frame waits: frames go before chunks.
    pub(super) async fn frames_gone(&self) {
        loop {
            let taken = self.frames_taken.notified();
            if self.state().outgoing_bytes == 0 || self.has_ended() {
                return;
            }
            tokio::select! {
                biased;
                () = taken => {}
                _ = self.quic.closed() => return,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reason(&self, error: ConnectionError) -> String {
        let state = self.state();
        match error {
            ConnectionError::LocallyClosed => {
                let known = state.fault.or(state.closing).unwrap_or("closed here");
                known.to_owned()
            }
            other => describe(&other),
        }
    }
}

/// Serves a connection until it ends: reports it, moves its frames, takes its streams.
pub(super) async fn serve(
    connection: Arc<Connection>,
    control: (SendStream, RecvStream),
    inbox: Inbox,
    stranger_bytes: Arc<tokio::sync::Semaphore>,
) {
    if !inbox.send(Input::Connected(connection.clone())).await {
        return;
    }
    let (send, receive) = control;
    let mut tasks = JoinSet::new();
    tasks.spawn(frames::write(connection.clone(), send));
    tasks.spawn(take_streams(connection.clone(), inbox.clone()));
    let mut reader =
        tokio::spawn(frames::read(connection.clone(), receive, inbox.clone(), stranger_bytes));
    let error = connection.quic.closed().await;
    if timeout(LAST_WORDS, &mut reader).await.is_err() {
        reader.abort();
        // An aborted task may still be putting a frame into the inbox: wait until it is not.
        let _ = reader.await;
    }
    tasks.shutdown().await;
    let reason = connection.reason(error);
    inbox.send(Input::Disconnected { connection: connection.id, reason }).await;
}

async fn take_streams(connection: Arc<Connection>, inbox: Inbox) {
    // QUIC bounds the number of streams: the peer may open the next when one has ended.
    while let Ok((send, receive)) = connection.quic.accept_bi().await {
        tokio::spawn(answering::answer(connection.clone(), send, receive, inbox.clone()));
    }
}

/// Why a connection ended, for people.
pub(super) fn describe(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            format!("closed by the peer: {}", printable(&close.reason))
        }
        ConnectionError::TimedOut => format!("silent for {} s", SILENCE.as_secs()),
        ConnectionError::Reset => "the peer has restarted".to_owned(),
        ConnectionError::ConnectionClosed(close) if close.reason.is_empty() => {
            format!("refused: {}", close.error_code)
        }
        ConnectionError::ConnectionClosed(close) => {
            format!("refused: {}", printable(&close.reason))
        }
        other => other.to_string(),
    }
}

fn printable(reason: &[u8]) -> String {
    let text = String::from_utf8_lossy(reason);
    text.chars().filter(|character| !character.is_control()).take(REASON_BYTES).collect()
}

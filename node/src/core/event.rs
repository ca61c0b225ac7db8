//! The seam to everything concurrent: what happens to a node, and what it wants done.
//!
//! A driver (the daemon or the simulator) delivers events one at a time to
//! [`super::Node::handle`], carries out the effects in their order, and delivers
//! [`Event::Tick`] at or after [`super::Node::deadline`]. The driver decides nothing.
//!
//! Connections. A connection is between two keys, both proved by TLS. Each carries one stream of
//! control frames in each direction, in order and reliable until the connection ends. The driver
//! reads the next frame only when the core has granted it ([`Effect::GrantFrames`]; a new
//! connection starts with [`FIRST_FRAMES`]). What a connection that the peer dialled may cost is
//! what a stranger's may, until the core admits it ([`Effect::Admit`]).
//!
//! Streams. Either side opens a stream with a request of at most [`MAX_REQUEST_BYTES`]; the other
//! answers with chunks and an end. The asking side reads only what it granted
//! ([`Effect::Grant`]); the answering side has at most one chunk unwritten: it is told
//! [`StreamEvent::Writable`] when the driver can take the next.

use bytes::Bytes;
use mirrormesh_gossip::{Instant, NodeId, Wall};

use super::command::{Answer, Command, CommandId};
use super::hint::Hint;
use super::note::Note;
use super::setup::Settings;
use crate::store::{Done, Job, JobError, JobId};

/// The moment at which an event is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the clock that decisions rest on.
    pub now: Instant,
    /// By the clock for people.
    pub wall: Wall,
}

/// Names a connection; the driver numbers them and never uses a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Names a stream. Streams opened here are numbered by the core (even numbers), streams opened by
/// peers by the driver (odd numbers); never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// Names a watcher barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BarrierId(pub u64);

/// Frames that may be read on a new connection before any grant.
pub const FIRST_FRAMES: u32 = 8;
/// Most bytes of a control frame; a longer one ends the connection.
pub const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of a request; a longer one resets the stream.
pub const MAX_REQUEST_BYTES: usize = 512 * 1024;
/// Most bytes of a chunk.
pub const MAX_CHUNK_BYTES: usize = 1024 * 1024;
/// Most hints of one event.
pub const MAX_HINTS: usize = 256;

/// Something that happened.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made, handled and dropped at once")]
pub enum Event {
    /// The deadline has come.
    Tick,
    /// A connection is up, its key proved.
    Connected {
        /// Which.
        connection: ConnectionId,
        /// The key at the other end.
        peer: NodeId,
        /// Whether this node dialled.
        dialled: bool,
        /// The address at the other end, for people.
        address: String,
    },
    /// Dialling came to nothing.
    DialFailed {
        /// Whom.
        peer: NodeId,
        /// Why, for people.
        reason: String,
    },
    /// A connection has ended; its streams are gone with it, without further events.
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
    /// A peer opened a stream, and its whole request is here.
    Opened {
        /// The stream.
        stream: StreamId,
        /// On which connection.
        connection: ConnectionId,
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
    /// A job is done.
    Done {
        /// Which.
        job: JobId,
        /// What came of it.
        result: Result<Done, JobError>,
    },
    /// The watcher has hints; at most [`MAX_HINTS`].
    Hints(Vec<Hint>),
    /// Every change that was complete before [`Effect::Barrier`] has been hinted.
    Barrier {
        /// Which.
        barrier: BarrierId,
        /// Whether the watcher covers the whole docroot. If not, only a scan can tell.
        covered: bool,
    },
    /// An operator asks.
    Command {
        /// Which question.
        id: CommandId,
        /// The question.
        command: Command,
    },
    /// The operator no longer waits for an answer.
    Cancelled(CommandId),
    /// Settings that may change while the node runs were read again.
    Settings(Settings),
}

/// Something on a stream.
#[derive(Debug)]
pub enum StreamEvent {
    /// The next bytes; at most [`MAX_CHUNK_BYTES`], and never more than granted.
    Chunk(Bytes),
    /// All has come.
    End,
    /// The other side gave up.
    Reset,
    /// The last written chunk is taken; the next may be written.
    Writable,
}

/// Something to be done.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made, carried out and dropped at once")]
pub enum Effect {
    /// Dial a peer at one of these addresses (`host:port`), in turn; the key must be this.
    Dial {
        /// Whom.
        peer: NodeId,
        /// Where.
        addresses: Vec<String>,
    },
    /// End a connection, once frames already given are sent (or after a second).
    Close {
        /// Which.
        connection: ConnectionId,
        /// Why, told to the other end.
        reason: &'static str,
    },
    /// Send a control frame.
    Frame {
        /// On which connection.
        connection: ConnectionId,
        /// The frame.
        bytes: Bytes,
    },
    /// The peer is a member that has greeted: its connection may cost what a member's may. Until then a connection
    /// that the peer dialled is kept to what a stranger may cost.
    Admit {
        /// Which connection.
        connection: ConnectionId,
    },
    /// Let this many more frames be read.
    GrantFrames {
        /// On which connection.
        connection: ConnectionId,
        /// How many.
        frames: u32,
    },
    /// Open a stream and send a request.
    Open {
        /// The new stream.
        stream: StreamId,
        /// On which connection.
        connection: ConnectionId,
        /// The request.
        request: Bytes,
    },
    /// Let this many more bytes be read.
    Grant {
        /// From which stream.
        stream: StreamId,
        /// How many.
        bytes: u64,
    },
    /// Write a chunk as part of an answer.
    Write {
        /// To which stream.
        stream: StreamId,
        /// The chunk.
        bytes: Bytes,
    },
    /// The answer is whole.
    Finish {
        /// Of which stream.
        stream: StreamId,
    },
    /// Give a stream up, in whichever direction.
    Reset {
        /// Which.
        stream: StreamId,
    },
    /// Run a job. Tree-lane jobs run one after another in the order given.
    Job {
        /// Its name.
        id: JobId,
        /// What.
        job: Job,
    },
    /// The node stops: jobs in flight may end as a crash would end them, if they take long.
    EndJobs,
    /// Find out when all earlier changes have been hinted.
    Barrier(BarrierId),
    /// Answer an operator. Several may come before the last.
    Answer {
        /// Which question.
        id: CommandId,
        /// The answer.
        answer: Answer,
        /// Whether it is the last.
        last: bool,
    },
    /// A fact for log, metrics, coverage and trace.
    Note(Note),
    /// The node has stopped for good; nothing follows.
    Stop(StopReason),
}

/// Why a node stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// An operator or the system asked for it; all is durable.
    Asked,
    /// The cluster removed this node.
    Removed,
    /// The state directory cannot be written or contradicts itself: the reason.
    Broken(String),
}

//! Answers to streams that peers open: nodes, deltas, contents.
//!
//! Every node answers members alike, whatever its role. State: one [`Serving`] a stream. At most
//! one chunk is with the driver and one more is read ahead, so a slow peer costs at most two
//! chunks of memory for each of its streams; further streams of a peer wait their turn.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::event::{ConnectionId, Effect, MAX_CHUNK_BYTES, StreamId};
use super::jobs::{Jobs, Purpose};
use super::note::Note;
use crate::store::request::{Request, encode_list};
use crate::store::{Done, Job, Pack, ServeNodes, ServeSince, Since, Want};

/// Most streams of one connection that are answered at a time.
const MAX_SERVED: usize = 8;
/// Most streams of one connection that wait for their turn; more are reset.
const MAX_WAITING: usize = 64;
/// Most bytes of an answer from the journal.
const SINCE_BUDGET: usize = 16 * 1024 * 1024;

#[derive(Debug)]
struct Serving {
    connection: ConnectionId,
    kind: Kind,
    /// The next chunk, read ahead.
    ready: Option<Bytes>,
    /// A chunk is with the driver.
    writing: bool,
    /// A job is reading.
    reading: bool,
    /// Nothing is left to read.
    finished: bool,
    /// Bytes written.
    bytes: u64,
}

#[derive(Debug)]
enum Kind {
    Contents { wants: Arc<Vec<Want>>, next: usize, offset: u64, framed: bool },
    Whole,
}

/// Streams being answered.
#[derive(Debug, Default)]
pub(crate) struct Serve {
    streams: BTreeMap<StreamId, Serving>,
    waiting: BTreeMap<ConnectionId, VecDeque<(StreamId, Request)>>,
    /// Bytes served since the start.
    pub(crate) bytes: u64,
}

impl Serve {
    /// Takes a request that a member made.
    pub(crate) fn opened(
        &mut self,
        stream: StreamId,
        connection: ConnectionId,
        request: Request,
        jobs: &mut Jobs,
        out: &mut Vec<Effect>,
    ) {
        let served =
            self.streams.values().filter(|serving| serving.connection == connection).count();
        if served < MAX_SERVED {
            return self.begin(stream, connection, request, jobs, out);
        }
        let waiting = self.waiting.entry(connection).or_default();
        if waiting.len() < MAX_WAITING {
            waiting.push_back((stream, request));
        } else {
            out.push(Effect::Reset { stream });
        }
    }

    fn begin(
        &mut self,
        stream: StreamId,
        connection: ConnectionId,
        request: Request,
        jobs: &mut Jobs,
        out: &mut Vec<Effect>,
    ) {
        let (kind, first) = match request {
            Request::Contents { wants } => {
                let wants = Arc::new(wants);
                (Kind::Contents { wants, next: 0, offset: 0, framed: true }, None)
            }
            Request::Content { want, offset } => {
                let wants = Arc::new(vec![want]);
                (Kind::Contents { wants, next: 0, offset, framed: false }, None)
            }
            Request::Nodes { wanted, levels, budget } => {
                let budget = (budget as usize).min(MAX_CHUNK_BYTES);
                (Kind::Whole, Some(Job::ServeNodes(ServeNodes { wanted, levels, budget })))
            }
            Request::Since { from, to } => {
                let job = Job::ServeSince(ServeSince { from, to, budget: SINCE_BUDGET });
                (Kind::Whole, Some(job))
            }
        };
        let mut serving = Serving {
            connection,
            kind,
            ready: None,
            writing: false,
            reading: false,
            finished: false,
            bytes: 0,
        };
        match first {
            Some(job) => {
                serving.reading = true;
                jobs.start(job, Purpose::Serve { stream }, out);
            }
            None => serving.read(stream, jobs, out),
        }
        self.streams.insert(stream, serving);
    }

    /// A job that read for a stream is done.
    pub(crate) fn read(
        &mut self,
        stream: StreamId,
        done: Option<Done>,
        jobs: &mut Jobs,
        out: &mut Vec<Effect>,
    ) {
        let Some(serving) = self.streams.get_mut(&stream) else { return };
        serving.reading = false;
        match done {
            Some(Done::Pack(packed)) => {
                if let Kind::Contents { wants, next, offset, .. } = &mut serving.kind {
                    (*next, *offset) = (packed.next, packed.offset);
                    serving.finished = packed.next >= wants.len();
                }
                if packed.gone {
                    return self.give_up(stream, jobs, out);
                }
                self.bytes += packed.chunk.len() as u64;
                serving.ready = Some(packed.chunk);
            }
            Some(Done::ServeNodes(bytes)) => {
                self.bytes += bytes.len() as u64;
                serving.finished = true;
                serving.ready = Some(bytes);
            }
            Some(Done::ServeSince(since)) => {
                let list = match &since {
                    Since::Deltas(deltas) => deltas.as_slice(),
                    Since::Unknown => &[],
                };
                let bytes = encode_list(list);
                self.bytes += bytes.len() as u64;
                serving.finished = true;
                serving.ready = Some(bytes);
            }
            _ => return self.give_up(stream, jobs, out),
        }
        self.go_on(stream, jobs, out);
    }

    /// The driver took a chunk.
    pub(crate) fn writable(&mut self, stream: StreamId, jobs: &mut Jobs, out: &mut Vec<Effect>) {
        if let Some(serving) = self.streams.get_mut(&stream) {
            serving.writing = false;
            self.go_on(stream, jobs, out);
        }
    }

    fn go_on(&mut self, stream: StreamId, jobs: &mut Jobs, out: &mut Vec<Effect>) {
        let Some(serving) = self.streams.get_mut(&stream) else { return };
        if !serving.writing
            && let Some(mut bytes) = serving.ready.take()
        {
            // What is longer than a chunk goes out piece by piece.
            let piece = bytes.split_to(bytes.len().min(MAX_CHUNK_BYTES));
            if !bytes.is_empty() {
                serving.ready = Some(bytes);
            }
            if !piece.is_empty() {
                serving.writing = true;
                serving.bytes += piece.len() as u64;
                out.push(Effect::Write { stream, bytes: piece });
            }
        }
        if serving.finished && serving.ready.is_none() && !serving.writing {
            out.push(Effect::Finish { stream });
            out.push(Effect::Note(Note::Served { bytes: serving.bytes }));
            return self.end(stream, jobs, out);
        }
        if !serving.finished && !serving.reading && serving.ready.is_none() {
            serving.read(stream, jobs, out);
        }
    }

    fn give_up(&mut self, stream: StreamId, jobs: &mut Jobs, out: &mut Vec<Effect>) {
        out.push(Effect::Reset { stream });
        self.end(stream, jobs, out);
    }

    /// The peer gave a stream up.
    pub(crate) fn reset(&mut self, stream: StreamId, jobs: &mut Jobs, out: &mut Vec<Effect>) {
        for waiting in self.waiting.values_mut() {
            waiting.retain(|(other, _)| *other != stream);
        }
        self.end(stream, jobs, out);
    }

    fn end(&mut self, stream: StreamId, jobs: &mut Jobs, out: &mut Vec<Effect>) {
        let Some(serving) = self.streams.remove(&stream) else { return };
        let connection = serving.connection;
        let next = self.waiting.get_mut(&connection).and_then(VecDeque::pop_front);
        if let Some((stream, request)) = next {
            self.begin(stream, connection, request, jobs, out);
        }
    }

    /// A connection is gone, and its streams with it.
    pub(crate) fn disconnected(&mut self, connection: ConnectionId) {
        self.waiting.remove(&connection);
        self.streams.retain(|_, serving| serving.connection != connection);
    }
}

impl Serving {
    fn read(&mut self, stream: StreamId, jobs: &mut Jobs, out: &mut Vec<Effect>) {
        let Kind::Contents { wants, next, offset, framed } = &self.kind else { return };
        self.reading = true;
        let job = Job::Pack(Pack {
            wants: Arc::clone(wants),
            next: *next,
            offset: *offset,
            framed: *framed,
            budget: MAX_CHUNK_BYTES,
        });
        jobs.start(job, Purpose::Serve { stream }, out);
    }
}

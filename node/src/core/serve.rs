//! Answers to streams that peers open: nodes, deltas, contents.
//!
//! Every node answers members alike, whatever its role. State: one [`Serving`] a stream. At most
//! one chunk is with the driver and one more is read ahead, so a slow peer costs at most two
//! chunks of memory for each of its streams. An answer from the journal is one buffer: there are at
//! most [`MAX_SINCE`] in all, and one a peer. All answers together are bounded too; further streams
//! wait their turn. Whoever does not take its answer for long makes room for those who wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mirrormesh_gossip::{Instant, NodeId};

use super::event::{ConnectionId, Effect, MAX_CHUNK_BYTES, StreamId};
use super::jobs::{Jobs, Purpose};
use super::note::Note;
use crate::store::request::{Request, encode_list};
use crate::store::{Done, Job, Pack, ServeNodes, ServeSince, Since, Want};

/// Most streams of one connection that are answered at a time.
const MAX_SERVED: usize = 8;
/// Most streams that are answered at a time: each has at most one job in the read lane.
const MAX_SERVED_IN_ALL: usize = 512;
/// Most answers from the journal at a time.
const MAX_SINCE: usize = 4;
/// Most streams of one connection that wait for their turn; more are reset.
const MAX_WAITING: usize = 64;
/// Most bytes of an answer from the journal.
const SINCE_BUDGET: usize = 16 * 1024 * 1024;
/// A stream that did not get on for so long makes room where others wait.
const STALLED: Duration = Duration::from_secs(30);

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) connection: ConnectionId,
    pub(crate) peer: NodeId,
}

#[derive(Debug)]
struct Serving {
    asker: Asker,
    kind: Kind,
    /// When it was begun, or the driver last took a chunk.
    got_on: Instant,
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
    Nodes,
    Since,
}

/// Streams being answered.
#[derive(Debug, Default)]
pub(crate) struct Serve {
    streams: BTreeMap<StreamId, Serving>,
    /// How many of them each connection has.
    served: BTreeMap<ConnectionId, usize>,
    /// The peers that are answered from the journal.
    since: BTreeSet<NodeId>,
    waiting: BTreeMap<ConnectionId, VecDeque<(StreamId, Asker, Request)>>,
    /// The connection that was last given a place that others waited for.
    last: Option<ConnectionId>,
    pub(crate) now: Instant,
    /// Bytes served since the start.
    pub(crate) bytes: u64,
}

impl Serve {
    /// Takes a request that a member made.
    pub(crate) fn opened(
        &mut self,
        stream: StreamId,
        asker: Asker,
        request: Request,
        jobs: &mut Jobs,
        out: &mut Vec<Effect>,
    ) {
        if self.has_place(&asker, &request) {
            return self.begin(stream, asker, request, jobs, out);
        }
        let is_since = matches!(request, Request::Since { .. });
        let waiting = self.waiting.entry(asker.connection).or_default();
        if waiting.len() >= MAX_WAITING {
            return out.push(Effect::Reset { stream });
        }
        waiting.push_back((stream, asker, request));
        self.drop_stalled(is_since, jobs, out);
    }

    /// Whether a request can be answered now.
    fn has_place(&self, asker: &Asker, request: &Request) -> bool {
        let served = self.served.get(&asker.connection).copied().unwrap_or_default();
        self.streams.len() < MAX_SERVED_IN_ALL
            && served < MAX_SERVED
            && (!matches!(request, Request::Since { .. })
                || self.since.len() < MAX_SINCE && !self.since.contains(&asker.peer))
    }

    /// Gives up what does not get on, where all places are taken.
    fn drop_stalled(&mut self, since: bool, jobs: &mut Jobs, out: &mut Vec<Effect>) {
        let all = self.streams.len() >= MAX_SERVED_IN_ALL;
        let stalled = |serving: &Serving| {
            serving.writing
                && self.now.saturating_since(serving.got_on) >= STALLED
                && (all || since && matches!(serving.kind, Kind::Since))
        };
        let found = self.streams.iter().filter(|(_, serving)| stalled(serving));
        let found: Vec<StreamId> = found.map(|(stream, _)| *stream).collect();
        for stream in found {
            self.give_up(stream, jobs, out);
        }
    }

    fn begin(
        &mut self,
        stream: StreamId,
        asker: Asker,
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
                (Kind::Nodes, Some(Job::ServeNodes(ServeNodes { wanted, levels, budget })))
            }
            Request::Since { from, to } => {
                let job = Job::ServeSince(ServeSince { from, to, budget: SINCE_BUDGET });
                (Kind::Since, Some(job))
            }
        };
        let mut serving = Serving {
            asker,
            kind,
            got_on: self.now,
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
        *self.served.entry(asker.connection).or_default() += 1;
        if matches!(serving.kind, Kind::Since) {
            self.since.insert(asker.peer);
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
            serving.got_on = self.now;
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
            waiting.retain(|(other, ..)| *other != stream);
        }
        self.end(stream, jobs, out);
    }

    fn end(&mut self, stream: StreamId, jobs: &mut Jobs, out: &mut Vec<Effect>) {
        if self.forget(stream) {
            self.begin_waiting(jobs, out);
        }
    }

    fn forget(&mut self, stream: StreamId) -> bool {
        let Some(serving) = self.streams.remove(&stream) else { return false };
        if matches!(serving.kind, Kind::Since) {
            self.since.remove(&serving.asker.peer);
        }
        let connection = serving.asker.connection;
        if let Some(served) = self.served.get_mut(&connection) {
            *served -= 1;
            if *served == 0 {
                self.served.remove(&connection);
            }
        }
        true
    }

    /// Begins what waits and has a place now, the connections in turn.
    fn begin_waiting(&mut self, jobs: &mut Jobs, out: &mut Vec<Effect>) {
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        while let Some((stream, asker, request)) = self.next_waiting() {
            self.last = Some(asker.connection);
            self.begin(stream, asker, request, jobs, out);
        }
    }

    fn next_waiting(&mut self) -> Option<(StreamId, Asker, Request)> {
        if self.streams.len() >= MAX_SERVED_IN_ALL {
            return None;
        }
        let after = |connection: &ConnectionId| Some(*connection) > self.last;
        let (before, after): (Vec<_>, Vec<_>) =
            self.waiting.keys().copied().partition(|connection| !after(connection));
        after.into_iter().chain(before).find_map(|connection| {
            let waiting = self.waiting.get(&connection)?;
            let place = waiting.iter().position(|(_, asker, it)| self.has_place(asker, it))?;
            self.waiting.get_mut(&connection)?.remove(place)
        })
    }

    /// A connection is gone, and its streams with it.
    pub(crate) fn disconnected(
        &mut self,
        connection: ConnectionId,
        jobs: &mut Jobs,
        out: &mut Vec<Effect>,
    ) {
        self.waiting.remove(&connection);
        let streams = self.streams.iter();
        let gone = streams.filter(|(_, serving)| serving.asker.connection == connection);
        for stream in gone.map(|(stream, _)| *stream).collect::<Vec<_>>() {
            self.forget(stream);
        }
        self.begin_waiting(jobs, out);
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

#[cfg(test)]
mod tests;

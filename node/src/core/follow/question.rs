//! Questions to a peer: what leads to a head, asked of one member at a time.
//!
//! Either the difference since the tree this node has, or the nodes of a walk. An answer that does
//! not come, or that proves nothing, counts against who gave it.

use std::time::Duration;

use bytes::Bytes;
use mirrormesh_gossip::{Instant, NodeId, SignedHead};
use mirrormesh_merkle::{Hash, Tree, Walk};

use super::is_fault_of_giver;
use crate::core::event::{ConnectionId, Effect, MAX_CHUNK_BYTES, StreamId};
use crate::core::fetch::Incoming;
use crate::core::jobs::Purpose;
use crate::core::node::Node;
use crate::core::note::Note;
use crate::store::request::{Request, decode_list};
use crate::store::{Done, Job, JobError, WalkStep, WalkStepped};

/// Most bytes of an answer to a question.
const MAX_ANSWER_BYTES: u64 = 20 * 1024 * 1024;
/// Nodes asked for at a time.
const WALK_NODES: usize = 256;
/// Wait after a question that came to nothing.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A question to a peer.
#[derive(Debug)]
pub(super) struct Question {
    stream: StreamId,
    signed: SignedHead,
    answer: Incoming,
    what: Asked,
}

#[derive(Debug)]
enum Asked {
    Since,
    Nodes(Box<Walk>),
}

impl Node {
    /// A member to ask: the origin if it is connected, else whoever failed least often.
    pub(in crate::core) fn whom_to_ask(&self) -> Option<ConnectionId> {
        self.peers.primary(self.authority.origin()).or_else(|| self.peers.most_useful())
    }

    /// An answer on a connection did not come, or was of no use: others are asked first.
    pub(in crate::core) fn failed_on(&mut self, connection: ConnectionId) -> Option<NodeId> {
        let peer = self.peers.member_of(connection)?;
        self.peers.failed(&peer);
        Some(peer)
    }

    fn ask(&mut self, signed: SignedHead, request: &Request, what: Asked) -> bool {
        let Some(connection) = self.whom_to_ask() else {
            self.follow.ask_at = Some(self.now + ASK_AGAIN);
            return false;
        };
        let stream = self.stream_id();
        self.out.push(Effect::Open { stream, connection, request: request.encode() });
        self.out.push(Effect::Grant { stream, bytes: MAX_ANSWER_BYTES });
        let answer = Incoming::new(connection, MAX_ANSWER_BYTES, self.now);
        self.follow.question = Some(Question { stream, signed, answer, what });
        true
    }

    pub(super) fn ask_since(&mut self, base: Tree, signed: SignedHead, root: Hash) {
        self.ask(signed, &Request::Since { from: base.root, to: root }, Asked::Since);
    }

    pub(super) fn walk_on(&mut self, walk: Box<Walk>, reply: Vec<Bytes>) {
        let job = Job::WalkStep(WalkStep { walk, reply });
        self.jobs.start(job, Purpose::Walk, &mut self.out);
    }

    pub(in crate::core) fn walked(&mut self, result: Result<Done, JobError>) {
        let Some(signed) = self.follow.walking.clone() else { return };
        match result {
            Ok(Done::WalkStep(WalkStepped::Ask { walk, mut wanted, nodes })) => {
                self.follow.walked_nodes = nodes;
                self.regaining_got_on();
                wanted.truncate(WALK_NODES);
                let budget = MAX_CHUNK_BYTES as u32;
                let request = Request::Nodes { wanted, levels: walk.levels(), budget };
                if !self.ask(signed, &request, Asked::Nodes(walk)) {
                    self.follow.walking = None;
                }
            }
            Ok(Done::WalkStep(WalkStepped::Finished(tree))) => {
                self.follow.walking = None;
                self.accept_target(signed, tree, None, "walk");
            }
            other => {
                if is_fault_of_giver(&other) {
                    self.refuse_source("wrong-node", "it is not what was asked for");
                }
                self.follow.walking = None;
                self.follow.ask_at = Some(self.now + ASK_AGAIN);
            }
        }
    }

    /// Bytes of an answer came. Returns whether the stream was a question's.
    pub(in crate::core) fn question_chunk(&mut self, stream: StreamId, chunk: Bytes) -> bool {
        let Some(question) = self.follow.question.as_mut().filter(|it| it.stream == stream) else {
            return false;
        };
        if question.answer.push(chunk, self.now) {
            self.regaining_got_on();
        }
        true
    }

    /// An answer is whole, or will not come.
    pub(in crate::core) fn question_ended(&mut self, stream: StreamId, whole: bool) -> bool {
        if self.follow.question.as_ref().is_none_or(|question| question.stream != stream) {
            return false;
        }
        let Some(question) = self.follow.question.take() else { return false };
        let connection = question.answer.connection;
        self.follow.source = self.peers.member_of(connection);
        let list =
            question.answer.concat().filter(|_| whole).and_then(|bytes| decode_list(&bytes).ok());
        match (question.what, list) {
            (Asked::Since, Some(deltas)) => {
                self.note(Note::Since { deltas: deltas.len() as u64 });
                if deltas.is_empty() {
                    self.follow.walk_needed = true;
                } else {
                    self.follow.journal = Some((question.signed, deltas));
                }
            }
            (Asked::Nodes(walk), Some(nodes)) if !nodes.is_empty() => {
                self.follow.walking = Some(question.signed);
                self.walk_reply(walk, nodes);
            }
            (Asked::Nodes(_), _) | (Asked::Since, None) => {
                // The peer has it no longer, or is gone: begin again with the newest head.
                self.failed_on(connection);
                self.follow.walking = None;
                self.follow.ask_at = Some(self.now + ASK_AGAIN);
            }
        }
        true
    }

    /// A question is asked of somebody else. Returns whether the stream was a question's.
    pub(in crate::core) fn question_withdrawn(&mut self, stream: StreamId) -> bool {
        let found = self.follow.question.take_if(|question| question.stream == stream).is_some();
        if found {
            self.follow.walking = None;
        }
        found
    }

    fn walk_reply(&mut self, walk: Box<Walk>, nodes: Vec<Bytes>) {
        if self.jobs.is_busy() {
            self.follow.pending_walk = Some((walk, nodes));
        } else {
            self.walk_on(walk, nodes);
        }
    }

    /// When the answer to a question has stood still for too long.
    pub(in crate::core) fn question_late_at(&self) -> Option<Instant> {
        let answer = &self.follow.question.as_ref()?.answer;
        Some(self.late_at(answer.connection, &answer.pace))
    }

    /// Whether the answer to a question has stood still for too long.
    pub(in crate::core) fn question_is_late(&self) -> bool {
        self.question_late_at().is_some_and(|at| at <= self.now)
    }

    /// The stream of a question, and the connection on which it was asked.
    pub(in crate::core) fn question_asked(&self) -> Option<(StreamId, ConnectionId)> {
        let question = self.follow.question.as_ref()?;
        Some((question.stream, question.answer.connection))
    }
}

//! Large files: each travels alone, resumes where it stopped, and is hashed again as a whole.
//!
//! State: one [`Large`] a content, beside the pass. What came is handed to the disk in the order
//! in which it came; the peer may send only as much as the disk has taken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mirrormesh_gossip::{Instant, NodeId};
use mirrormesh_merkle::Hash;

use super::event::{ConnectionId, Effect, MAX_CHUNK_BYTES, StreamId};
use super::fetch::Pace;
use super::jobs::{Purpose, StageWas};
use super::node::Node;
use super::note::Note;
use super::transfer::{ALONE, Ready};
use crate::store::request::Request;
use crate::store::{Done, Job, JobError, Parcel, Stage, StageStep, Staged, Want};

/// Large files in transfer at a time.
const MAX_LARGE: usize = 2;
/// Large files that are planned at a time.
pub(super) const MAX_LARGE_WAITING: usize = 2 * MAX_LARGE;
/// Bytes of a large file that may be on their way to the disk.
const LARGE_WINDOW: u64 = 4 * MAX_CHUNK_BYTES as u64;
/// Tries before its path is in error.
const MAX_TRIES: u32 = 3;
/// So long large files of an origin may take to come back: nothing is published meanwhile.
const TAKE_BACK_MOST: Duration = Duration::from_secs(300);

/// A large file in transfer.
#[derive(Debug)]
pub(super) struct Large {
    /// Its place in the order of parcels.
    order: u64,
    pub(super) parcel: Arc<Parcel>,
    want: Want,
    pub(super) stream: Option<(StreamId, ConnectionId)>,
    /// Bytes staged, and bytes that came and are not staged yet.
    staged: u64,
    pub(super) waiting: Vec<Bytes>,
    writing: bool,
    pub(super) ended: bool,
    pub(super) tries: u32,
    /// The pass that planned it was given up, perhaps before its directories were made.
    pub(super) given_up: bool,
    /// Who sent the last of it.
    from: Option<NodeId>,
    pub(super) pace: Pace,
    /// When the disk was given its last step.
    step_began: Instant,
}

impl Large {
    /// Whether a step of it is with the disk.
    pub(super) fn is_busy(&self) -> bool {
        self.writing
    }

    /// A large file of which nothing has come.
    pub(super) fn new(order: u64, parcel: Arc<Parcel>, want: Want) -> Large {
        Large {
            order,
            parcel,
            want,
            stream: None,
            staged: 0,
            waiting: Vec::new(),
            writing: false,
            ended: false,
            tries: 0,
            given_up: false,
            from: None,
            pace: Pace::new(Instant::ZERO),
            step_began: Instant::ZERO,
        }
    }
}

impl Node {
    pub(super) fn large_of(&self, stream: StreamId) -> Option<Hash> {
        self.transfer
            .large
            .iter()
            .find(|(_, large)| large.stream.is_some_and(|(of, _)| of == stream))
            .map(|(content, _)| *content)
    }

    /// Whether this is an origin that has been taking entries back for so long.
    fn takes_back_since(&self, time: Duration) -> bool {
        let pass = self.transfer.pass.as_ref().filter(|_| self.is_origin());
        pass.is_some_and(|pass| self.now.saturating_since(pass.since) >= time)
    }

    /// Begins or resumes transfers of large files, a few at a time.
    pub(super) fn start_large(&mut self) {
        if self.takes_back_since(TAKE_BACK_MOST) {
            // Nothing is published meanwhile: members that let it trickle hold up no origin for ever.
            let slow = self.transfer.large.iter().filter(|(_, it)| !it.writing && !it.ended);
            let slow: Vec<Hash> = slow.map(|(content, _)| *content).collect();
            for content in slow {
                self.fail_large(content, "nobody has sent its content in time");
            }
        }
        let active = self
            .transfer
            .large
            .values()
            .filter(|large| large.stream.is_some() || large.writing)
            .count();
        let idle: Vec<Hash> = self
            .transfer
            .large
            .iter()
            .filter(|(_, large)| large.stream.is_none() && !large.writing && !large.ended)
            .map(|(content, _)| *content)
            .take(MAX_LARGE.saturating_sub(active))
            .collect();
        for content in idle {
            if self.transfer.large.get(&content).is_some_and(|large| large.tries > MAX_TRIES) {
                self.fail_large(content, "nobody serves its content");
                continue;
            }
            if self.whom_to_ask().is_some() {
                self.stage(content, StageStep::Open, StageWas::Open);
            } else if self.takes_back_since(ALONE) {
                self.fail_large(content, "nobody is there who serves its content");
            }
        }
    }

    fn stage(&mut self, content: Hash, step: StageStep, was: StageWas) {
        let Some(large) = self.transfer.large.get_mut(&content) else { return };
        large.writing = true;
        large.step_began = self.now;
        let job = Job::Stage(Stage { content, size: large.want.size, step });
        self.jobs.start(job, Purpose::Stage { content, step: was }, &mut self.out);
    }

    pub(super) fn staged(&mut self, content: Hash, was: StageWas, result: Result<Done, JobError>) {
        let Some(large) = self.transfer.large.get_mut(&content) else { return };
        large.writing = false;
        match (was, result) {
            (StageWas::Open, Ok(Done::Stage(Staged::Partial(bytes)))) => {
                large.staged = bytes;
                self.ask_large(content, bytes);
            }
            (StageWas::Write(count), Ok(Done::Stage(Staged::Partial(bytes)))) => {
                large.staged = bytes;
                large.pace.excuse(self.now.saturating_since(large.step_began));
                if let Some((stream, _)) = large.stream {
                    self.out.push(Effect::Grant { stream, bytes: count });
                }
                self.write_large(content);
            }
            // Planned again, it comes after its directories, and is found to be staged.
            (_, Ok(Done::Stage(Staged::Whole))) if large.given_up => {
                let large = self.transfer.large.remove(&content);
                if self.is_origin() {
                    let items = large.iter().flat_map(|large| &large.parcel.items);
                    self.transfer.take_back.extend(items.map(|item| item.path.clone()));
                }
            }
            (_, Ok(Done::Stage(Staged::Whole))) => {
                let parcel = Arc::clone(&large.parcel);
                large.ended = true;
                let (order, from) = (large.order, large.from);
                let (contents, inline, cut) = (Vec::new(), Vec::new(), false);
                let large = Some(content);
                let ready = Ready { order, parcel, contents, cut, from: None, inline, large };
                self.transfer.ready.insert(order, ready);
                if let Some(peer) = from {
                    self.peers.served(&peer);
                }
            }
            (_, Ok(Done::Stage(Staged::Wrong))) => {
                large.tries += 1;
                large.ended = false;
                large.staged = 0;
                if let Some(peer) = large.from.take() {
                    self.peers.failed(&peer);
                    self.refuse(peer, "wrong-content", "its hash is another");
                }
            }
            (_, Err(error)) => {
                let reason = match error {
                    JobError::Disk { detail, .. } => detail,
                    other => other.to_string(),
                };
                self.fail_large(content, &reason);
            }
            (_, Ok(_)) => self.fail_large(content, "staging went wrong"),
        }
    }

    fn ask_large(&mut self, content: Hash, offset: u64) {
        let connection = self.whom_to_ask();
        let stream = self.stream_id();
        let Some(large) = self.transfer.large.get_mut(&content) else { return };
        if offset == large.want.size {
            return self.stage(content, StageStep::Finish, StageWas::Finish);
        }
        let Some(connection) = connection else { return };
        large.stream = Some((stream, connection));
        large.from = self.peers.member_of(connection);
        large.pace = Pace::new(self.now);
        large.waiting.clear();
        let request = Request::Content { want: large.want.clone(), offset }.encode();
        self.out.push(Effect::Open { stream, connection, request });
        self.out.push(Effect::Grant { stream, bytes: LARGE_WINDOW });
    }

    /// Hands what came on to the disk; finishes when all is there.
    pub(super) fn write_large(&mut self, content: Hash) {
        let Some(large) = self.transfer.large.get_mut(&content) else { return };
        if large.writing {
            return;
        }
        if !large.waiting.is_empty() {
            let chunks = std::mem::take(&mut large.waiting);
            let count = chunks.iter().map(|chunk| chunk.len() as u64).sum();
            let offset = large.staged;
            return self.stage(
                content,
                StageStep::Write { offset, chunks },
                StageWas::Write(count),
            );
        }
        if large.ended {
            if large.staged == large.want.size {
                self.stage(content, StageStep::Finish, StageWas::Finish);
            } else {
                large.ended = false;
                large.tries += 1;
            }
        }
    }

    fn fail_large(&mut self, content: Hash, reason: &str) {
        let Some(large) = self.transfer.large.remove(&content) else { return };
        if let Some((stream, _)) = large.stream {
            self.out.push(Effect::Reset { stream });
        }
        for item in &large.parcel.items {
            self.transfer.fail(item.path.clone(), reason.to_string());
            if !self.is_origin() {
                self.transfer.errors.insert(item.path.clone(), reason.to_string());
            }
            self.note(Note::PathFailed { path: item.path.clone(), reason: reason.to_string() });
        }
        self.transfer.pause_retry(self.now);
        self.judge();
    }

    /// Large transfers for a target that no longer differs are given up.
    pub(super) fn drop_overtaken_large(&mut self) {
        let in_line = self.wanted_tree().is_some_and(|tree| tree.root == self.current.root);
        if !in_line || self.jobs.count(|purpose| matches!(purpose, Purpose::Stage { .. })) > 0 {
            return;
        }
        self.transfer.ready.clear();
        for (stream, _) in std::mem::take(&mut self.transfer.fetching) {
            self.out.push(Effect::Reset { stream });
        }
        for (content, large) in std::mem::take(&mut self.transfer.large) {
            if let Some((stream, _)) = large.stream {
                self.out.push(Effect::Reset { stream });
            }
            let job =
                Job::Stage(Stage { content, size: large.want.size, step: StageStep::Discard });
            let purpose = Purpose::Stage { content, step: StageWas::Discard };
            self.jobs.start(job, purpose, &mut self.out);
        }
    }
}

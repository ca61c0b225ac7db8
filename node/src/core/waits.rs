//! The barrier: `wait`, and `confirm` where files are missing.
//!
//! A wait first asks the watcher to hand over every hint of changes that were complete before;
//! then waits until all of them are observed; then for the head (origin) or the repair (replica)
//! that they lead to; then until the members in its scope say that they have brought that head in
//! line. What changes later does not matter. Paths in error do not hold a wait up; they are listed.
//!
//! A confirmation of lost files looks first in the same way: it is one for all that was lost before
//! it, not only for what had been observed by then. If that takes too long, it is one for that.

use std::collections::BTreeMap;
use std::time::Duration;

use mirrormesh_gossip::{Instant, NodeId};
use mirrormesh_merkle::Path;

use super::command::{Answer, CommandId, MoreErrors, PathLine, WaitScope};
use super::event::{BarrierId, Effect};
use super::node::Node;
use crate::store::Depth;

/// Most waits at a time.
const MAX_WAITS: usize = 256;
/// Shortest time of a wait: what is there already can be told in it.
const SHORTEST: Duration = Duration::from_millis(100);
/// How long a confirmation may look for what was lost before it.
const CONFIRM_TIME: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Waiting {
    what: What,
    deadline: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum What {
    /// Members have what was changed before.
    Wait(WaitScope),
    /// What is held is released, when it is known.
    Confirm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The watcher hands over its hints.
    Barrier(BarrierId),
    /// Everything hinted up to this moment is being observed.
    Observe(Instant),
    /// It is being published, or brought in line here.
    Settle,
    /// Members bring this head in line.
    Members(u64),
}

/// Waits of operators.
#[derive(Debug, Default)]
pub(super) struct Waits {
    waits: BTreeMap<CommandId, Waiting>,
}

impl Waits {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waits.values().map(|waiting| waiting.deadline).min()
    }

    /// What was settled is not any more.
    pub(super) fn settle_again(&mut self) {
        for waiting in self.waits.values_mut() {
            if matches!(waiting.stage, Stage::Members(_)) {
                waiting.stage = Stage::Settle;
            }
        }
    }

    pub(super) fn cancel(&mut self, id: CommandId) {
        self.waits.remove(&id);
    }
}

impl Node {
    pub(super) fn wait(&mut self, id: CommandId, scope: WaitScope, timeout: Duration) {
        if self.waits.waits.len() >= MAX_WAITS {
            return self.answer_refused(id, 1, "too many waits at a time", "try again later");
        }
        if let WaitScope::Members(names) = &scope {
            let unknown = names
                .iter()
                .find(|name| self.document().is_none_or(|document| document.find(name).is_none()))
                .cloned();
            if let Some(name) = unknown {
                let message = format!("there is no member {name:?}");
                return self.answer_refused(id, 12, &message, "see `mirrormesh status`");
            }
        }
        self.begin_wait(id, What::Wait(scope), timeout.max(SHORTEST));
    }

    /// Confirms what is held, after a look where files are missing.
    pub(super) fn look_and_confirm(&mut self, id: CommandId) {
        if self.brake.holds_lost() && self.waits.waits.len() < MAX_WAITS {
            self.begin_wait(id, What::Confirm, CONFIRM_TIME);
        } else {
            self.confirm_now(id);
        }
    }

    fn begin_wait(&mut self, id: CommandId, what: What, time: Duration) {
        let barrier = BarrierId(self.next_barrier);
        self.next_barrier += 1;
        self.out.push(Effect::Barrier(barrier));
        let deadline = self.now + time;
        let stage = Stage::Barrier(barrier);
        self.waits.waits.insert(id, Waiting { what, deadline, stage });
    }

    pub(super) fn barrier(&mut self, barrier: BarrierId, covered: bool) {
        let mut met = false;
        for waiting in self.waits.waits.values_mut() {
            if waiting.stage == Stage::Barrier(barrier) {
                waiting.stage = Stage::Observe(self.now);
                met = true;
            }
        }
        if !met {
            return;
        }
        self.dirty.hurry(self.now);
        // The docroot itself may be another one by now.
        self.dirty.look(Path::root(), Depth::Name, self.now);
        if !(covered && self.is_covered()) {
            self.dirty.look(Path::root(), Depth::Subtree, self.now);
        }
    }

    pub(super) fn advance_waits(&mut self) {
        let ids: Vec<CommandId> = self.waits.waits.keys().copied().collect();
        for id in ids {
            while self.advance_wait(id) {}
        }
    }

    /// Takes a wait one stage on, if it can go on.
    fn advance_wait(&mut self, id: CommandId) -> bool {
        let Some(waiting) = self.waits.waits.get(&id) else { return false };
        let is_over = waiting.deadline <= self.now;
        let scope = match &waiting.what {
            What::Wait(scope) => scope,
            What::Confirm if is_over || waiting.stage == Stage::Settle => {
                self.waits.waits.remove(&id);
                self.confirm_now(id);
                self.publish_next();
                return false;
            }
            // Nothing comes after what is observed.
            What::Confirm => &WaitScope::Own,
        };
        let next = match waiting.stage {
            Stage::Barrier(_) => None,
            Stage::Observe(moment) => {
                let seen = self.watching.scanned
                    && self.dirty.has_settled(moment)
                    && self.watching.has_seen(moment);
                seen.then_some(Stage::Settle)
            }
            Stage::Settle => self.settled_seq().map(Stage::Members),
            Stage::Members(seq) => {
                // What a member says before it has shown its head is of another line.
                let awaits = self.publish.returning.is_open();
                if !awaits && self.laggards(scope, seq).is_empty() {
                    let (errors, more) = self.error_lines(scope);
                    if self.is_origin() && *scope != WaitScope::Own {
                        // Whoever asks another member from now on is told the same.
                        self.send_rows();
                    }
                    self.waits.waits.remove(&id);
                    self.answer(id, Answer::Waited { seq, errors, more }, true);
                    return false;
                }
                None
            }
        };
        if let (Some(stage), Some(waiting)) = (next, self.waits.waits.get_mut(&id)) {
            waiting.stage = stage;
            return true;
        }
        if let Some(waiting) = is_over.then(|| self.waits.waits.remove(&id)).flatten() {
            let behind = self.behind(&waiting);
            self.answer(id, Answer::TimedOut { behind }, true);
        }
        false
    }

    /// The head that holds everything observed so far, once there is one.
    fn settled_seq(&self) -> Option<u64> {
        let head = self.authority.head()?;
        if self.is_origin() {
            let published = head.root == self.current.root
                && !self.publish.returning.is_open()
                && !self.transfer.takes_back();
            return published.then_some(head.seq);
        }
        let tried = self.follow.tried == Some(head.position()) && !self.transfer.is_active();
        let fresh = self.authority.is_fresh(self.now);
        let newest = self.follow.newest_offer().is_none();
        (fresh && newest && (self.is_in_line() || tried)).then_some(head.seq)
    }

    /// Members of a scope that have not brought a head in line, each with the reason.
    fn laggards(&self, scope: &WaitScope, seq: u64) -> Vec<String> {
        let epoch = self.authority.term().epoch;
        self.scope(scope)
            .into_iter()
            .filter(|id| {
                let peer = self.peers.members.get(id);
                let report = peer.and_then(|peer| peer.report.as_ref());
                let done = report.is_some_and(|report| {
                    report.epoch == epoch
                        && report.fresh
                        && report.held.is_none()
                        && self.is_alive(id)
                        && (report.seq.is_some_and(|at| at >= seq)
                            || report.tried_seq.is_some_and(|at| at >= seq))
                });
                !done && *id != *self.authority.origin()
            })
            .map(|id| format!("{} ({})", self.name_of(&id), self.why_behind(&id, seq)))
            .collect()
    }

    /// Why a member has not brought a head in line, as far as it has said.
    fn why_behind(&self, id: &NodeId, seq: u64) -> String {
        let report = self.peers.members.get(id).and_then(|peer| peer.report.as_ref());
        match report {
            _ if !self.is_alive(id) => "not reached".into(),
            None => "it has not said yet where it is".into(),
            Some(report) => match (&report.held, report.seq) {
                (Some((reason, _)), _) => format!("held: {reason}"),
                (None, _) if !report.fresh => "it does not hear the origin".into(),
                (None, None) => format!("it has no head yet, and needs seq {seq}"),
                (None, Some(at)) if report.errors > 0 => {
                    format!("at seq {at} of {seq}, {} paths in error", report.errors)
                }
                (None, Some(at)) => format!("at seq {at} of {seq}"),
            },
        }
    }

    fn scope(&self, scope: &WaitScope) -> Vec<NodeId> {
        let others = self.peers.members.keys().copied();
        match scope {
            WaitScope::Own => Vec::new(),
            WaitScope::All => others.collect(),
            WaitScope::Live => others.filter(|id| self.is_alive(id)).collect(),
            WaitScope::Members(names) => names
                .iter()
                .filter_map(|name| Some(self.document()?.find(name)?.id))
                .filter(|id| *id != self.id)
                .collect(),
        }
    }

    /// Whether a member is believed alive.
    pub(super) fn is_alive(&self, id: &NodeId) -> bool {
        *id == self.id
            || self
                .peers
                .members
                .get(id)
                .is_some_and(|peer| peer.primary.is_some() || peer.said_alive)
    }

    /// Who or what a wait that timed out was waiting for.
    fn behind(&self, waiting: &Waiting) -> Vec<String> {
        match waiting.stage {
            Stage::Members(seq) => match &waiting.what {
                What::Wait(scope) => self.laggards(scope, seq),
                What::Confirm => Vec::new(),
            },
            Stage::Barrier(_) => {
                vec!["this node: the watcher was still asked what has changed".into()]
            }
            Stage::Observe(_) | Stage::Settle => {
                let reason = match self.held_view() {
                    Some(held) => held.reason,
                    None if matches!(waiting.stage, Stage::Observe(_)) => {
                        "still looking for changes".into()
                    }
                    None if self.authority.head().is_none() => "there is no head yet".into(),
                    None if self.is_origin() => "changes are not published yet".into(),
                    None if !self.authority.is_fresh(self.now) => {
                        "the origin has not been heard for 10 s".into()
                    }
                    None => "changes are not applied yet".into(),
                };
                vec![format!("this node: {reason}")]
            }
        }
    }

    /// Paths in error on this node and on the members in scope; and how many more, by member.
    fn error_lines(&self, scope: &WaitScope) -> (Vec<PathLine>, Vec<MoreErrors>) {
        let own = self.transfer.errors.iter().chain(&self.transfer.lost);
        let own = own.map(|(path, reason)| PathLine {
            path: path.as_bytes().to_vec().into(),
            what: format!("{}: {reason}", self.name_of(&self.id)),
        });
        let mut more = vec![(self.name_of(&self.id), self.transfer.errors_more)];
        let members = self.scope(scope);
        more.extend(members.iter().filter_map(|id| {
            let report = self.peers.members.get(id)?.report.as_ref()?;
            let beyond = report.errors.saturating_sub(report.error_list.len() as u64);
            Some((self.name_of(id), beyond))
        }));
        let more = more.into_iter().filter(|(_, count)| *count > 0);
        let more = more.map(|(member, count)| MoreErrors { member, count }).collect();
        let theirs = members.iter().flat_map(|id| {
            let report = self.peers.members.get(id).and_then(|peer| peer.report.as_ref());
            let list = report.map(|report| report.error_list.clone()).unwrap_or_default();
            let name = self.name_of(id);
            list.into_iter()
                .map(move |(path, reason)| PathLine { path, what: format!("{name}: {reason}") })
        });
        (own.chain(theirs).collect(), more)
    }
}

//! Passes over the differences between current and target: plan, fetch, apply.
//!
//! State: at most one pass. A pass plans parcel after parcel, fetches what they want (a few at a
//! time), and applies them in the order in which they are ready; large files travel beside it,
//! each on its own. A parcel whose target is overtaken is still applied, as far as the newest
//! target wants the same. When a pass is over and something is left, another begins; paths that
//! failed are tried again after a growing pause, and hold nothing else up.
//!
//! An origin runs the same passes, over given paths only, when it takes published entries back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mirrormesh_gossip::{Instant, NodeId};
use mirrormesh_merkle::{Hash, Path, Tree};

use super::event::{Effect, StreamId};
use super::fetch::Incoming;
use super::jobs::Purpose;
use super::large::{Large, MAX_LARGE_WAITING};
use super::node::{MAX_LEFT_OUT, Node};
use super::note::Note;
use crate::store::{
    Applied, Apply, Depth, Done, Inline, Job, JobError, KeptReason, Parcel, Phase, Plan, PlanCursor,
};

/// Parcels that are fetched or ready at a time.
const MAX_PARCELS: usize = 3;
/// First and longest pause before failed paths are tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long an origin waits for a member that serves what it takes back.
pub(super) const ALONE: Duration = Duration::from_secs(5);
/// Paths in error of one pass that are named in the log; the others are listed only.
const MAX_NOTED: usize = 16;
/// Most paths in error that are listed.
pub(super) const MAX_ERRORS: usize = 1_024;

/// A parcel on its way to be applied. Parcels are applied in the order in which they were planned:
/// a directory is made before what is in it comes, and nothing goes before what takes its place.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its place in the order.
    pub(super) order: u64,
    pub(super) parcel: Arc<Parcel>,
    pub(super) contents: Vec<Bytes>,
    /// They end early.
    pub(super) cut: bool,
    /// Who sent them.
    pub(super) from: Option<NodeId>,
    pub(super) inline: Vec<Inline>,
    pub(super) large: Option<Hash>,
}

/// A walk over the differences.
#[derive(Debug)]
pub(super) struct Pass {
    number: u64,
    cursor: Option<PlanCursor>,
    pub(super) only: Option<Vec<Path>>,
    /// What this pass leads to. A later target waits for the next pass: a walk that changed its
    /// mind on the way would plan files whose directories it has passed by.
    pub(super) target: Tree,
    /// Only what still is as in this tree.
    unedited_since: Option<Tree>,
    planning: bool,
    pub(super) since: Instant,
    /// Whether the brake has let it through.
    weighed: bool,
    /// Root of the current tree when it began.
    began_at: Hash,
    /// Whether it does not try all there is to do: contents ended early, or what lies there has to
    /// be looked at first.
    partial: bool,
}

impl Pass {
    /// A pass for which nothing is left to be planned.
    fn new(target: Tree, began_at: Hash, since: Instant) -> Pass {
        Pass {
            number: 0,
            cursor: None,
            only: None,
            target,
            unedited_since: None,
            planning: false,
            since,
            weighed: false,
            began_at,
            partial: false,
        }
    }
}

/// Everything on its way.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    pub(super) pass: Option<Pass>,
    passes: u64,
    next_order: u64,
    pub(super) ready: BTreeMap<u64, Ready>,
    pub(super) fetching: BTreeMap<StreamId, (Ready, Incoming)>,
    pub(super) large: BTreeMap<Hash, Large>,
    /// Contents that came with the push being proved.
    pub(super) inline: Vec<Inline>,
    /// Paths in error since the last pass that was clean, with reasons.
    pub(super) errors: BTreeMap<Path, String>,
    pub(super) errors_more: u64,
    pub(super) new_errors: BTreeMap<Path, String>,
    new_errors_more: u64,
    /// Paths whose published entries are to be kept in the tree.
    pub(super) disowning: Vec<Path>,
    /// Damaged files of an origin that nobody serves.
    pub(super) lost: BTreeMap<Path, String>,
    pub(super) retry_at: Option<Instant>,
    retries: u32,
    /// Since the newest pass began something came that it may not have met: what it came to says
    /// nothing of what is left, and the next one is not to wait for long.
    overtaken: bool,
    /// Paths an origin takes back as published.
    pub(super) take_back: BTreeSet<Path>,
    /// How many members could not give it all of them.
    pub(super) asked_in_vain: usize,
    pub(super) pending: (u64, u64),
    pub(super) set_aside: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Contents that did not come: who had them has others by now, or is away.
    pub(super) missing: u64,
}

impl Transfer {
    /// A new target is proved; `direct` is the parcel that leads there from the current tree.
    pub(super) fn target_changed(
        &mut self,
        target: Tree,
        direct: Option<Arc<Parcel>>,
        current: Hash,
        now: Instant,
    ) {
        let inline = std::mem::take(&mut self.inline);
        // What failed on the way to another target says nothing of this one.
        self.retry_now(now);
        if let Some(parcel) = direct.filter(|_| self.pass.is_none() && self.is_empty()) {
            self.begin(Pass::new(target, current, now));
            self.pending = (parcel.items.len() as u64, parcel.wants.iter().map(|w| w.size).sum());
            self.enqueue(parcel, inline);
        }
    }

    fn begin(&mut self, pass: Pass) {
        self.passes += 1;
        self.retry_at = None;
        self.overtaken = false;
        self.pass = Some(Pass { number: self.passes, ..pass });
    }

    /// Puts a planned parcel at the end of the order.
    fn enqueue(&mut self, parcel: Arc<Parcel>, inline: Vec<Inline>) {
        let order = self.next_order();
        let (contents, cut, from, large) = (Vec::new(), false, None, None);
        let ready = Ready { order, parcel, contents, cut, from, inline, large };
        self.ready.insert(order, ready);
    }

    fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    /// Whether a parcel planned before this place is still on its way. Large files hold up nothing.
    fn is_preceded(&self, order: u64) -> bool {
        let ready = self.ready.values().filter(|ready| ready.large.is_none());
        let fetching = self.fetching.values().map(|(ready, _)| ready);
        ready.chain(fetching).any(|other| other.order < order)
    }

    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.fetching.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let alone = self.pass.as_ref().map(|pass| pass.since + ALONE);
        self.retry_at.into_iter().chain(alone).min()
    }

    /// Whether anything is on its way.
    pub(super) fn is_active(&self) -> bool {
        self.pass.is_some() || !self.large.is_empty() || !self.is_empty()
    }

    /// What failed may be tried again: somebody is there who may serve it, or it is wanted no more.
    pub(super) fn retry_now(&mut self, now: Instant) {
        self.retry_at = self.retry_at.map(|at| at.min(now));
        self.retries = 0;
        self.overtaken = true;
    }

    /// Something changed on the disk that may have stood in the way.
    pub(super) fn retry_soon(&mut self, now: Instant) {
        self.retry_at = self.retry_at.map(|at| at.min(now + RETRY.0));
    }

    /// Whether a path in error lies at or below this one.
    pub(super) fn has_error_below(&self, path: &Path) -> bool {
        self.errors.range(path.clone()..).next().is_some_and(|(first, _)| first.starts_with(path))
    }

    /// Entries became others: a pass that runs does not try all there is to do.
    pub(super) fn edited(&mut self, now: Instant) {
        if let Some(pass) = &mut self.pass {
            pass.partial = true;
        }
        self.overtaken = true;
        self.retry_soon(now);
    }

    /// Waits before the next pass, the longer the more have failed.
    pub(super) fn pause_retry(&mut self, now: Instant) {
        let pause = RETRY.0.saturating_mul(1 << self.retries.min(5)).min(RETRY.1);
        self.retries += 1;
        self.retry_at = Some(now + pause);
        if self.overtaken {
            self.retry_soon(now);
        }
    }

    /// Whether everything there is to do has been tried since it last became another.
    pub(super) fn has_tried_all(&self) -> bool {
        self.pass.is_none() && self.large.is_empty() && !self.overtaken
    }

    /// Says when the next pass begins after one that left something.
    fn pause_after(&mut self, ended: &Pass, stands: bool, target: Hash, now: Instant) {
        let failed = !self.errors.is_empty() || self.errors_more > 0;
        if ended.target.root != target {
            // A later target is there meanwhile; it is not to wait for what failed before it.
            self.retries = 0;
        } else if failed && self.large.is_empty() {
            self.pause_retry(now);
        } else if stands && ended.partial && self.retries == 0 {
            // What was found there may settle it at once; but not for ever.
            self.retries = 1;
        } else if stands {
            self.pause_retry(now);
        }
        // What is looked at now may be edited, what ended early comes later: that was not tried.
        self.overtaken |= ended.partial;
    }

    /// A pass is over: its errors are those there are. Of one that did not try all, what failed
    /// before stays listed.
    fn take_errors(&mut self, tried_not_all: bool, took_back: bool) {
        let mut errors = std::mem::take(&mut self.new_errors);
        self.errors_more = std::mem::take(&mut self.new_errors_more);
        if tried_not_all {
            for (path, reason) in std::mem::take(&mut self.errors) {
                if errors.len() < MAX_ERRORS || took_back {
                    errors.entry(path).or_insert(reason);
                }
            }
        }
        self.errors = errors;
    }

    pub(super) fn fail(&mut self, path: Path, reason: String) {
        // What an origin could not take back is known to the last, lest it be published as it lies:
        // as many as the pass was given.
        let only = self.pass.as_ref().and_then(|pass| pass.only.as_ref());
        // Others were edited meanwhile, or are directories on the way: what is in them fails too.
        if only.is_some_and(|only| only.binary_search(&path).is_err()) {
            return;
        }
        if self.new_errors.len() < MAX_ERRORS || only.is_some() {
            self.new_errors.insert(path, reason);
        } else {
            self.new_errors_more += 1;
        }
    }
}

impl Node {
    /// Starts what comes next between current and target. Nothing while the brake holds.
    pub(super) fn advance_transfer(&mut self) {
        let Some(target) = self.wanted_tree() else { return };
        if self.brake.holds() {
            // A later head may take less away.
            if self.brake.holds_other_than(target.root) {
                self.weigh(target);
            }
            return;
        }
        if !self.transfer.disowning.is_empty() {
            return self.start_disown(target);
        }
        if self.transfer.pass.is_none() && !self.begin_pass(target) {
            return self.drop_overtaken_large();
        } else if !self.let_through(target) {
            return;
        }
        self.start_ready();
        self.start_large();
        self.plan_next();
        self.finish_pass(target);
    }

    /// What the docroot should become, if anything: the target, or on an origin the published tree
    /// while it takes entries back.
    pub(super) fn wanted_tree(&self) -> Option<Tree> {
        if self.is_origin() {
            return match self.transfer.takes_back() {
                true => self.published_tree(),
                false => self.regained_tree().filter(|_| self.regains_entries()),
            };
        }
        self.follow.target
    }

    fn begin_pass(&mut self, target: Tree) -> bool {
        let takes_back = !self.transfer.take_back.is_empty();
        if self.current.root == target.root && !takes_back {
            self.transfer.retry_at = None;
            self.transfer.retries = 0;
            self.transfer.errors.clear();
            self.transfer.errors_more = 0;
            if self.regains_entries() {
                self.regained();
            }
            return false;
        }
        // What a repair changes, a scan that looks for lost names would take for a user's change.
        let is_early = takes_back && !(self.watching.listed && self.publish.returning.knows());
        if is_early || self.transfer.retry_at.is_some_and(|at| at > self.now) {
            return false;
        }
        let only: Option<Vec<Path>> =
            takes_back.then(|| std::mem::take(&mut self.transfer.take_back).into_iter().collect());
        self.transfer.begin(Pass {
            cursor: Some(PlanCursor { phase: Phase::Add, after: None }),
            only,
            unedited_since: self.unedited_since().filter(|_| !takes_back),
            ..Pass::new(target, self.current.root, self.now)
        });
        true
    }

    /// Whether the brake lets the pass through; asks for the weight if it must be known.
    fn let_through(&mut self, target: Tree) -> bool {
        let Some(pass) = &mut self.transfer.pass else { return false };
        if pass.weighed {
            return true;
        }
        if pass.only.is_some() || pass.unedited_since.is_some() || self.brake.passes(target.root) {
            pass.weighed = true;
            return true;
        }
        self.weigh(target);
        false
    }

    /// Applies a parcel that is complete, and asks for what the others want.
    fn start_ready(&mut self) {
        let orders: Vec<u64> = self.transfer.ready.keys().copied().collect();
        for order in orders {
            let waits = self.jobs.is_busy() || self.transfer.is_preceded(order);
            let Some(ready) = self.transfer.ready.remove(&order) else { continue };
            if ready.contents.is_empty() && !ready.parcel.wants.is_empty() {
                self.fetch(ready);
            } else if waits {
                self.transfer.ready.insert(order, ready);
            } else {
                self.apply(ready);
            }
        }
    }

    fn apply(&mut self, ready: Ready) {
        let Some(target) = self.wanted_tree() else { return };
        self.transfer.pass.iter_mut().for_each(|pass| pass.partial |= ready.cut);
        let before = std::mem::take(&mut self.follow.before);
        let job = Job::Apply(Apply {
            parcel: ready.parcel,
            contents: ready.contents,
            cut: ready.cut,
            inline: ready.inline,
            current: self.current,
            target,
            published: self.equalled_tree(),
            durability: self.setup.settings.durability,
            before,
            keep_bytes: self.keep_left(),
            excludes: Arc::clone(&self.excludes),
            reason: self.keep_reason(),
            wall: self.wall.0,
            seed: self.entropy.next_u64(),
        });
        self.jobs.start(
            job,
            Purpose::Apply { large: ready.large, from: ready.from },
            &mut self.out,
        );
    }

    fn keep_reason(&self) -> KeptReason {
        match (self.is_origin(), &self.follow.applied) {
            (true, _) => KeptReason::Damage,
            (false, None) => KeptReason::Adoption,
            (false, Some(_)) => KeptReason::LocalEdit,
        }
    }

    pub(super) fn applied(
        &mut self,
        large: Option<Hash>,
        from: Option<NodeId>,
        result: Result<Done, JobError>,
    ) {
        if let Some(content) = large {
            self.transfer.large.remove(&content);
        }
        let Ok(Done::Apply(applied)) = result else {
            // A failed flush or a full store: everything is looked at again after a pause.
            self.look_at_everything();
            self.abandon_pass();
            // It stands until the next pass is over.
            let reason = "the disk failed; see the log".to_string();
            self.transfer.errors.insert(Path::root(), reason);
            return;
        };
        self.unflushed.get_or_insert(self.now);
        match from {
            Some(peer) if applied.missing + applied.wrong > 0 => self.peers.failed(&peer),
            Some(peer) if applied.files > 0 => self.peers.served(&peer),
            _ => {}
        }
        self.take_applied(applied);
    }

    fn take_applied(&mut self, applied: Applied) {
        self.current = applied.tree;
        self.note(Note::Applied { files: applied.files, bytes: applied.bytes });
        self.transfer.files += applied.files;
        self.transfer.bytes += applied.bytes;
        self.transfer.pending.0 = self.transfer.pending.0.saturating_sub(applied.files);
        self.transfer.pending.1 = self.transfer.pending.1.saturating_sub(applied.bytes);
        if let Some(pass) = &mut self.transfer.pass {
            pass.partial |= !applied.look.is_empty();
        }
        if applied.set_aside > 0 {
            self.kept.0 += applied.set_aside;
            self.kept.1 += applied.set_aside_bytes;
            self.transfer.set_aside += applied.set_aside;
            let (count, bytes) = (applied.set_aside, applied.set_aside_bytes);
            self.note(Note::SetAside { count, bytes });
        }
        for path in &applied.served {
            self.left_out.remove(path);
        }
        let room = MAX_LEFT_OUT.saturating_sub(self.left_out.len());
        self.left_out.extend(applied.left_out.into_iter().take(room));
        for path in &applied.look {
            self.transfer.fail_below(path);
        }
        for path in applied.look {
            self.dirty.look(path, Depth::Name, self.now);
        }
        self.transfer.new_errors_more += applied.failed_more;
        self.transfer.missing += applied.missing;
        if applied.wrong > 0 {
            *self.refused.entry("wrong-content").or_default() += applied.wrong;
        }
        for (path, reason) in applied.failed {
            let reason = self.reason_of(reason);
            if self.transfer.new_errors.len() < MAX_NOTED
                && !self.transfer.errors.contains_key(&path)
            {
                self.note(Note::PathFailed { path: path.clone(), reason: reason.clone() });
            }
            self.transfer.fail(path, reason);
        }
    }

    // ------------------------------------------------------------------ planning

    fn plan_next(&mut self) {
        let parcels = self.transfer.ready.len() + self.transfer.fetching.len();
        let Some(pass) = &mut self.transfer.pass else { return };
        if pass.planning || parcels >= MAX_PARCELS || self.transfer.large.len() >= MAX_LARGE_WAITING
        {
            return;
        }
        let Some(cursor) = pass.cursor.clone() else { return };
        pass.planning = true;
        let job = Job::Plan(Plan {
            current: self.current,
            target: pass.target,
            cursor,
            only: pass.only.clone(),
            in_transfer: self
                .transfer
                .large
                .values()
                .flat_map(|large| large.parcel.items.iter().map(|item| item.path.clone()))
                .collect(),
            unedited_since: pass.unedited_since,
        });
        let number = pass.number;
        self.jobs.start(job, Purpose::Plan { pass: number }, &mut self.out);
    }

    pub(super) fn planned(&mut self, number: u64, result: Result<Done, JobError>) {
        let Some(pass) = self.transfer.pass.as_mut().filter(|pass| pass.number == number) else {
            return;
        };
        pass.planning = false;
        let Ok(Done::Plan(planned)) = result else { return self.abandon_pass() };
        pass.cursor = planned.next;
        let Some(parcel) = planned.parcel else { return };
        match parcel.large.clone() {
            Some(want) => {
                let order = self.transfer.next_order();
                self.transfer
                    .large
                    .entry(want.content)
                    .or_insert_with(|| Large::new(order, parcel, want));
            }
            None => self.transfer.enqueue(parcel, Vec::new()),
        }
    }

    pub(super) fn abandon_pass(&mut self) {
        // What an origin takes back is not published as it lies because a pass came to nothing.
        let only = self.transfer.pass.take().and_then(|pass| pass.only);
        self.transfer.take_back.extend(only.into_iter().flatten());
        for (_, ready) in std::mem::take(&mut self.transfer.ready) {
            // A large file that is staged is found to be so when it is planned again.
            if let Some(content) = ready.large {
                self.transfer.large.remove(&content);
            }
        }
        for (stream, _) in std::mem::take(&mut self.transfer.fetching) {
            self.out.push(Effect::Reset { stream });
        }
        for large in self.transfer.large.values_mut() {
            large.given_up = true;
        }
        self.transfer.pause_retry(self.now);
    }

    /// Ends a pass of which nothing is left, and judges it.
    fn finish_pass(&mut self, target: Tree) {
        let Some(pass) = &self.transfer.pass else { return };
        let applying = self.jobs.count(|purpose| matches!(purpose, Purpose::Apply { .. })) > 0;
        if pass.cursor.is_some() || pass.planning || !self.transfer.is_empty() || applying {
            return;
        }
        if pass.only.is_some() && !self.transfer.large.is_empty() {
            // It takes back the large ones too.
            return;
        }
        let Some(pass) = self.transfer.pass.take() else { return };
        let only = pass.only.is_some();
        self.transfer.take_errors(pass.partial, only);
        if pass.unedited_since.is_some() {
            self.transfer.pending = (0, 0);
            return self.regaining_passed(pass.partial);
        }
        if self.transfer.errors.is_empty() {
            self.transfer.asked_in_vain = 0;
        } else if self.is_origin() {
            self.ask_another_or_disown(pass.partial);
        }
        if only || self.current.root == target.root {
            self.transfer.retries = 0;
            self.transfer.pending = (0, 0);
            return;
        }
        let stands = pass.began_at == self.current.root;
        self.transfer.pause_after(&pass, stands, target.root, self.now);
        if pass.target.root == target.root {
            self.judge();
        }
    }

    /// Once all there is to do has been tried and something failed, all but the paths in error is
    /// in line.
    pub(super) fn judge(&mut self) {
        let failed = !self.transfer.errors.is_empty() || self.transfer.errors_more > 0;
        let wanted = self.wanted_tree().map(|tree| tree.root);
        let head = self.authority.head().filter(|head| Some(head.root) == wanted);
        let newest = head.is_some() && self.follow.newest_offer().is_none();
        if failed && newest && self.transfer.has_tried_all() {
            self.follow.tried = self.authority.head().map(|head| head.position());
        }
    }
}

#[cfg(test)]
mod tests;

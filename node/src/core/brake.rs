//! The brake: a mass delete is held until somebody confirms it.
//!
//! It counts files and holds the tree, nothing else: heartbeats and document changes go on over
//! the last published root. An origin holds what it would publish; a replica holds what it would
//! apply, before anything moves. Neither time nor a restart releases a hold.

use std::collections::VecDeque;
use std::time::Duration;

use mirrormesh_gossip::{Head, Instant, SignedHead, Wall};
use mirrormesh_merkle::{Hash, Tree};

use super::jobs::Purpose;
use super::node::Node;
use super::note::Note;
use super::state::{self, State};
use super::view::HeldView;
use crate::store::{Batch, DocrootIdentity, DocrootState, Done, Job, JobError, Weigh};

/// The largest tree of this long counts.
const MEMORY: Duration = Duration::from_secs(600);
/// So few files may always go.
const FEW: u64 = 20;
/// Stands in the store for the moment of a number that no time makes old.
const HELD: u64 = u64::MAX;

/// Why the brake holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hold {
    /// The origin's docroot is another directory, or not there at all.
    Docroot { reason: String, other: Option<DocrootIdentity> },
    /// The origin's docroot has lost too many files: it had this many, and so many of those that are
    /// published are to go.
    Lost { had: u64, has: u64, going: u64 },
    /// The target, of so many files, takes too many away from this replica. It holds since the head
    /// at this position.
    Target { root: Hash, files: u64, removed: u64, of: u64, since: (u64, u64) },
}

impl Hold {
    /// Files that would go.
    pub(super) fn deletes(&self) -> u64 {
        match self {
            Hold::Docroot { .. } => 0,
            Hold::Lost { going, .. } => *going,
            Hold::Target { removed, .. } => *removed,
        }
    }

    /// A sentence for people.
    pub(super) fn reason(&self) -> String {
        match self {
            Hold::Docroot { reason, other: Some(_) } => format!(
                "{reason}; nothing is deleted for that. Bring the docroot back, or run `mirrormesh confirm`"
            ),
            Hold::Docroot { reason, other: None } => format!(
                "{reason}; nothing is deleted for that. Bring the directory back, and it goes on by itself"
            ),
            Hold::Lost { had, has, going } => format!(
                "the docroot has {has} of {had} files left; {going} of the missing are not deleted elsewhere. Bring them back, or run `mirrormesh confirm`"
            ),
            Hold::Target { removed, of, .. } => format!(
                "the newest head takes away {removed} of {of} files; nothing is deleted here. Run `mirrormesh confirm` here or at the origin"
            ),
        }
    }
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Brake {
    hold: Option<Hold>,
    /// File counts of published trees, each with its moment, falling: the first is the largest.
    published: VecDeque<(Instant, u64)>,
    /// The size of a published tree that is not remembered yet, and since when: what had come up
    /// under new names may have been on its way out of the old ones, and the tree has both.
    passing: Option<(Instant, u64)>,
    /// What an origin's docroot is compared with from a hold over lost files on, until it has half
    /// of that again or somebody confirms; holds for other reasons may come and go meanwhile.
    had: Option<u64>,
    /// The number of files in the store for the next start, and whether it is that of a hold.
    stored: Option<(bool, u64)>,
    /// The target that may be applied.
    passes: Option<Hash>,
    /// Files of the newest target that was let through.
    let_through: u64,
    /// The next published head is a confirmed drop.
    pub(super) confirmed: bool,
}

impl Brake {
    /// On a replica that was being brought to a tree with so many files.
    pub(super) fn bringing(let_through: u64) -> Brake {
        Brake { let_through, ..Brake::default() }
    }

    /// Whether a target takes so many files away that it is held, from a docroot that has so many.
    /// A docroot that is half copied is weighed as what it is being brought to: its first copy
    /// goes on while the origin changes.
    fn is_too_much(&self, removed: u64, files: u64) -> bool {
        removed > FEW && removed.saturating_mul(2) > self.measure(files)
    }

    /// Whether anything is held.
    pub(super) fn holds(&self) -> bool {
        self.hold.is_some()
    }

    /// Whether it holds because files are missing.
    pub(super) fn holds_lost(&self) -> bool {
        matches!(self.hold, Some(Hold::Lost { .. }))
    }

    /// Whether a target that is not this one is held.
    pub(super) fn holds_other_than(&self, target: Hash) -> bool {
        matches!(self.hold, Some(Hold::Target { root, .. }) if root != target)
    }

    /// The head from which on a target is held.
    fn held_since(&self) -> Option<(u64, u64)> {
        match self.hold {
            Some(Hold::Target { since, .. }) => Some(since),
            _ => None,
        }
    }

    /// Whether a target has been let through.
    pub(super) fn passes(&self, target: Hash) -> bool {
        self.passes == Some(target)
    }

    /// Lets a target through.
    fn let_pass(&mut self, root: Hash, files: u64) {
        self.passes = Some(root);
        self.let_through = files;
    }

    /// Of how many files of a replica more than half may not go.
    fn measure(&self, files: u64) -> u64 {
        self.let_through.max(files)
    }

    /// Why a confirmation cannot release what is held: there is nothing to go on with.
    pub(super) fn cannot_release(&self) -> Option<&str> {
        match &self.hold {
            Some(Hold::Docroot { reason, other: None }) => Some(reason),
            _ => None,
        }
    }

    /// What is held, for people.
    pub(super) fn view(&self) -> Option<HeldView> {
        self.hold.as_ref().map(|hold| HeldView { reason: hold.reason(), deletes: hold.deletes() })
    }

    /// A tree of so many files is published. Of those that pass while something waits to be looked
    /// at, the smallest counts: the others have names that are gone.
    pub(super) fn publishes(&mut self, now: Instant, files: u64) {
        let (since, least) = self.passing.unwrap_or((now, files));
        self.passing = Some((since, least.min(files)));
    }

    /// Remembers the size of a tree that lay there.
    pub(super) fn remember(&mut self, now: Instant, files: u64) {
        while self.published.back().is_some_and(|(_, other)| *other <= files) {
            self.published.pop_back();
        }
        self.published.push_back((now, files));
        self.forget(now);
    }

    /// Forgets what is older than the memory, but never the newest.
    fn forget(&mut self, now: Instant) {
        while self.published.len() > 1
            && self.published.front().is_some_and(|(at, _)| now.saturating_since(*at) > MEMORY)
        {
            self.published.pop_front();
        }
    }

    /// So many files are mirrored no more: they are not missing.
    pub(super) fn forget_excluded(&mut self, files: u64) {
        for (_, had) in &mut self.published {
            *had = had.saturating_sub(files);
        }
        self.had = self.had.map(|had| had.saturating_sub(files));
        self.passing = self.passing.map(|(since, least)| (since, least.saturating_sub(files)));
    }

    fn largest(&mut self, now: Instant) -> u64 {
        self.forget(now);
        self.published.front().map_or(0, |(_, files)| *files)
    }

    /// Puts what the next start must know into a batch, if it is news.
    pub(super) fn put(&mut self, batch: &mut Batch, wall: Wall) {
        let next = match (self.had, self.published.front()) {
            (Some(had), _) => Some((true, had)),
            (None, Some((_, files))) => Some((false, *files)),
            (None, None) => None,
        };
        if next == self.stored {
            return;
        }
        self.stored = next;
        match next {
            Some((true, had)) => state::put(batch, state::BRAKE, state::pair(HELD, had)),
            Some((false, files)) => {
                state::put(batch, state::BRAKE, state::pair(wall.0.max(0) as u64, files));
            }
            None => state::remove(batch, state::BRAKE),
        }
    }
}

impl Node {
    /// Goes on where the last run ended: what was published counts, and what was held is held.
    pub(super) fn begin_brake(&mut self, state: &State<'_>) {
        if !self.is_origin() {
            return;
        }
        let stored = state.get(state::BRAKE);
        match stored.as_deref().and_then(state::unpair) {
            Some((HELD, had)) => self.brake.had = Some(had),
            Some((at, files)) => {
                let age = self.wall.0.saturating_sub(at as i64);
                if age <= MEMORY.as_nanos() as i64 {
                    self.brake.remember(self.now, files);
                }
            }
            None => {}
        }
        if let Some(tree) = self.published_tree() {
            // What was published last may have been in the middle of a move.
            let most =
                stored.as_deref().and_then(state::unpair).map_or(u64::MAX, |(_, files)| files);
            self.brake.remember(self.now, tree.files.min(most));
        }
    }

    /// Remembers the size of a published tree once everything is observed that was hinted before
    /// it; or after as long as sizes are remembered, whatever still waits then.
    pub(super) fn remember_what_stands(&mut self) {
        while let Some((since, least)) = self.brake.passing {
            let is_seen = self.dirty.has_settled(since)
                && self.watching.has_seen(since)
                && !self.watching.has_vanished_by(since);
            if !is_seen && self.now.saturating_since(since) <= MEMORY {
                return;
            }
            self.brake.passing = None;
            self.brake.remember(self.now, least.min(self.current.files));
            self.store_brake();
            // What was published meanwhile comes next.
            let published = self.published_tree().map(|tree| tree.files);
            if let Some(files) = published.filter(|files| *files > least) {
                self.brake.publishes(self.now, files);
            }
        }
    }

    /// Whether the origin may publish a tree with so many files.
    pub(super) fn brake_lets_publish(&mut self, files: u64) -> bool {
        if self.brake.confirmed {
            return true;
        }
        if matches!(self.brake.hold, Some(Hold::Docroot { .. })) {
            return false;
        }
        let had = self.brake.had.unwrap_or_else(|| self.brake.largest(self.now));
        let published = self.published_tree().map_or(0, |tree| tree.files);
        let emptied = files == 0 && published > 0;
        let halved = files.saturating_mul(2) < had && had - files > FEW;
        if emptied || halved {
            let had = if had == 0 { published } else { had };
            self.brake.had = Some(had);
            let going = published.saturating_sub(files);
            self.hold(Hold::Lost { had, has: files, going });
            self.store_brake();
            return false;
        }
        self.brake.had = None;
        if self.brake.hold.is_some() {
            self.release("recovery");
        }
        self.store_brake();
        true
    }

    fn store_brake(&mut self) {
        let mut batch = Batch::default();
        self.brake.put(&mut batch, self.wall);
        if !batch.writes.is_empty() {
            self.persist(batch, false, Vec::new());
        }
    }

    /// Asks how much a target takes away.
    pub(super) fn weigh(&mut self, target: Tree) {
        if self.jobs.count(|purpose| matches!(purpose, Purpose::Weigh { .. })) == 0 {
            let excludes = std::sync::Arc::clone(&self.excludes);
            let job = Job::Weigh(Weigh { current: self.current, target, excludes });
            self.jobs.start(job, Purpose::Weigh { target }, &mut self.out);
        }
    }

    pub(super) fn weighed(&mut self, target: Tree, result: Result<Done, JobError>) {
        if let Ok(Done::Weigh(weight)) = result {
            self.transfer.pending = (weight.files, weight.bytes);
            if let Some(signed) = self.authority.signed_head().cloned() {
                self.weigh_for_brake(&target, &signed, weight.removed);
            }
        }
    }

    /// Judges what a replica's target takes away.
    pub(super) fn weigh_for_brake(&mut self, target: &Tree, signed: &SignedHead, removed: u64) {
        let Ok(head) = signed.peek() else { return };
        let of = self.brake.measure(self.current.files);
        let too_many = self.brake.is_too_much(removed, self.current.files);
        if !too_many || self.drop_is_confirmed(&head) {
            self.let_pass(target, if too_many { "confirm" } else { "later head" });
        } else {
            let (root, files) = (target.root, target.files);
            let since = self.brake.held_since().unwrap_or(head.position());
            self.hold(Hold::Target { root, files, removed, of, since });
        }
    }

    /// A head was taken: it may say that what is held was confirmed.
    pub(super) fn brake_hears(&mut self, head: &Head, target: &Tree) {
        if self.brake.held_since().is_some() && self.drop_is_confirmed(head) {
            self.let_pass(target, "confirm");
        }
    }

    fn let_pass(&mut self, target: &Tree, by: &'static str) {
        self.brake.let_pass(target.root, target.files);
        if self.brake.held_since().is_some() {
            self.release(by);
        }
    }

    /// Whether a drop was confirmed between the head this docroot last equalled and this one, or
    /// since this node holds.
    fn drop_is_confirmed(&self, head: &Head) -> bool {
        let applied = self.follow.applied.as_ref();
        let held = self.brake.held_since();
        applied.is_some_and(|applied| head.confirms_drop_since(Some(applied)))
            || held.is_some_and(|since| head.confirmed_drop > Some(since))
    }

    /// What the docroot itself is.
    pub(super) fn docroot_is(&mut self, state: &DocrootState) -> bool {
        match state {
            DocrootState::Same(identity) => {
                if self.watching.docroot != Some(*identity) {
                    self.watching.docroot = Some(*identity);
                    self.store_docroot(*identity);
                }
                if matches!(self.brake.hold, Some(Hold::Docroot { .. })) {
                    self.release("recovery");
                    self.look_at_everything();
                }
                true
            }
            DocrootState::Other(identity) => {
                let follow = self.document().is_some_and(|document| {
                    document.docroot_switch == mirrormesh_gossip::DocrootSwitch::Follow
                });
                if follow {
                    self.take_docroot(*identity);
                } else {
                    let reason =
                        "the docroot is another directory or mount than before".to_string();
                    self.hold(Hold::Docroot { reason, other: Some(*identity) });
                }
                false
            }
            DocrootState::Gone(reason) => {
                let reason = format!("the docroot cannot be read ({reason})");
                self.hold(Hold::Docroot { reason, other: None });
                false
            }
        }
    }

    /// Another directory is the docroot from now on.
    fn take_docroot(&mut self, identity: DocrootIdentity) {
        self.watching.docroot = Some(identity);
        self.watching.switched = true;
        self.store_docroot(identity);
        self.look_at_everything();
    }

    fn hold(&mut self, hold: Hold) {
        if self.brake.hold.as_ref() == Some(&hold) {
            return;
        }
        let again = std::mem::discriminant(&hold);
        let was = self.brake.hold.as_ref().map(std::mem::discriminant);
        self.brake.passes = None;
        if was != Some(again) {
            if let Hold::Docroot { reason, .. } = &hold {
                self.note(Note::DocrootChanged { reason: reason.clone() });
            }
            self.note(Note::Held { reason: hold.reason(), deletes: hold.deletes() });
        }
        self.brake.hold = Some(hold);
    }

    fn release(&mut self, by: &'static str) {
        self.brake.hold = None;
        self.note(Note::Released { by });
    }

    /// The next head says that a drop was confirmed, to replicas that hold too.
    pub(super) fn confirm_drop(&mut self) {
        self.brake.confirmed = true;
        self.brake.had = None;
        self.brake.published.clear();
        self.brake.passing = None;
    }

    /// An operator confirms what is held.
    pub(super) fn confirm_hold(&mut self) {
        let Some(hold) = self.brake.hold.clone() else { return };
        if self.brake.cannot_release().is_some() {
            return;
        }
        self.release("confirm");
        match &hold {
            Hold::Docroot { other, .. } => {
                if let Some(identity) = other {
                    self.take_docroot(*identity);
                }
            }
            Hold::Lost { .. } => self.confirm_drop(),
            Hold::Target { root, files, .. } => self.brake.let_pass(*root, *files),
        }
    }
}

#[cfg(test)]
mod tests;

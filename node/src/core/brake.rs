//! The brake: a mass delete is held until somebody confirms it.
//!
//! It counts files and holds the tree, nothing else: heartbeats and document changes go on over
//! the last published root. An origin holds what it would publish; a replica holds what it would
//! apply, before anything moves. Time does not release a hold.

use std::collections::VecDeque;
use std::time::Duration;

use mirrormesh_gossip::{Head, Instant, SignedHead};
use mirrormesh_merkle::{Hash, Tree};

use super::node::Node;
use super::note::Note;
use super::view::HeldView;
use crate::store::{DocrootIdentity, DocrootState};

/// The largest tree of this long counts.
const MEMORY: Duration = Duration::from_secs(600);
/// So few files may always go.
const FEW: u64 = 20;

/// Why the brake holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hold {
    /// The origin's docroot is another directory, or not there at all.
    Docroot { reason: String, other: Option<DocrootIdentity> },
    /// The origin's docroot has lost too many files: it had this many.
    Lost { had: u64, has: u64 },
    /// The target takes too many files away from this replica.
    Target { root: Hash, removed: u64, of: u64 },
}

impl Hold {
    /// Files that would go.
    pub(super) fn deletes(&self) -> u64 {
        match self {
            Hold::Docroot { .. } => 0,
            Hold::Lost { had, has } => had.saturating_sub(*has),
            Hold::Target { removed, .. } => *removed,
        }
    }

    /// A sentence for people.
    pub(super) fn reason(&self) -> String {
        match self {
            Hold::Docroot { reason, .. } => format!(
                "{reason}; nothing is published or deleted. Bring the docroot back, or run `mirrormesh confirm`"
            ),
            Hold::Lost { had, has } => format!(
                "the docroot has {has} of {had} files left; the rest is not deleted elsewhere. Bring them back, or run `mirrormesh confirm`"
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
    /// The target that may be applied.
    passes: Option<Hash>,
    /// Files of the last target that was let through.
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
        removed > FEW && removed.saturating_mul(2) > files.max(self.let_through)
    }

    /// Whether anything is held.
    pub(super) fn holds(&self) -> bool {
        self.hold.is_some()
    }

    /// Whether a target that is not this one is held.
    pub(super) fn holds_other_than(&self, target: Hash) -> bool {
        matches!(self.hold, Some(Hold::Target { root, .. }) if root != target)
    }

    /// Whether a target has been let through.
    pub(super) fn passes(&self, target: Hash) -> bool {
        self.passes == Some(target)
    }

    /// What is held, for people.
    pub(super) fn view(&self) -> Option<HeldView> {
        self.hold.as_ref().map(|hold| HeldView { reason: hold.reason(), deletes: hold.deletes() })
    }

    /// Remembers the size of a published tree.
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

    fn largest(&mut self, now: Instant) -> u64 {
        self.forget(now);
        self.published.front().map_or(0, |(_, files)| *files)
    }
}

impl Node {
    /// Whether the origin may publish a tree with so many files.
    pub(super) fn brake_lets_publish(&mut self, files: u64) -> bool {
        if self.brake.confirmed {
            return true;
        }
        let had = match self.brake.hold {
            Some(Hold::Docroot { .. }) => return false,
            // A hold keeps the number it was compared with.
            Some(Hold::Lost { had, .. }) => had,
            _ => self.brake.largest(self.now),
        };
        let published = self.published_tree().map_or(0, |tree| tree.files);
        let emptied = files == 0 && published > 0;
        let halved = files.saturating_mul(2) < had && had - files > FEW;
        if emptied || halved {
            self.hold(Hold::Lost { had: had.max(published), has: files });
            return false;
        }
        if self.brake.hold.is_some() {
            self.release("recovery");
        }
        true
    }

    /// Judges what a replica's target takes away.
    pub(super) fn weigh_for_brake(&mut self, target: Tree, signed: &SignedHead, removed: u64) {
        let too_many = self.brake.is_too_much(removed, self.current.files);
        let confirmed = signed.peek().is_ok_and(|head| self.drop_is_confirmed(&head));
        if !too_many || confirmed {
            self.brake.passes = Some(target.root);
            self.brake.let_through = target.files;
            if matches!(self.brake.hold, Some(Hold::Target { .. })) {
                self.release(if too_many { "confirm" } else { "later head" });
            }
        } else {
            let of = self.current.files.max(self.brake.let_through);
            self.hold(Hold::Target { root: target.root, removed, of });
        }
    }

    /// Whether a drop was confirmed between the head this docroot last equalled and this one.
    fn drop_is_confirmed(&self, head: &Head) -> bool {
        self.follow.applied.as_ref().is_some_and(|applied| head.confirms_drop_since(Some(applied)))
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

    /// An operator confirms what is held. Returns what it was.
    pub(super) fn confirm_hold(&mut self) -> Option<Hold> {
        let hold = self.brake.hold.clone()?;
        self.release("confirm");
        match &hold {
            Hold::Docroot { other: Some(identity), .. } => self.take_docroot(*identity),
            // Nothing is there: it may be another directory the next time.
            Hold::Docroot { other: None, .. } => self.look_at_everything(),
            Hold::Lost { .. } => {
                self.brake.confirmed = true;
                self.brake.published.clear();
            }
            Hold::Target { root, .. } => {
                self.brake.passes = Some(*root);
                self.brake.let_through = 0;
            }
        }
        Some(hold)
    }
}

#[cfg(test)]
mod tests;

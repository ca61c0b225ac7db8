//! The replica's turn: follow, transfer, look, in this order.

use std::time::Duration;

use mirrormesh_merkle::Tree;

use super::node::Node;
use super::view::HeldView;
use crate::store::NOT_SENT;

impl Node {
    pub(super) fn advance_replica(&mut self) {
        self.advance_follow();
        // What lies in the docroot must be known before it is changed, and what is wanted there
        // before local edits can be told from what is merely new.
        if self.watching.scanned && !self.watching.reviews {
            self.advance_transfer();
        }
        if self.equals_newest_head() && !self.transfer.is_active() {
            self.settle_in_line();
        }
        if self.follow.target.is_some() && !self.observe_next() {
            self.collect_garbage();
        }
    }

    /// Whether the current tree is that of the newest head heard of.
    fn equals_newest_head(&self) -> bool {
        self.follow.newest_offer().is_none()
            && self.watching.scanned
            && self.authority.head().is_some_and(|head| head.root == self.current.root)
    }

    /// Whether the docroot equals the newest head, durably.
    pub(super) fn is_in_line(&self) -> bool {
        match self.is_origin() {
            true => {
                self.watching.scanned
                    && self.authority.head().is_some_and(|head| head.root == self.current.root)
            }
            false => self.follow.in_line && self.equals_newest_head(),
        }
    }

    /// In sync, in the sense of the word list: and nothing else is ever called so.
    pub(super) fn is_in_sync(&self) -> bool {
        self.is_in_line()
            && self.transfer.errors.is_empty()
            && self.transfer.errors_more == 0
            && self.transfer.lost.is_empty()
            && (self.is_origin() || !self.lists.has_unreadable())
            && !self.brake.holds()
    }

    /// The tree of the newest head that the docroot is known to have equalled.
    pub(super) fn equalled_tree(&self) -> Option<Tree> {
        let head = self.follow.applied.as_ref()?;
        Some(Tree { root: head.root, files: head.files, bytes: head.bytes })
    }

    /// The reason of a path in error: a version that nobody sends may not be the newest any more.
    pub(super) fn reason_of(&self, reason: String) -> String {
        let aim = self.transfer.pass.as_ref().map(|pass| pass.target);
        let moves_on = self.follow.newest_offer().is_some() || aim != self.follow.target;
        match reason == NOT_SENT && moves_on {
            true => "it changes faster than it can be fetched".into(),
            false => reason,
        }
    }

    /// What is held, for people.
    pub(super) fn held_view(&self) -> Option<HeldView> {
        self.brake.view().or_else(|| self.regaining_view())
    }

    /// The newest head that was brought in line but for paths in error.
    pub(super) fn tried_seq(&self) -> Option<u64> {
        let head = self.authority.head()?;
        let (epoch, seq) = self.follow.tried?;
        (epoch == head.epoch).then_some(seq)
    }

    /// Begins to count how long this node has not been in sync, or ends it.
    pub(super) fn advance_lag(&mut self) {
        if self.is_in_sync() {
            self.follow.behind_since = None;
            self.follow.lag_known = true;
        } else {
            self.follow.behind_since.get_or_insert(self.now);
        }
    }

    /// Since this node first heard of the oldest change it has not applied, or else since it has not
    /// been in sync.
    pub(super) fn lag(&self) -> Duration {
        self.follow.behind_since.map_or(Duration::ZERO, |since| self.now.saturating_since(since))
    }
}

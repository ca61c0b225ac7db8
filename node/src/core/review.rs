//! A change of what is excluded: the docroot is looked through before it is published.
//!
//! A document that excludes otherwise and the tree that follows from it are one head. If the
//! document went first, a replica would find where something is mirrored again what the tree does
//! not have yet, and set aside as edits the very files that are about to be published.
//!
//! State: from the moment at which an origin looks with other patterns than the published document
//! has until it has published them, or gone back to those; nothing of the tree is published
//! meanwhile. A mark in the store outlives a crash: the first scan then brings the tree back in line
//! with the published document.

use bytes::Bytes;

use super::node::Node;
use super::publish::AfterChange;
use super::state;
use crate::store::{Batch, Excludes};

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Review {
    /// Files that left the tree because they are excluded.
    pub(super) excluded: u64,
    /// It is over: the tree may be published, with this delta if there is one.
    pub(super) delta: Option<Option<Bytes>>,
}

impl Node {
    /// Goes on where the last run ended.
    pub(super) fn begin_review(&mut self, state: &state::State<'_>) {
        if self.is_origin() && state.get(state::REVIEW).is_some() {
            self.publish.review = Some(Review::default());
        }
    }

    /// Whether the tree is being looked through for other excludes.
    pub(super) fn is_reviewing(&mut self) -> bool {
        if self.publish.review.is_none() {
            return false;
        }
        if !self.excludes_next() && self.watching.scanned && self.watching.has_looked() {
            self.publish.review = None;
            let mut batch = Batch::default();
            state::remove(&mut batch, state::REVIEW);
            self.persist(batch, false, Vec::new());
        }
        self.publish.review.is_some()
    }

    /// Whether the next change of the document excludes otherwise than what is published.
    fn excludes_next(&self) -> bool {
        let next = self.publish.document_changes.front();
        next.is_some_and(|next| {
            let published = self.authority.document();
            published.is_some_and(|published| published.excludes != next.document.excludes)
        })
    }

    /// Whether the next change of the document may be published now. One that excludes otherwise
    /// may once the docroot has been looked through.
    pub(super) fn may_change_document(&mut self) -> bool {
        if !self.excludes_next() {
            return self.publish.review.is_none();
        }
        let Some(next) = self.publish.document_changes.front() else { return true };
        if self.excludes.patterns() != next.document.excludes {
            let excludes = Excludes::new(&next.document.excludes);
            let busy = !self.watching.scanned || self.transfer.takes_back();
            match excludes {
                Ok(excludes) if !self.brake.holds() => {
                    if !busy {
                        self.review(excludes);
                    }
                }
                _ => self.give_up_review(),
            }
            return false;
        }
        let Some(review) = &self.publish.review else { return true };
        if !self.watching.has_looked() || self.jobs.is_busy() {
            return false;
        }
        // What is excluded is not missing.
        let files = self.current.files.saturating_add(review.excluded);
        let Some(published) = self.published_tree() else { return true };
        if !self.brake_lets_publish(files) {
            self.give_up_review();
            return false;
        }
        let delta = match published.root == self.current.root {
            true => Some(None),
            false => self.delta_from(published),
        };
        let is_ready = delta.is_some();
        if let Some(review) = &mut self.publish.review {
            review.delta = delta;
        }
        is_ready
    }

    /// Looks through the docroot with other excludes.
    fn review(&mut self, excludes: Excludes) {
        self.publish.review = Some(Review::default());
        let mut batch = Batch::default();
        state::put(&mut batch, state::REVIEW, Bytes::new());
        self.persist(batch, false, Vec::new());
        self.exclude(excludes, false);
    }

    /// The tree that was looked through is published.
    pub(super) fn review_ended(&mut self, batch: &mut Batch) {
        if let Some(review) = self.publish.review.take() {
            state::remove(batch, state::REVIEW);
            self.brake.forget_excluded(review.excluded);
            self.brake.remember(self.now, self.current.files);
            self.brake.put(batch, self.wall);
        }
    }

    /// The brake holds the tree: what is excluded stays as it is published.
    fn give_up_review(&mut self) {
        let Some(published) = self.authority.document().cloned() else { return };
        let mut draft = published.excludes.clone();
        let mut version = published.version;
        let changes = std::mem::take(&mut self.publish.document_changes);
        for mut change in changes {
            let excludes =
                std::mem::replace(&mut change.document.excludes, published.excludes.clone());
            let is_other = std::mem::replace(&mut draft, excludes.clone()) != excludes;
            if is_other && let AfterChange::Answer(id, _) = change.then {
                let hint = "bring the files back or run `mirrormesh confirm`, then try again";
                self.answer_refused(id, 1, "the brake holds, and nothing was changed", hint);
                continue;
            }
            version += 1;
            change.document.version = version;
            self.publish.document_changes.push_back(change);
        }
        if self.excludes.patterns() != published.excludes {
            let excludes = Excludes::new(&published.excludes).unwrap_or_else(|_| Excludes::none());
            self.exclude(excludes, false);
        }
    }
}

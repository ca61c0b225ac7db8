//! Damage on an origin that nobody mends: it is listed, and not published as it lies.
//!
//! Paths that a pass could not take back are asked of each member in turn; what none of them serves
//! is disowned: the tree goes on saying what was published of it, but for directories in which nothing
//! is lost. Nothing is published meanwhile.

use mirrormesh_merkle::{Path, Tree};

use super::jobs::Purpose;
use super::node::Node;
use crate::store::{Disown, Done, Job, JobError};

impl Node {
    /// One member may lack what another has, or lie: each is asked before anything is given up.
    /// What lay in the way is `looked_at` first: it may be an edit, and not in the way of all else.
    pub(super) fn ask_another_or_disown(&mut self, looked_at: bool) {
        self.transfer.asked_in_vain += 1;
        let most = self.peers.live().count().max(if looked_at { 2 } else { 1 });
        if self.transfer.asked_in_vain < most {
            self.transfer.take_back.extend(self.transfer.errors.keys().cloned());
            if looked_at {
                self.transfer.pause_retry(self.now);
            }
        } else {
            self.transfer.asked_in_vain = 0;
            self.disown();
        }
    }

    /// What an origin could not take back is not published as it lies either.
    fn disown(&mut self) {
        let Some(published) = self.published_tree() else { return };
        let errors = std::mem::take(&mut self.transfer.errors);
        self.transfer.disowning = errors.into_keys().filter(|path| !path.is_root()).collect();
        self.start_disown(published);
    }

    pub(super) fn start_disown(&mut self, published: Tree) {
        if self.jobs.is_busy() || self.transfer.retry_at.is_some_and(|at| at > self.now) {
            return;
        }
        // They stand until it is done: nothing is published before.
        let paths = self.transfer.disowning.clone();
        let job = Job::Disown(Disown { paths, current: self.current, published });
        self.jobs.start(job, Purpose::Disown, &mut self.out);
    }

    pub(super) fn disowned(&mut self, result: Result<Done, JobError>) {
        if let Ok(Done::Disown(disowned)) = result {
            self.current = disowned.tree;
            self.unflushed.get_or_insert(self.now);
            let asked = std::mem::take(&mut self.transfer.disowning);
            let kept = |path: &Path| disowned.paths.binary_search(path).is_ok();
            self.transfer.lost.extend(asked.into_iter().filter(kept).map(|path| {
                let reason = "damaged, and nobody serves it: it comes back when a member does; or \
                              write the file again";
                (path, reason.to_string())
            }));
        } else {
            self.transfer.pause_retry(self.now);
        }
    }
}

//! What a forgotten head published comes back to an origin.
//!
//! The head was published by an earlier run of this node and is not in its state: it left before it
//! was durable, or the disk was rolled back (a copy of yesterday was put back). Its tree comes from
//! a member. First the index gets it, with a stat that no file has, and the docroot is scanned
//! again: so what a power cut damaged is known as damage, and what cannot be read stays as it was
//! published. Then every path that still is as the lineage's tree says takes the entry that the head
//! published, and only what was edited since is published; but only if the number of the head or
//! its time proves a rollback, or if the whole docroot was as that tree says when this node started.
//! Else there was a crash, and whatever lies there is an edit.
//!
//! While a proven rollback finds nobody who serves all of it, the node holds: `confirm` lets it
//! publish what lies there.

use std::time::Duration;

use mirrormesh_gossip::{Document, Head, Instant, NodeId, SignedHead};
use mirrormesh_merkle::Tree;

use super::event::Effect;
use super::jobs::Purpose;
use super::node::Node;
use super::note::Note;
use super::publish::AfterChange;
use super::returning::Start;
use super::view::HeldView;
use super::wire::Push;
use crate::store::{Done, Job, JobError, TakeUp};

/// So long members may show nothing more of the tree of a forgotten head.
const PATIENCE: Duration = Duration::from_secs(10);
/// And so long it may take as a whole: members that feed it nonsense hold up no origin for ever.
const PATIENCE_MOST: Duration = Duration::from_secs(300);

/// The way of a forgotten head's tree.
#[derive(Debug)]
pub(super) struct Regaining {
    step: Step,
    /// Who showed the head.
    from: NodeId,
    /// Number of the newest such head, and where it stands.
    position: (u64, u64),
    /// The start before which it was forgotten.
    start: Start,
    /// Its tree, where it is not the tree of the newest head.
    forgotten: Option<Tree>,
    /// The disk was rolled back: no crash explains the head.
    proven: bool,
    since: Instant,
    /// When more of its tree was last seen.
    got_on: Instant,
}

/// What a start needs to go on with what the run before had begun to regain: the head is the newest
/// in the store by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) position: (u64, u64),
    pub(super) proven: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its tree comes from members.
    Tree,
    /// The index gets it. Whether entries are taken back later.
    Index { takes: bool },
    /// The docroot is scanned again. Whether entries are taken back after that.
    Scan { takes: bool },
    /// Entries are taken back.
    Pass,
}

impl Regaining {
    /// When it ends without a result. Never, if publishing would undo what members have.
    pub(super) fn gives_up(&self) -> Option<Instant> {
        let at = (self.got_on + PATIENCE).min(self.since + PATIENCE_MOST);
        (self.step == Step::Tree && !self.proven).then_some(at)
    }

    /// Where the newest head stands of which anything is regained.
    pub(super) fn position(&self) -> (u64, u64) {
        self.position
    }

    /// Whether the index says what it published.
    pub(super) fn is_indexed(&self) -> bool {
        matches!(self.step, Step::Scan { .. } | Step::Pass)
    }

    /// Whether the newest head is the one whose tree is regained.
    pub(super) fn is_published(&self) -> bool {
        self.step != Step::Tree && self.forgotten.is_none()
    }
}

impl Node {
    /// A head of this origin's own term that is newer than the newest. An earlier run published it.
    pub(super) fn own_newer_head(
        &mut self,
        from: NodeId,
        signed: SignedHead,
        head: Head,
        push: Push,
    ) {
        self.sequence.raise_above(head.seq);
        self.regain(from, &head);
        self.offer(from, signed, head, push);
    }

    /// A head of an earlier run has a number that this run gave to another head, or left behind.
    pub(super) fn contradicted_by_own(
        &mut self,
        from: NodeId,
        signed: SignedHead,
        head: Head,
        push: Push,
    ) {
        self.publish.returning.forked = true;
        self.regain(from, &head);
        self.take_forgotten_document(&head, &push);
        self.offer(from, signed, head, push);
    }

    fn regain(&mut self, from: NodeId, head: &Head) {
        let now = self.now;
        let position = head.position();
        let start = self.publish.returning.start_before(position);
        let proven = start.is_rolled_back_before(head);
        self.waits.settle_again();
        // What is published is older now than what members have.
        self.publish.forget_caught_up();
        let regains = self.publish.returning.regains.get_or_insert(Regaining {
            step: Step::Tree,
            from,
            position,
            start,
            forgotten: None,
            proven: false,
            since: now,
            got_on: now,
        });
        regains.step = Step::Tree;
        if position >= regains.position {
            (regains.position, regains.start) = (position, start);
        }
        regains.from = from;
        regains.forgotten = None;
        if proven && !regains.proven {
            regains.proven = true;
            // Those of heartbeats are known to nobody who would tell: a clock has gone beyond them.
            self.heartbeats.raise_above(self.wall.0.max(0) as u64 / 1_000_000_000);
            self.warn_of_rollback(head.seq);
        }
        // Stored together with the head: a restart goes on with it.
        self.publish.returning.is_stored = true;
    }

    fn warn_of_rollback(&mut self, seq: u64) {
        self.note(Note::RolledBack { seq });
        let text = format!("this node's state was rolled back: head {seq} is known elsewhere");
        self.warnings.insert("rolled-back", text);
    }

    /// Goes on with what the run before had begun, whoever is there: the head and its tree are in
    /// the store.
    pub(super) fn regain_again(&mut self, begun: Begun) {
        let Begun { position, proven } = begun;
        let returning = &mut self.publish.returning;
        returning.lineage.begun = Some(begun);
        returning.regains = Some(Regaining {
            step: Step::Tree,
            from: self.id,
            position,
            start: returning.start_before(position),
            forgotten: None,
            proven,
            since: self.now,
            got_on: self.now,
        });
        if proven {
            self.warn_of_rollback(position.1);
        }
    }

    /// The forgotten head is the newest from now on, and becomes it in the store together with this.
    pub(super) fn regaining_is_begun(&mut self) {
        let returning = &mut self.publish.returning;
        let regains = returning.regains.as_ref();
        returning.lineage.begun =
            regains.map(|it| Begun { position: it.position, proven: it.proven });
        let mut batch = std::mem::take(&mut self.follow.before);
        self.put_lineage(&mut batch);
        self.follow.before = batch;
    }

    /// The document of a forgotten head is published again, unless it was changed since.
    fn take_forgotten_document(&mut self, head: &Head, push: &Push) {
        let own = self.authority.head().map(|head| head.document);
        if own == Some(head.document) {
            return;
        }
        let bytes =
            push.document.as_ref().filter(|bytes| Document::hash_of(bytes) == head.document);
        let document = bytes.and_then(|bytes| Document::decode(bytes).ok());
        if own == Some(self.publish.returning.lineage.document)
            && let (Some(mut draft), Some(own)) = (document, self.document_draft())
        {
            draft.version = own.version;
            own.revoked.iter().for_each(|key| draft.revoke(*key));
            self.change_document(draft, AfterChange::Nothing);
        } else {
            let text = "this node's state was rolled back, and the cluster document was changed \
                        before and after: check `mirrormesh config show` and the members";
            self.warnings.insert("forgotten-document", text.into());
        }
    }

    /// More of what a forgotten head published is here.
    pub(super) fn regaining_got_on(&mut self) {
        if let Some(regains) = &mut self.publish.returning.regains {
            regains.got_on = self.now;
        }
    }

    /// The tree of a forgotten head is proved that cannot be the newest head any more.
    pub(super) fn accept_forgotten(&mut self, head: &Head, tree: Tree) {
        self.follow.drop_offers(head.position());
        self.follow.walk_needed = false;
        self.keep_root(tree.root);
        self.transfer.target_changed(tree, None, self.current.root, self.now);
        if let Some(regains) = &mut self.publish.returning.regains {
            regains.forgotten = Some(tree);
        }
    }

    /// Goes on with what a forgotten head published.
    pub(super) fn advance_regaining(&mut self) {
        let Some(regains) = &self.publish.returning.regains else { return };
        let has_tree = self.follow.newest_offer().is_none();
        let is_late = regains.gives_up().is_some_and(|at| at <= self.now);
        if is_late && !has_tree && !self.jobs.is_busy() {
            // Nobody shows its tree: what the docroot holds is published, as of any origin alone.
            let from = regains.from;
            self.publish.returning.hear_again(from);
            self.publish.returning.regains = None;
            self.publish.returning.lineage.begun = None;
            self.persist_before();
            self.store_lineage();
            return self.forget_what_is_offered();
        }
        match regains.step {
            Step::Tree => {
                self.advance_follow();
                let pauses = self.transfer.retry_at.is_some_and(|at| at > self.now);
                let has_tree = self.follow.newest_offer().is_none();
                if has_tree && self.watching.scanned && !pauses {
                    self.take_up();
                }
            }
            Step::Index { .. } => {}
            Step::Scan { takes } => {
                if !self.watching.scanned {
                    return;
                }
                self.publish.returning.damage = None;
                if takes {
                    self.regaining_goes_to(Step::Pass);
                } else {
                    self.regained();
                }
            }
            Step::Pass => {
                if !self.transfer.takes_back() {
                    self.advance_transfer();
                }
            }
        }
    }

    fn regaining_goes_to(&mut self, step: Step) {
        if let Some(regains) = &mut self.publish.returning.regains {
            regains.step = step;
        }
    }

    /// Whether an origin takes back entries of a forgotten head.
    pub(super) fn regains_entries(&self) -> bool {
        self.publish.returning.regains.as_ref().is_some_and(|it| it.step == Step::Pass)
    }

    /// The tree that tells edits of an origin from what it takes back.
    pub(super) fn unedited_since(&self) -> Option<Tree> {
        let regains = self.publish.returning.regains.as_ref();
        regains.filter(|it| self.is_origin() && it.step == Step::Pass)?.start.tree
    }

    /// The tree that is being regained.
    pub(super) fn regained_tree(&self) -> Option<Tree> {
        let forgotten = self.publish.returning.regains.as_ref()?.forgotten;
        forgotten.or_else(|| self.published_tree())
    }

    fn take_up(&mut self) {
        let Some(published) = self.regained_tree().filter(|_| !self.jobs.is_busy()) else { return };
        let Some(position) = self.publish.returning.regains.as_ref().map(Regaining::position)
        else {
            return;
        };
        let start = self.publish.returning.start_before(position);
        let Some(regains) = &mut self.publish.returning.regains else { return };
        regains.start = start;
        let is_whole = regains.start.whole == Some(true);
        regains.step = Step::Index { takes: regains.proven || is_whole };
        self.persist_before();
        let job = Job::TakeUp(TakeUp { current: self.current, published, only_missing: false });
        self.jobs.start(job, Purpose::TakeUp, &mut self.out);
    }

    /// Persists the newest head where no Apply does, with the lineage as it is by now.
    fn persist_before(&mut self) {
        let mut batch = std::mem::take(&mut self.follow.before);
        if !batch.writes.is_empty() {
            self.put_lineage(&mut batch);
            self.persist(batch, false, Vec::new());
        }
    }

    pub(super) fn took_up(&mut self, result: Result<Done, JobError>) {
        let Ok(Done::TakeUp(tree)) = result else {
            self.regaining_goes_to(Step::Tree);
            return self.transfer.pause_retry(self.now);
        };
        self.current = tree;
        self.unflushed.get_or_insert(self.now);
        let Some(regains) = &mut self.publish.returning.regains else { return };
        // Else a newer one has come meanwhile.
        let Step::Index { takes } = regains.step else { return };
        regains.step = Step::Scan { takes };
        let seq = regains.position.1;
        self.note(Note::TakenUp { seq });
        if let Some(tree) = self.regained_tree() {
            self.brake.remember(self.now, tree.files);
        }
        self.watching.begin_again();
        self.look_at_everything();
    }

    /// A pass that takes entries back is over.
    pub(super) fn regaining_passed(&mut self, looks: bool) {
        let failed = !self.transfer.errors.is_empty() || self.transfer.errors_more > 0;
        if !failed && !looks && self.transfer.large.is_empty() {
            self.regained();
        } else {
            self.transfer.pause_retry(self.now);
        }
    }

    /// All that the head published is here, or was edited since.
    pub(super) fn regained(&mut self) {
        let tree = self.regained_tree();
        self.end_regaining(tree);
    }

    fn end_regaining(&mut self, tree: Option<Tree>) {
        let Some(regains) = self.publish.returning.regains.take() else { return };
        let lineage = &mut self.publish.returning.lineage;
        lineage.begun = None;
        // A head of the runs since then says nothing of those that may be unknown.
        if lineage.may_lack(regains.position) {
            lineage.position = regains.position;
            lineage.start.tree = tree.or(lineage.start.tree);
        }
        self.warnings.remove("rolled-back");
        self.settle_lineage();
        if self.published_tree().is_some_and(|tree| tree.root == self.current.root) {
            // Nothing is to be published.
            self.settle_in_line();
        }
    }

    /// What is held because nobody serves all that a forgotten head published, for people.
    pub(super) fn regaining_view(&self) -> Option<HeldView> {
        let regains = self.publish.returning.regains.as_ref()?;
        let fails = !self.transfer.errors.is_empty() || self.transfer.errors_more > 0;
        let waits = match regains.step {
            Step::Tree => {
                let is_late = regains.got_on + PATIENCE <= self.now;
                regains.proven && is_late && self.follow.newest_offer().is_some()
            }
            Step::Pass => fails || self.peers.live().next().is_none(),
            Step::Index { .. } | Step::Scan { .. } => false,
        };
        waits.then(|| HeldView {
            reason: format!(
                "{}, and no member serves all that head {} published: it is taken back when one \
                 does; `confirm` publishes what lies here",
                match regains.proven {
                    true => "this node's disk was rolled back",
                    false => "this node forgot a head in a crash",
                },
                regains.position.1
            ),
            deletes: 0,
        })
    }

    fn forget_what_is_offered(&mut self) {
        if let Some((stream, _)) = self.question_asked() {
            self.out.push(Effect::Reset { stream });
            self.question_withdrawn(stream);
        }
        self.follow.forget_offers();
    }

    /// An operator wants what lies here published.
    pub(super) fn confirm_regaining(&mut self) {
        self.forget_what_is_offered();
        self.abandon_pass();
        self.transfer.errors.clear();
        self.transfer.errors_more = 0;
        self.persist_before();
        self.end_regaining(None);
    }
}

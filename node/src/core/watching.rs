//! Looking: from hints and timers to Observe, and what it found back into the node.
//!
//! State: how the docroot is covered by watches, when the next scan is due, large files being
//! hashed. Hints only say where to look. Where no watch covers a directory, the docroot is scanned
//! in turn; where all are covered, a slow scan still comes by, since no watcher sees everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mirrormesh_gossip::Instant;
use mirrormesh_merkle::Path;

use super::dirty::MAX_LOOKS;
use super::hint::{Hint, HintKind};
use super::jobs::Purpose;
use super::node::Node;
use super::note::Note;
use super::state;
use crate::store::{
    Batch, Depth, DocrootIdentity, Done, HashFile, HashedFile, Job, JobError, Judgement, Look,
    Observe, ObserveLimits, Observed, Side, Unlisted,
};

/// Files above this size are hashed beside the tree lane.
const LARGE_HASH_BYTES: u64 = 8 * 1024 * 1024;
/// Large files hashed at a time.
const MAX_HASHING: usize = 2;
/// Large files that wait to be hashed.
const MAX_HASH_QUEUE: usize = 4_096;
/// Bounds of one Observe.
const LIMITS: ObserveLimits =
    ObserveLimits { changes: 2_048, names: 20_000, bytes: 256 * 1024 * 1024 };
/// The same before the first head, which needs no delta.
const FIRST_LIMITS: ObserveLimits = ObserveLimits { changes: 16_384, names: 100_000, ..LIMITS };
/// Scan of a docroot that is covered by watches.
const AUDIT: Duration = Duration::from_secs(3_600);
/// Shortest pause between scans of one that is not.
const SCAN_PAUSE: Duration = Duration::from_secs(2);
/// A scan may take one part in so many of the time.
const SCAN_SHARE: u32 = 20;
/// A docroot that is gone or held is looked at again.
const DOCROOT_AGAIN: Duration = Duration::from_secs(2);
/// The docroot's own path is resolved again this often: nothing hints at another directory there.
const DOCROOT_CHECK: Duration = Duration::from_secs(2);
/// Pause between scans for the other names of files that were changed.
const LINKED: Duration = Duration::from_secs(5);
/// First and longest pause before a name that was not stable is looked at again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long a directory or larger file that vanished may take to come up under another name.
const VANISHED: Duration = Duration::from_millis(20);
/// Names that vanished and wait; with more, all go at once.
const MAX_VANISHED: usize = 4_096;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Watching {
    pub(super) docroot: Option<DocrootIdentity>,
    /// A scan of everything is under way since this moment.
    scanning: Option<Instant>,
    /// It was wanted anew while a job looked, which may have begun before what it is for.
    begins_anew: bool,
    /// On a replica: less is excluded than before, and what lay there is not known yet.
    pub(super) reviews: bool,
    /// Whether the last scan met directories without a watch.
    uncovered: bool,
    /// Whether a scan was finished since the start.
    pub(super) scanned: bool,
    /// The first scan reads every file again.
    pub(super) verifies: bool,
    pub(super) examined: u64,
    next_scan: Option<Instant>,
    next_docroot_check: Option<Instant>,
    /// Another directory is the docroot, and was not scanned as a whole yet.
    pub(super) switched: bool,
    /// When a scan for the other names of a file is or was due.
    linked_at: Option<Instant>,
    /// The first scan has seen every name; large files may still be hashed.
    pub(super) listed: bool,
    /// Names that vanished, or are hinted to be removed, and since when they are dirty: taken out
    /// at the next look.
    vanished: BTreeMap<Path, Instant>,
    hash_queue: BTreeMap<Path, Instant>,
    hashing: BTreeMap<Path, Instant>,
    hashed: Vec<(HashedFile, Instant)>,
    /// Large files that are observed with their hash: since when they are dirty.
    observing_since: Option<Instant>,
}

impl Watching {
    pub(super) fn new(docroot: Option<Bytes>) -> Watching {
        let docroot = docroot
            .and_then(|bytes| state::unpair(&bytes))
            .map(|(birth, inode)| DocrootIdentity { birth, inode });
        Watching { docroot, ..Watching::default() }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_scan.into_iter().chain(self.next_docroot_check).min()
    }

    /// Whether nothing that a scan found is still to be hashed.
    fn has_hashed(&self) -> bool {
        self.hash_queue.is_empty()
            && self.hashing.is_empty()
            && self.hashed.is_empty()
            && self.observing_since.is_none()
    }

    /// A name was removed for good: it is taken out at the first look. Only an origin waits for
    /// what vanished, and clears this with that look.
    fn removed(&mut self, path: &Path, now: Instant) {
        if self.vanished.len() < MAX_VANISHED {
            self.vanished.entry(path.clone()).or_insert(now);
        }
    }

    /// Wants a large file hashed that has been dirty since a moment. `false`: too many wait.
    fn wants_hash(&mut self, path: &Path, since: Instant) -> bool {
        let is_full = self.hash_queue.len() >= MAX_HASH_QUEUE;
        match self.hash_queue.get_mut(path) {
            // What changed first still waits for the same hash.
            Some(first) => *first = since.min(*first),
            None if is_full => return false,
            None => drop(self.hash_queue.insert(path.clone(), since)),
        }
        true
    }

    /// The large file that is hashed next, if one may be. One that is being hashed is not hashed
    /// twice at a time.
    fn next_to_hash(&mut self) -> Option<Path> {
        if self.hashing.len() >= MAX_HASHING {
            return None;
        }
        let path = self.hash_queue.keys().find(|path| !self.hashing.contains_key(*path))?.clone();
        let since = self.hash_queue.remove(&path)?;
        self.hashing.insert(path.clone(), since);
        Some(path)
    }

    /// Whether every change hinted up to `moment` has been observed, as far as this part knows.
    pub(super) fn has_seen(&self, moment: Instant) -> bool {
        let older = |since: &Instant| *since <= moment;
        !self.observing_since.as_ref().is_some_and(older)
            && !self.hash_queue.values().any(older)
            && !self.hashing.values().any(older)
            && !self.hashed.iter().any(|(_, since)| older(since))
    }

    /// Whether a name that vanished up to `moment` is still in the tree.
    pub(super) fn has_vanished_by(&self, moment: Instant) -> bool {
        self.vanished.values().any(|since| *since <= moment)
    }

    /// The next scan is like the first after the start.
    pub(super) fn begin_again(&mut self) {
        self.scanned = false;
        self.listed = false;
    }

    /// Whether everything that was there when a scan was last wanted has been taken.
    pub(super) fn has_looked(&self) -> bool {
        self.listed && self.scanning.is_none() && self.vanished.is_empty() && self.has_hashed()
    }

    /// Whether a scan is under way.
    pub(super) fn is_scanning(&self) -> bool {
        self.scanning.is_some()
    }
}

impl Node {
    pub(super) fn hints(&mut self, hints: Vec<Hint>) {
        for hint in hints {
            if hint.kind == HintKind::Lost && hint.path.is_root() {
                self.note(Note::Rescan { reason: "hints were lost" });
                self.look_at_everything();
            } else if !self.excludes.covers(&hint.path, false) {
                if hint.kind == HintKind::Removed && self.is_origin() {
                    self.watching.removed(&hint.path, self.now);
                }
                // What is listed below it may have gone with it.
                for path in self.lists.below(&hint.path) {
                    self.dirty.look(path, Depth::Name, self.now);
                }
                self.dirty.hint(hint, self.now, true);
            }
        }
    }

    /// Scans the docroot.
    pub(super) fn look_at_everything(&mut self) {
        self.watching.scanning = Some(self.now);
        self.watching.begins_anew = true;
        self.watching.uncovered = false;
        self.watching.examined = 0;
        self.dirty.look(Path::root(), Depth::Subtree, self.now);
    }

    pub(super) fn advance_watching(&mut self) {
        if self.watching.next_scan.is_some_and(|at| at <= self.now) {
            self.watching.next_scan = None;
            if self.watching.scanning.is_none() {
                self.look_at_everything();
            }
        }
        if self.watching.next_docroot_check.is_none_or(|at| at <= self.now) {
            self.watching.next_docroot_check = Some(self.now + DOCROOT_CHECK);
            self.dirty.look(Path::root(), Depth::Name, self.now);
        }
        if self.watching.listed && !self.watching.scanned && self.watching.has_hashed() {
            self.watching.scanned = true;
            self.note(Note::Scanned { files: self.current.files });
        }
        if self.watching.has_looked() {
            self.watching.reviews = false;
        }
        while let Some(path) = self.watching.next_to_hash() {
            let job = Job::HashFile(HashFile { path: path.clone(), side: self.side() });
            self.jobs.start(job, Purpose::HashFile { path }, &mut self.out);
        }
    }

    pub(super) fn side(&self) -> Side {
        match self.is_origin() {
            true => Side::Origin,
            false => Side::Replica { target: self.follow.target },
        }
    }

    /// Starts an Observe if anything is due. Returns whether it did.
    pub(super) fn observe_next(&mut self) -> bool {
        if self.jobs.is_busy() {
            return false;
        }
        let hashed: Vec<(HashedFile, Instant)> =
            self.watching.hashed.drain(..self.watching.hashed.len().min(MAX_LOOKS)).collect();
        let (mut looks, mut oldest) = self.dirty.take(self.now);
        for (file, since) in &hashed {
            looks.push(Look { path: file.path.clone(), depth: Depth::Name, after: None });
            oldest = Some(oldest.map_or(*since, |oldest| oldest.min(*since)));
        }
        let Some(oldest) = oldest else { return false };
        self.watching.observing_since = Some(oldest);
        self.watching.begins_anew = false;
        let judgement = self.judgement(&looks);
        let job = Job::Observe(Observe {
            side: self.side(),
            current: self.current,
            looks: looks.clone(),
            hashed: hashed.into_iter().map(|(file, _)| file).collect(),
            excludes: Arc::clone(&self.excludes),
            expected: self.watching.docroot,
            large_bytes: LARGE_HASH_BYTES,
            give_up: self.lists.given_up(self.now),
            inline: self.is_origin(),
            limits: if self.authority.head().is_none() { FIRST_LIMITS } else { LIMITS },
            rehash: self.watching.verifies && !self.watching.scanned || self.looks_at_lost(&looks),
            judgement,
        });
        self.jobs.start(job, Purpose::Observe { looks, oldest }, &mut self.out);
        true
    }

    /// Whether something is looked at that was damaged and could not be taken back.
    fn looks_at_lost(&self, looks: &[Look]) -> bool {
        looks.iter().any(|look| self.transfer.lost.contains_key(&look.path))
    }

    /// Somebody came who may serve what was damaged.
    pub(super) fn look_at_lost(&mut self) {
        for path in self.transfer.lost.keys() {
            self.dirty.look(path.clone(), Depth::Name, self.now);
        }
    }

    /// A file with several names has changed: no hint names the others. At most one scan in a while.
    fn look_for_other_names(&mut self, oldest: Instant) {
        let at = self.watching.linked_at.map_or(self.now, |at| (at + LINKED).max(self.now));
        self.watching.linked_at = Some(at);
        let look = Look { path: Path::root(), depth: Depth::Subtree, after: None };
        self.dirty.look_from(look, at, oldest);
    }

    /// What vanished is taken out the second time; what a power cut may have damaged is re-read
    /// in the first scan.
    fn judgement(&mut self, looks: &[Look]) -> Judgement {
        if !self.is_origin() {
            return Judgement::default();
        }
        let again = looks
            .iter()
            .filter(|look| self.watching.vanished.remove(&look.path).is_some())
            .map(|look| look.path.clone())
            .collect();
        let again_damaged = self.looks_at_lost(looks);
        let recalls = !self.watching.scanned || again_damaged;
        let damage = self.publish.returning.damage.filter(|_| recalls);
        // What went before a crash may be published as gone, and is not brought back.
        let waits = self.watching.scanned && self.watching.vanished.len() < MAX_VANISHED;
        Judgement { vanished: waits.then_some(again), damage, recalls, edits: self.minds_edits() }
    }

    pub(super) fn observed(
        &mut self,
        looks: Vec<Look>,
        oldest: Instant,
        result: Result<Done, JobError>,
    ) {
        self.watching.observing_since = None;
        let Ok(Done::Observe(observed)) = result else {
            for look in looks {
                self.dirty.look_from(look, self.now + RETRY.1, oldest);
            }
            self.watching.next_scan.get_or_insert(self.now + DOCROOT_AGAIN);
            return;
        };
        if !self.docroot_is(&observed.docroot) {
            for look in looks {
                self.dirty.look_from(look, self.now + DOCROOT_AGAIN, oldest);
            }
            return;
        }
        self.unflushed.get_or_insert(self.now);
        self.watching.examined += observed.names;
        self.watching.uncovered |= observed.unwatched > 0;
        self.take_lists(&looks, &observed);
        for path in &observed.large {
            if !self.watching.wants_hash(path, oldest) {
                self.look_later(path.clone(), oldest);
            }
        }
        let was_root = |look: &Look| look.path.is_root() && look.depth == Depth::Subtree;
        let scans = looks.iter().any(was_root);
        let leaves = observed.more.iter().any(was_root);
        let scan_ends = scans && !leaves && !self.watching.begins_anew;
        for look in observed.more.iter().cloned() {
            self.dirty.look_from(look, self.now, oldest);
        }
        for path in &observed.vanished {
            let since = self.watching.vanished.entry(path.clone()).or_insert(oldest);
            *since = oldest.min(*since);
            if self.watching.scanning.is_none() || scan_ends {
                let look = Look { path: path.clone(), depth: Depth::Name, after: None };
                self.dirty.look_from(look, self.now + VANISHED, oldest);
            }
        }
        self.mended(&observed.edited);
        if !observed.damaged.is_empty() {
            self.note(Note::Damaged { count: observed.damaged.len() as u64 });
            self.found_damaged(&observed.damaged);
        }
        if scan_ends {
            self.scan_ended();
        }
        // What vanished is taken out after the scan, and belongs to it.
        if self.watching.scanning.is_none() && self.watching.vanished.is_empty() {
            self.watching.switched = false;
        }
        if observed.linked && !scans {
            self.look_for_other_names(oldest);
        }
        let base = std::mem::replace(&mut self.current, observed.tree);
        let is_in_error =
            |look: &Look| !look.path.is_root() && self.transfer.has_error_below(&look.path);
        if observed.changes > 0 || looks.iter().any(is_in_error) {
            self.transfer.retry_soon(self.now);
        }
        if observed.changes > 0 && !self.is_origin() {
            self.note(Note::LocalEdits { count: observed.changes });
            self.edited_here();
        }
        if self.is_origin() {
            self.observed_on_origin(base, observed);
        }
    }

    /// What lies here became another: what is to be done now has not been tried.
    pub(super) fn edited_here(&mut self) {
        self.follow.in_line = false;
        self.follow.tried = None;
        self.transfer.edited(self.now);
    }

    fn scan_ended(&mut self) {
        let took = self.watching.scanning.take().map(|since| self.now.saturating_since(since));
        self.watching.listed = true;
        // A scan has seen every name by now: what vanished did not come up elsewhere before.
        for (path, since) in &self.watching.vanished {
            let look = Look { path: path.clone(), depth: Depth::Name, after: None };
            self.dirty.look_from(look, self.now, *since);
        }
        let pause = match self.watching.uncovered {
            true => (took.unwrap_or_default() * SCAN_SHARE).max(SCAN_PAUSE),
            false => AUDIT,
        };
        self.watching.next_scan = Some(self.now + pause);
    }

    /// Forgets what was covered, lists what is not in the tree, and looks again where a name may
    /// become stable.
    fn take_lists(&mut self, looks: &[Look], observed: &Observed) {
        let mut before = BTreeMap::new();
        for look in looks {
            if let Some(listed) = self.lists.forget(&look.path) {
                before.insert(look.path.clone(), listed);
            }
        }
        for directory in &observed.finished {
            before.append(&mut self.lists.forget_directory(directory));
        }
        for (path, why) in &observed.unlisted {
            let earlier = before.get(path).copied();
            let looks = earlier.map_or(0, |(_, looks)| looks);
            if matches!(why, Unlisted::OpenForWriting | Unlisted::Moving) {
                let pause = RETRY.0.saturating_mul(1 << looks.min(6)).min(RETRY.1);
                self.dirty.retry(path.clone(), self.now + pause, self.now);
            }
            self.lists.put(path.clone(), why.clone(), earlier, self.now);
        }
    }

    pub(super) fn hashed(&mut self, path: Path, result: Result<Done, JobError>) {
        let since = self.watching.hashing.remove(&path).unwrap_or(self.now);
        match result {
            Ok(Done::HashFile(hashed)) => self.watching.hashed.push((hashed, since)),
            _ => self.look_later(path, since),
        }
    }

    /// Looks again at a name that has been dirty since a moment and could not be hashed yet.
    fn look_later(&mut self, path: Path, since: Instant) {
        let look = Look { path, depth: Depth::Name, after: None };
        self.dirty.look_from(look, self.now + RETRY.1, since);
    }

    pub(super) fn store_docroot(&mut self, identity: DocrootIdentity) {
        let mut batch = Batch::default();
        state::put(&mut batch, state::DOCROOT, state::pair(identity.birth, identity.inode));
        self.persist(batch, false, Vec::new());
    }

    /// Whether the watcher covers the whole docroot, as far as the last scan met it.
    pub(super) fn is_covered(&self) -> bool {
        !self.watching.uncovered
    }
}

#[cfg(test)]
mod tests;

//! An origin that starts again: is what it knows of its own heads all there is?
//!
//! Beside its first scan, and for at most a second, it waits for what the members know of its own
//! term. A member says in its hello which head it knows; where that may be one that this node does
//! not know, the member shows it before it is told of any, whenever it comes. What such a head
//! published is regained (`core/regain.rs`).
//!
//! State: the members that have not been heard since the start, and the **lineage**: the newest
//! head that this node is known to have in common with all it ever published. While some are
//! unheard, the lineage is stored, and nothing is published under a number that another run may
//! have given away: the first number of a run that publishes on its own says when that was. So the
//! number of a head tells whether it is of a run that the disk knows nothing of, also after
//! further starts.
//!
//! Invariants: the lineage is stored from the start on, before anything else that a start stores
//! makes a rollback look like a crash; it is gone, durably, before anything is published that it
//! does not tell from what was forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use mirrormesh_gossip::{Head, Instant, NodeId, SignedHead, Wall};
use mirrormesh_merkle::{Hash, Time, Tree};

use super::event::{ConnectionId, Effect};
use super::jobs::Then;
use super::node::Node;
use super::regain::{Begun, Regaining};
use super::state::{self, State};
use super::wire::Push;
use crate::store::tree_value::{decode_tree, encode_tree};
use crate::store::{Batch, DamageBounds, Durability};

/// How long the start waits for members to speak.
const WAIT: Duration = Duration::from_secs(1);
/// How long a member may take to show a head that it claims to know.
const ANSWER: Duration = Duration::from_secs(5);
/// What changed so long after the last durable mark was changed without this node.
const SLACK: Duration = Duration::from_secs(10);
/// Files published in this time before the last durable mark are read again after a power cut.
const SUSPECT: Duration = Duration::from_secs(120);
/// Stands in the store for what is neither so nor otherwise.
const UNKNOWN: u64 = 2;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Returning {
    /// Nothing is published before this moment, unless every member has said what it knows.
    until: Option<Instant>,
    /// Members at the start that have not said since what they know.
    unheard: BTreeSet<NodeId>,
    /// Those of them that were asked for the head they know, and how long they may take.
    asked: BTreeMap<NodeId, Instant>,
    /// Those that had their time, and hold nothing up again.
    late: BTreeSet<NodeId>,
    pub(super) lineage: Lineage,
    /// This start.
    start: Start,
    /// Whether the lineage is in the store, or on its way there.
    pub(super) is_stored: bool,
    /// Commits of the lineage under way.
    commits: u32,
    /// A member knows a head that this run contradicts: until the next one is published, nobody is
    /// told of the newest.
    pub(super) forked: bool,
    /// What a forgotten head published is being regained.
    pub(super) regains: Option<Regaining>,
    /// What a power cut may have damaged.
    pub(super) damage: Option<DamageBounds>,
    /// Not all of that is looked at and taken back.
    pub(super) is_unsettled: bool,
    /// Names that the run before did not take back are to be put into the tree again.
    pub(super) resumes: bool,
    /// The tree may say what was damaged, until the docroot has been read again.
    pub(super) rereads: bool,
}

/// The newest head that is known to be of one line with all that was published before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lineage {
    /// Epoch and number of the head.
    pub(super) position: (u64, u64),
    /// The document of the head.
    pub(super) document: Hash,
    /// First number of those published since, while members were unheard; 0 if none were.
    first: u64,
    /// The start after it.
    pub(super) start: Start,
    /// What was being regained when this was stored.
    pub(super) begun: Option<Begun>,
}

/// What was known at a start of what was published before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// What the newest head published.
    pub(super) tree: Option<Tree>,
    /// Numbers at or above this were never durably reserved before the start.
    bound: u64,
    /// The last durable moment before the start, by the wall clock in nanoseconds.
    durable_until: i64,
    /// Whether the docroot was found to be as a whole as the tree says; nothing before a scan.
    pub(super) whole: Option<bool>,
}

/// A forgotten head so long after the last durable moment was not forgotten by a crash: what is
/// committed is flushed soon.
const ROLLBACK: Duration = Duration::from_secs(60);

impl Default for Lineage {
    fn default() -> Lineage {
        Lineage {
            position: (0, 0),
            document: Hash::ZERO,
            first: 0,
            start: Start::default(),
            begun: None,
        }
    }
}

impl Lineage {
    fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        let Start { tree, bound, durable_until, whole } = self.start;
        let whole = whole.map_or(UNKNOWN, u64::from);
        let (epoch, seq) = self.position;
        let ((begun_epoch, begun_seq), proven) = match self.begun {
            Some(begun) => (begun.position, u64::from(begun.proven)),
            None => ((0, 0), UNKNOWN),
        };
        let known = [epoch, seq, self.first, bound, durable_until as u64, whole];
        for number in known.into_iter().chain([begun_epoch, begun_seq, proven]) {
            bytes.put_u64(number);
        }
        bytes.put_slice(self.document.as_bytes());
        bytes.put_slice(&encode_tree(&tree.unwrap_or(Tree::empty())));
        bytes.freeze()
    }

    fn decode(bytes: &[u8]) -> Option<Lineage> {
        let (numbers, rest) = bytes.split_at_checked(72)?;
        let number = |index: usize| Some(u64::from_be_bytes(*numbers[index..].first_chunk()?));
        let flag = |index: usize| number(index).map(|it| (it != UNKNOWN).then_some(it == 1));
        let (document, tree) = rest.split_first_chunk::<32>()?;
        let position = (number(48)?, number(56)?);
        Some(Lineage {
            position: (number(0)?, number(8)?),
            first: number(16)?,
            document: Hash::from_bytes(*document),
            start: Start {
                tree: Some(decode_tree(tree)?),
                bound: number(24)?,
                durable_until: number(32)? as i64,
                whole: flag(40)?,
            },
            begun: flag(64)?.map(|proven| Begun { position, proven }),
        })
    }

    /// Whether a head at this position may be of a run that the disk knows nothing of.
    pub(super) fn may_lack(&self, position: (u64, u64)) -> bool {
        position > self.position && (self.first == 0 || position.1 < self.first)
    }
}

impl Start {
    /// Whether no crash before this start explains that a head was forgotten: the disk was rolled
    /// back.
    pub(super) fn is_rolled_back_before(&self, head: &Head) -> bool {
        let rollback = ROLLBACK.as_nanos() as i64;
        head.seq >= self.bound || head.time.0 > self.durable_until.saturating_add(rollback)
    }
}

impl Returning {
    /// Whether nothing may be published yet.
    pub(super) fn is_open(&self) -> bool {
        self.listens() || self.regains.is_some() || self.resumes || self.rereads
    }

    /// Whether members have still to say what they know.
    fn listens(&self) -> bool {
        self.until.is_some() || !self.asked.is_empty()
    }

    /// Whether it is known what was published last, as far as it can be.
    pub(super) fn knows(&self) -> bool {
        !self.listens() && self.regains.as_ref().is_none_or(Regaining::is_indexed)
    }

    /// Whether a member has still to show its head, and is told of none before.
    pub(super) fn awaits(&self, peer: &NodeId) -> bool {
        self.asked.contains_key(peer) || self.late.contains(peer)
    }

    /// The start before which a head was forgotten.
    pub(super) fn start_before(&self, position: (u64, u64)) -> Start {
        match self.lineage.first > 0 && position.1 >= self.lineage.first {
            true => self.start,
            false => self.lineage.start,
        }
    }

    /// A member is to be asked again what it knows.
    pub(super) fn hear_again(&mut self, peer: NodeId) {
        self.unheard.insert(peer);
    }

    /// The trees that the docroot is compared with when a forgotten head comes, while one may.
    pub(super) fn roots_in_use(&self) -> impl Iterator<Item = Hash> {
        let needed = !self.unheard.is_empty() || self.regains.is_some();
        let trees = [self.lineage.start.tree, self.start.tree];
        trees.into_iter().flatten().filter(move |_| needed).map(|tree| tree.root)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let gives_up = self.regains.as_ref().and_then(Regaining::gives_up);
        self.asked.values().copied().chain(self.until).chain(gives_up).min()
    }

    fn first_late(&self, now: Instant) -> Option<NodeId> {
        self.asked.iter().find(|(_, until)| **until <= now).map(|(peer, _)| *peer)
    }
}

fn time_of(nanoseconds: i64) -> Time {
    Time {
        seconds: nanoseconds.div_euclid(1_000_000_000),
        nanoseconds: nanoseconds.rem_euclid(1_000_000_000) as u32,
    }
}

impl Node {
    pub(super) fn begin_returning(&mut self, state: &State<'_>) {
        let boot = state.get(state::BOOT);
        let unclean = boot.is_some_and(|boot| boot != self.setup.boot.as_bytes());
        if !self.is_origin() {
            let relaxed = self.setup.settings.durability == Durability::Relaxed;
            self.watching.verifies = unclean && relaxed;
            return;
        }
        let returning = &mut self.publish.returning;
        returning.start.bound = self.sequence.durable_bound();
        returning.start.tree = Some(self.current);
        let Some(head) = self.authority.head() else { return };
        let until = state.number(state::DURABLE_UNTIL) as i64;
        returning.start.durable_until = until;
        let stored = state.get(state::LINEAGE).and_then(|bytes| Lineage::decode(&bytes));
        returning.lineage.position = head.position();
        returning.lineage.document = head.document;
        // What was seen and not published is an edit like what comes.
        let tree = Tree { root: head.root, files: head.files, bytes: head.bytes };
        returning.start.tree = Some(tree);
        returning.lineage.start = returning.start;
        returning.unheard = self.peers.members.keys().copied().collect();
        returning.is_stored = stored.is_some() || !returning.unheard.is_empty();
        returning.lineage = stored.unwrap_or(std::mem::take(&mut returning.lineage));
        // Else the head did not become the newest in the store, and is heard of again.
        let position = head.position();
        let begun = returning.lineage.begun.take().filter(|begun| begun.position <= position);
        if !returning.unheard.is_empty() {
            returning.until = Some(self.now + WAIT);
        }
        let cut = unclean.then(|| DamageBounds {
            since: time_of(until.saturating_sub(SUSPECT.as_nanos() as i64)),
            until: time_of(until.saturating_add(SLACK.as_nanos() as i64)),
            boot: time_of(self.setup.boot_wall.0),
        });
        self.begin_damage(state, cut);
        if let Some(begun) = begun {
            self.regain_again(begun);
        }
    }

    /// Stores the lineage with the start, if it is to be stored.
    pub(super) fn put_lineage(&self, batch: &mut Batch) {
        let returning = &self.publish.returning;
        if returning.is_stored {
            state::put(batch, state::LINEAGE, returning.lineage.encode());
        }
    }

    /// Ends the wait when its time is over or every member has spoken.
    pub(super) fn advance_returning(&mut self) {
        let returning = &mut self.publish.returning;
        returning.unheard.retain(|peer| self.peers.members.contains_key(peer));
        returning.asked.retain(|peer, _| self.peers.members.contains_key(peer));
        returning.late.retain(|peer| self.peers.members.contains_key(peer));
        while let Some(late) = returning.first_late(self.now) {
            returning.asked.remove(&late);
            returning.late.insert(late);
        }
        if returning.start.whole.is_none() && self.watching.scanned {
            let root = self.current.root;
            let is_whole = |start: Start| Some(start.tree.is_some_and(|tree| tree.root == root));
            returning.start.whole = is_whole(returning.start);
            if returning.lineage.start.whole.is_none() {
                returning.lineage.start.whole = is_whole(returning.lineage.start);
                if returning.is_stored {
                    self.store_lineage();
                }
            }
        }
        let returning = &mut self.publish.returning;
        let all = returning.unheard.is_empty() && self.follow.newest_offer().is_none();
        if returning.until.is_some_and(|until| until <= self.now || all) {
            returning.until = None;
        }
    }

    /// A member says which head it knows. Returns whether it must show that head before it is told
    /// anything.
    pub(super) fn must_show(&mut self, peer: NodeId, theirs: (u64, u64)) -> bool {
        let own = self.authority.head().map_or((0, 0), Head::position);
        let returning = &mut self.publish.returning;
        if !returning.unheard.contains(&peer) {
            return false;
        }
        let must_show = theirs > own || returning.lineage.may_lack(theirs);
        if must_show && !returning.late.contains(&peer) {
            returning.asked.entry(peer).or_insert(self.now + ANSWER);
        }
        if !must_show {
            returning.unheard.remove(&peer);
            returning.late.remove(&peer);
        }
        must_show
    }

    /// A member that was asked for it shows its head. Returns whether no more is to be done with
    /// it: it is no newer than the newest.
    pub(super) fn showed_head(
        &mut self,
        connection: ConnectionId,
        peer: NodeId,
        signed: &SignedHead,
        push: &Push,
    ) -> bool {
        let returning = &mut self.publish.returning;
        if !returning.unheard.remove(&peer) {
            return false;
        }
        returning.asked.remove(&peer);
        returning.late.remove(&peer);
        let head = self.authority.signed_in_term(signed);
        let Some(head) = head.filter(|head| self.is_below_newest(head)) else { return false };
        let returning = &self.publish.returning;
        let regained = returning.regains.as_ref().map(Regaining::position);
        if returning.lineage.may_lack(head.position()) && regained < Some(head.position()) {
            self.contradicted_by_own(peer, signed.clone(), head, push.clone());
        } else if let Some(bytes) = self.newest_push() {
            self.out.push(Effect::Frame { connection, bytes });
        }
        true
    }

    /// Whether a head of this term has no higher number than the newest.
    pub(super) fn is_below_newest(&self, head: &Head) -> bool {
        self.authority.head().is_some_and(|newest| head.position() <= newest.position())
    }

    /// Whether what is published now cannot be mistaken for what a forgotten run published: every
    /// member has been heard; or else numbers are above all that runs before this moment can have
    /// used, and the stored lineage says so. Makes it so if it is not.
    pub(super) fn guards_lineage(&mut self) -> bool {
        let wall = self.wall;
        let created = self.authority.chain().genesis().created;
        let returning = &mut self.publish.returning;
        if returning.unheard.is_empty() && returning.regains.is_none() {
            if returning.is_stored {
                self.settle_lineage();
            }
        } else if returning.lineage.first == 0 {
            returning.lineage.first = self.sequence.durable_bound().max(number_at(wall, created));
            self.sequence.raise_above(returning.lineage.first - 1);
            self.store_lineage();
        }
        self.publish.returning.commits == 0
    }

    /// Stores the lineage.
    pub(super) fn store_lineage(&mut self) {
        self.publish.returning.is_stored = true;
        let mut batch = Batch::default();
        self.put_lineage(&mut batch);
        self.commit_lineage(batch);
    }

    /// Stores the lineage if members are unheard; else it is of no use any more.
    pub(super) fn settle_lineage(&mut self) {
        let returning = &mut self.publish.returning;
        if !returning.unheard.is_empty() {
            return self.store_lineage();
        }
        returning.is_stored = false;
        returning.lineage.first = 0;
        let mut batch = Batch::default();
        state::remove(&mut batch, state::LINEAGE);
        self.commit_lineage(batch);
    }

    fn commit_lineage(&mut self, batch: Batch) {
        self.publish.returning.commits += 1;
        self.persist(batch, true, vec![Then::Lineage]);
    }

    /// The lineage is durable, or durably gone.
    pub(super) fn lineage_stored(&mut self) {
        let commits = &mut self.publish.returning.commits;
        *commits = commits.saturating_sub(1);
    }
}

/// A number that no run before this moment can have used: so many of 65 us have gone since the
/// cluster was founded, and runs use fewer.
fn number_at(wall: Wall, founded: Wall) -> u64 {
    (wall.0.saturating_sub(founded.0).max(0) as u64 >> 16).max(1)
}

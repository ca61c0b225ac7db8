//! What the tests of Apply share: docroots as plain maps, trees made of them, a node that goes from
//! one tree to the next by jobs alone, and the laws of what may be visible meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use mirrormesh::store::apply::apply;
use mirrormesh::store::pending::Pending;
use mirrormesh::store::plan::{PlanLimits, plan_within};
use mirrormesh::store::stage::stage;
use mirrormesh::store::tree_value::{decode_tree, encode_tree};
use mirrormesh::store::{
    Apply, Batch, Depth, Disk, Done, Durability, Excludes, FileKind, Item, Job, JobError,
    Judgement, KeptReason, Look, Observe, ObserveLimits, Parcel, Phase, Plan, PlanCursor, Side,
    Stage, StageStep, Staged, Table, Want, recover, run, state,
};
use mirrormesh_merkle::{
    Change, Difference, File, Hash, MemoryNodes, Path, Record, Symlink, Time, Tree, content_hash,
    difference, update,
};
use mirrormesh_simulation::disk::{Seen, SimDisk};

/// One name of a docroot.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    File { content: Vec<u8>, mode: u16, mtime: i64, unserved: bool },
    Link(Vec<u8>),
    Directory(u16),
}

impl std::fmt::Debug for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Thing::File { content, mode, mtime, .. } => {
                let start = String::from_utf8_lossy(&content[..content.len().min(10)]);
                write!(f, "{start:?}({}) {mode:o} {mtime}", content.len())
            }
            Thing::Link(target) => write!(f, "-> {}", String::from_utf8_lossy(target)),
            Thing::Directory(mode) => write!(f, "directory {mode:o}"),
        }
    }
}

/// A docroot by path.
pub(crate) type Docroot = BTreeMap<String, Thing>;

pub(crate) fn file(content: impl AsRef<[u8]>) -> Thing {
    Thing::File { content: content.as_ref().to_vec(), mode: 0o644, mtime: 1_000, unserved: false }
}

pub(crate) fn link(target: &str) -> Thing {
    Thing::Link(target.as_bytes().to_vec())
}

pub(crate) fn directory() -> Thing {
    Thing::Directory(0o755)
}

/// A docroot from pairs; directories above are added.
pub(crate) fn docroot<'a>(things: impl IntoIterator<Item = (&'a str, Thing)>) -> Docroot {
    let mut docroot = Docroot::new();
    for (path, thing) in things {
        for (at, _) in path.match_indices('/') {
            docroot.entry(path[..at].to_string()).or_insert_with(directory);
        }
        docroot.insert(path.to_string(), thing);
    }
    docroot
}

pub(crate) fn path(text: &str) -> Path {
    Path::from_bytes(text.as_bytes()).expect("a path")
}

fn record(thing: &Thing) -> Record {
    match thing {
        Thing::File { content, mode, mtime, unserved } => Record::File(File {
            mode: *mode,
            mtime: Time { seconds: *mtime, nanoseconds: 0 },
            size: content.len() as u64,
            content: content_hash(content),
            unserved: *unserved,
            attributes: None,
        }),
        Thing::Link(target) => {
            Record::Symlink(Symlink { target: target.clone().into(), attributes: None })
        }
        Thing::Directory(mode) => Record::Directory { mode: *mode, attributes: None },
    }
}

fn changes(docroot: &Docroot) -> Vec<Change> {
    let mut changes: Vec<Change> = docroot
        .iter()
        .map(|(text, thing)| Change { path: path(text), record: Some(record(thing)) })
        .collect();
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    changes
}

/// The tree of a docroot.
pub(crate) fn tree(docroot: &Docroot) -> Tree {
    update(&mut MemoryNodes::new(), &Tree::empty(), &changes(docroot)).expect("a tree")
}

/// Stores the nodes of a docroot's tree, durably.
pub(crate) fn store_tree(disk: &SimDisk, docroot: &Docroot) -> Tree {
    let mut pending = Pending::new(disk);
    let tree = update(&mut pending, &Tree::empty(), &changes(docroot)).expect("a tree");
    pending.commit(true).expect("commit");
    tree
}

/// Says durably what the target is.
pub(crate) fn set_target(disk: &SimDisk, tree: &Tree) {
    let mut batch = Batch::default();
    batch.put(Table::State, state::TARGET, encode_tree(tree));
    disk.commit(batch, true).expect("commit");
}

pub(crate) fn current(disk: &SimDisk) -> Tree {
    let value = disk.value(Table::State, state::CURRENT);
    value.and_then(|value| decode_tree(&value)).unwrap_or_else(Tree::empty)
}

/// Contents that peers can serve.
pub(crate) fn contents(docroot: &Docroot) -> BTreeMap<Hash, Vec<u8>> {
    let content = |thing: &Thing| match thing {
        Thing::File { content, unserved: false, .. } => {
            Some((content_hash(content), content.clone()))
        }
        _ => None,
    };
    docroot.values().filter_map(content).collect()
}

/// A node that follows.
pub(crate) struct Follower<'a> {
    pub(crate) disk: &'a SimDisk,
    pub(crate) target: Tree,
    pub(crate) contents: BTreeMap<Hash, Vec<u8>>,
    pub(crate) limits: PlanLimits,
    pub(crate) durability: Durability,
    pub(crate) excludes: Arc<Excludes>,
    pub(crate) published: Option<Tree>,
    pub(crate) keep_bytes: u64,
    pub(crate) seed: u64,
    /// Replies break off after so many bytes.
    pub(crate) cut_at: Option<usize>,
}

/// What all parcels of a run came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) failed: Vec<(Path, String)>,
    pub(crate) look: BTreeSet<Path>,
    pub(crate) missing: u64,
    pub(crate) wrong: u64,
    pub(crate) set_aside: u64,
    pub(crate) parcels: u64,
}

impl<'a> Follower<'a> {
    /// A follower of a tree whose nodes the disk has.
    pub(crate) fn new(disk: &'a SimDisk, target: &Docroot) -> Follower<'a> {
        Follower {
            disk,
            target: tree(target),
            contents: contents(target),
            limits: PlanLimits::FULL,
            durability: Durability::Durable,
            excludes: Arc::new(Excludes::none()),
            published: None,
            keep_bytes: 1 << 30,
            seed: 7,
            cut_at: None,
        }
    }

    /// One pass of parcels, or an error when the process ends.
    pub(crate) fn pass(&mut self) -> Result<Outcome, JobError> {
        let mut outcome = Outcome::default();
        let mut cursor = PlanCursor { phase: Phase::Add, after: None };
        loop {
            let job = Plan {
                current: current(self.disk),
                target: self.target,
                cursor,
                only: None,
                in_transfer: Vec::new(),
                unedited_since: None,
            };
            let planned = plan_within(self.disk, &job, &self.limits)?;
            if let Some(parcel) = planned.parcel {
                self.parcel(parcel, &mut outcome)?;
            }
            match planned.next {
                Some(next) => cursor = next,
                None => return Ok(outcome),
            }
        }
    }

    /// Everything that differs as one parcel, as the proof of a short delta makes it.
    pub(crate) fn all_at_once(&mut self) -> Result<Outcome, JobError> {
        let pending = Pending::new(self.disk);
        let (old, new) = (current(self.disk).root, self.target.root);
        let differences = difference(&pending, &old, &new, None, 10_000).expect("differences");
        let mut items: Vec<Item> = differences
            .into_iter()
            .map(|Difference { path, old, new }| Item { path, old, new })
            .collect();
        items.sort_by(|left, right| left.path.cmp(&right.path));
        let want = |item: &Item| match (&item.old, &item.new) {
            (Some(Record::File(old)), Some(Record::File(new))) if old.content == new.content => {
                None
            }
            (_, Some(Record::File(file))) if file.size > 0 => {
                Some(Want { content: file.content, size: file.size, path: item.path.clone() })
            }
            _ => None,
        };
        // Some contents are here already; those that move need not be sent.
        let wants =
            items.iter().filter_map(want).filter(|want| want.content.as_bytes()[0] & 1 == 0);
        let wants: Vec<Want> = wants.collect();
        let missing = items.iter().filter_map(want).filter(|want| {
            !self.is_here(&want.content) && !wants.iter().any(|other| other.content == want.content)
        });
        let wants: Vec<Want> = missing.chain(wants.iter().cloned()).collect();
        let parcel = Parcel { items, wants, large: None, request: Bytes::new() };
        let mut outcome = Outcome::default();
        self.parcel(Arc::new(parcel), &mut outcome)?;
        Ok(outcome)
    }

    fn is_here(&self, content: &Hash) -> bool {
        let docroot = self.disk.tree_of_docroot();
        let here = docroot.values().filter_map(|seen| seen.content.as_ref());
        here.into_iter().any(|here| here.hash() == *content)
    }

    pub(crate) fn parcel(
        &mut self,
        parcel: Arc<Parcel>,
        outcome: &mut Outcome,
    ) -> Result<(), JobError> {
        assert!(outcome.parcels < 10_000, "a pass ends");
        if let Some(large) = &parcel.large {
            self.transfer(large.content, large.size)?;
        }
        self.seed = self.seed.wrapping_add(1);
        let job = Apply {
            contents: vec![self.reply(&parcel)],
            cut: self.cut_at.is_some(),
            parcel,
            inline: Vec::new(),
            current: current(self.disk),
            target: self.target,
            published: self.published,
            durability: self.durability,
            before: Batch::default(),
            keep_bytes: self.keep_bytes,
            excludes: Arc::clone(&self.excludes),
            reason: KeptReason::LocalEdit,
            wall: 5,
            seed: self.seed,
        };
        let applied = apply(self.disk, &job)?;
        outcome.failed.extend(applied.failed);
        outcome.look.extend(applied.look);
        outcome.missing += applied.missing;
        outcome.wrong += applied.wrong;
        outcome.set_aside += applied.set_aside;
        outcome.parcels += 1;
        Ok(())
    }

    fn reply(&self, parcel: &Parcel) -> Bytes {
        let mut reply = BytesMut::new();
        for want in &parcel.wants {
            match self.contents.get(&want.content) {
                Some(content) => {
                    reply.put_u8(1);
                    reply.put_u64(content.len() as u64);
                    reply.put_slice(content);
                }
                None => reply.put_u8(0),
            }
        }
        reply.truncate(self.cut_at.unwrap_or(usize::MAX));
        reply.freeze()
    }

    pub(crate) fn transfer(&self, content: Hash, size: u64) -> Result<Staged, JobError> {
        let step = |step| stage(self.disk, &Stage { content, size, step });
        let bytes = Bytes::from(self.contents.get(&content).cloned().unwrap_or_default());
        let Staged::Partial(mut at) = step(StageStep::Open)? else { panic!("not partial") };
        while at < bytes.len() as u64 {
            let end = bytes.len().min(at as usize + 50_000);
            let chunks = vec![bytes.slice(at as usize..end)];
            let Staged::Partial(next) = step(StageStep::Write { offset: at, chunks })? else {
                panic!("not partial")
            };
            at = next;
        }
        step(StageStep::Finish)
    }

    /// Looks at everything as a replica does.
    pub(crate) fn observe_all(&self) -> Result<(), JobError> {
        let mut looks = vec![Look { path: Path::root(), depth: Depth::Subtree, after: None }];
        while !looks.is_empty() {
            let job = Observe {
                side: Side::Replica { target: Some(self.target) },
                current: current(self.disk),
                looks,
                hashed: Vec::new(),
                excludes: Arc::clone(&self.excludes),
                expected: None,
                large_bytes: 1 << 40,
                give_up: Vec::new(),
                inline: false,
                limits: ObserveLimits { changes: 256, names: 10_000, bytes: 1 << 30 },
                rehash: false,
                judgement: Judgement::default(),
            };
            let Done::Observe(observed) = run(Job::Observe(job), self.disk)? else {
                panic!("not observed")
            };
            looks = observed.more;
        }
        Ok(())
    }

    /// Looks and applies until nothing differs.
    pub(crate) fn converge(&mut self) -> Result<Outcome, JobError> {
        let mut last = Outcome::default();
        for _ in 0..6 {
            self.observe_all()?;
            if current(self.disk).root == self.target.root {
                return Ok(last);
            }
            last = self.pass()?;
            // A directory that holds only what is not mirrored is seen anew by each scan.
            let is_there = current(self.disk).root == self.target.root;
            if is_there && !self.excludes.patterns().is_empty() {
                return Ok(last);
            }
        }
        let seen = self.disk.tree_of_docroot();
        Err(JobError::Inconsistent(format!("does not converge: {last:?}, {seen:?}")))
    }
}

/// Brings an empty disk to a docroot, everything durable and known to the index.
pub(crate) fn prepare(disk: &SimDisk, things: &Docroot) {
    recover(disk).expect("recovers");
    store_tree(disk, things);
    let mut follower = Follower::new(disk, things);
    follower.pass().expect("applies");
    assert_eq!(current(disk).root, follower.target.root, "prepared");
    disk.commit(Batch::default(), true).expect("commit");
    disk.write_back();
}

/// Whether a name is no business of a visitor.
pub(crate) fn is_reserved(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|name| name.starts_with(b".mirrormesh"))
}

/// Whether what is seen is a thing, apart from metadata if `loosely`.
pub(crate) fn is_thing(seen: &Seen, thing: &Thing, loosely: bool) -> bool {
    match thing {
        Thing::File { content, mode, mtime, .. } => {
            let is_content = seen.content.as_ref().is_some_and(|seen| {
                seen.size() == content.len() as u64 && seen.bytes() == *content
            });
            let seconds = seen.mtime.map(|time| time.seconds);
            is_content && (loosely || seen.mode == *mode && seconds == Some(*mtime))
        }
        Thing::Link(target) => seen.target.as_deref() == Some(target),
        Thing::Directory(mode) => {
            seen.kind == FileKind::Directory && (loosely || seen.mode == *mode)
        }
    }
}

/// What a visitor may see between two docroots: each name whole in its old or new version, and
/// names that are in both at every moment. `edited` names may be anything; `names` says whether
/// names in both have to be there.
pub(crate) fn check_visible(
    seen: &BTreeMap<Vec<u8>, Seen>,
    old: &Docroot,
    new: &Docroot,
    edited: &BTreeSet<Vec<u8>>,
    names: bool,
) -> Result<(), String> {
    for (path, seen) in seen.iter().filter(|(path, _)| !is_reserved(path)) {
        let text = String::from_utf8_lossy(path);
        let versions = [old.get(text.as_ref()), new.get(text.as_ref())];
        let is_edited = edited.iter().any(|edited| is_at_or_below(path, edited));
        if !is_edited && !versions.into_iter().flatten().any(|thing| is_thing(seen, thing, true)) {
            return Err(format!("{text} shows neither its old nor its new version: {seen:?}"));
        }
    }
    if names {
        for path in old.keys().filter(|path| new.contains_key(*path)) {
            let is_edited = edited.iter().any(|edited| is_at_or_below(path.as_bytes(), edited));
            if !is_edited && !seen.contains_key(path.as_bytes()) {
                return Err(format!("{path} is in both trees and cannot be opened"));
            }
        }
    }
    Ok(())
}

fn is_at_or_below(path: &[u8], above: &[u8]) -> bool {
    path.starts_with(above) && matches!(path.get(above.len()), None | Some(b'/'))
}

/// Whether the docroot is exactly this, but for what `edited` and `left` name.
pub(crate) fn check_equal(
    seen: &BTreeMap<Vec<u8>, Seen>,
    target: &Docroot,
    left: &BTreeSet<Vec<u8>>,
) -> Result<(), String> {
    for (path, thing) in target {
        match seen.get(path.as_bytes()) {
            Some(seen) if is_thing(seen, thing, false) => {}
            found => return Err(format!("{path} should be {thing:?} and is {found:?}")),
        }
    }
    for path in seen.keys() {
        let text = String::from_utf8_lossy(path);
        let is_left =
            left.iter().any(|left| is_at_or_below(path, left) || is_at_or_below(left, path));
        if !target.contains_key(text.as_ref()) && !is_left {
            return Err(format!("{text} should not be there"));
        }
    }
    Ok(())
}

/// Whether some content lies anywhere in the docroot or the work directory.
pub(crate) fn is_somewhere(
    docroot: &BTreeMap<Vec<u8>, Seen>,
    work: &BTreeMap<Vec<u8>, Seen>,
    content: &[u8],
) -> bool {
    docroot
        .values()
        .chain(work.iter().filter(|(path, _)| path.starts_with(b"kept/")).map(|(_, seen)| seen))
        .any(|seen| seen.content.as_ref().is_some_and(|seen| seen.bytes() == content))
}

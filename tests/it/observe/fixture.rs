//! A node's observing side: a simulated disk, the tree so far, and what the core would do with
//! hints, leftovers and large files.

use std::collections::BTreeSet;
use std::sync::Arc;

use mirrormesh::core::HintKind;
use mirrormesh::store::pending::Pending;
use mirrormesh::store::{
    Depth, DocrootIdentity, DocrootState, Done, Excludes, HashFile, HashedFile, Job, Look, Observe,
    ObserveLimits, Observed, Side, Unlisted, run,
};
use mirrormesh_merkle::{Delta, Path, Time, Tree, apply_delta};
use mirrormesh_simulation::disk::{Options, SimDisk};

/// Random numbers, the same for the same seed.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

pub(super) const AMPLE: ObserveLimits =
    ObserveLimits { changes: 2_048, names: 100_000, bytes: 1 << 30 };

/// An observing node.
pub(super) struct Fixture {
    pub(super) disk: SimDisk,
    pub(super) current: Tree,
    pub(super) side: Side,
    pub(super) excludes: Arc<Excludes>,
    pub(super) limits: ObserveLimits,
    pub(super) large_bytes: u64,
    pub(super) give_up: Vec<Path>,
    pub(super) rehash: bool,
    pub(super) expected: Option<DocrootIdentity>,
    pub(super) hashed: Vec<HashedFile>,
    /// Names that were not stable or not readable when they were looked at last.
    pub(super) retry: BTreeSet<Path>,
    /// Whether deltas are checked, which reads the ordered store.
    pub(super) checks: bool,
}

impl Fixture {
    pub(super) fn new(options: Options) -> Fixture {
        Fixture {
            disk: SimDisk::new(options),
            current: Tree::empty(),
            side: Side::Origin,
            excludes: Arc::new(Excludes::none()),
            limits: AMPLE,
            large_bytes: 1 << 40,
            give_up: Vec::new(),
            rehash: false,
            expected: None,
            hashed: Vec::new(),
            retry: BTreeSet::new(),
            checks: true,
        }
    }

    pub(super) fn exclude(&mut self, patterns: &[&str]) {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        self.excludes = Arc::new(Excludes::new(&patterns).unwrap());
    }

    /// The machine's clock goes on.
    pub(super) fn pass(&self, nanoseconds: u64) {
        advance(&self.disk, nanoseconds);
    }

    /// One job.
    pub(super) fn job(&mut self, looks: Vec<Look>) -> Observed {
        let before = self.current;
        let job = Observe {
            side: self.side.clone(),
            current: before,
            looks,
            hashed: std::mem::take(&mut self.hashed),
            excludes: Arc::clone(&self.excludes),
            expected: self.expected,
            large_bytes: self.large_bytes,
            give_up: self.give_up.clone(),
            inline: true,
            limits: self.limits,
            rehash: self.rehash,
            judgement: Default::default(),
        };
        let Done::Observe(observed) = run(Job::Observe(job), &self.disk).unwrap() else {
            panic!("another answer");
        };
        self.current = observed.tree;
        if let DocrootState::Same(identity) = observed.docroot {
            self.expected = Some(identity);
        }
        self.check_delta(&before, &observed);
        for (path, why) in &observed.unlisted {
            match why {
                Unlisted::Moving | Unlisted::OpenForWriting | Unlisted::Unreadable(_) => {
                    self.retry.insert(path.clone());
                }
                _ => {}
            }
        }
        observed
    }

    fn check_delta(&self, before: &Tree, observed: &Observed) {
        assert_eq!(before.root != observed.tree.root, observed.changes > 0);
        assert_eq!(observed.delta.is_some(), observed.changes > 0, "these deltas fit");
        if let Some(bytes) = observed.delta.as_ref().filter(|_| self.checks) {
            let delta = Delta::decode(bytes).unwrap();
            let mut pending = Pending::new(&self.disk);
            let reached = apply_delta(&mut pending, before, &delta).unwrap();
            assert_eq!(reached, observed.tree);
        }
    }

    /// Jobs until nothing is left to look at; large files are hashed.
    pub(super) fn settle(&mut self, looks: Vec<Look>) -> Vec<Observed> {
        let mut all = Vec::new();
        let mut left = looks;
        let mut jobs = 0;
        while !left.is_empty() {
            jobs += 1;
            assert!(jobs < 10_000, "the jobs do not end: {left:?}");
            let observed = self.job(left);
            left = merged(observed.more.clone());
            for path in &observed.large {
                let job = HashFile { path: path.clone(), side: self.side.clone() };
                let Done::HashFile(hashed) = run(Job::HashFile(job), &self.disk).unwrap() else {
                    panic!("another answer");
                };
                self.hashed.push(hashed);
                left.push(look(path.clone(), Depth::Name));
            }
            all.push(observed);
        }
        all
    }

    /// Looks at everything.
    pub(super) fn scan(&mut self) -> Vec<Observed> {
        self.settle(vec![look(Path::root(), Depth::Subtree)])
    }

    /// Looks that hints and earlier jobs ask for.
    pub(super) fn hinted(&mut self) -> Vec<Look> {
        let mut looks = BTreeSet::new();
        for hint in self.disk.take_hints() {
            let depth = if hint.kind == HintKind::Lost { Depth::Subtree } else { Depth::Name };
            looks.insert(look(hint.path, depth));
        }
        for path in std::mem::take(&mut self.retry) {
            looks.insert(look(path, Depth::Name));
        }
        looks.into_iter().collect()
    }

    /// Looks until there are no hints and nothing unstable.
    pub(super) fn follow_hints(&mut self) {
        for _ in 0..1_000 {
            let looks = self.hinted();
            if looks.is_empty() {
                return;
            }
            self.settle(looks);
            self.pass(3_000_000_000);
        }
        panic!("it does not come to rest: {:?}", self.retry);
    }
}

pub(super) fn advance(disk: &SimDisk, nanoseconds: u64) {
    let now = disk.now();
    let sum = u64::from(now.nanoseconds) + nanoseconds;
    disk.set_clock(Time {
        seconds: now.seconds + (sum / 1_000_000_000) as i64,
        nanoseconds: (sum % 1_000_000_000) as u32,
    });
}

pub(super) fn look(path: Path, depth: Depth) -> Look {
    Look { path, depth, after: None }
}

pub(super) fn path(text: &str) -> Path {
    Path::from_bytes(text.as_bytes()).unwrap()
}

/// One look a path, as the core keeps them: the wider one wins.
fn merged(looks: Vec<Look>) -> Vec<Look> {
    let paths: BTreeSet<&Path> = looks.iter().map(|look| &look.path).collect();
    assert_eq!(paths.len(), looks.len(), "two looks at one path: {looks:?}");
    looks
}

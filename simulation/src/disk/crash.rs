//! Crashes: which of the pending changes survive.
//!
//! An image is the durable tree and ordered store with some of what was pending. It is built by
//! asking a [`Chooser`] one question after another, always in the same order; whoever answers
//! decides which image it is. Answer 0 is the oldest state, the last answer the newest.

use std::collections::{BTreeMap, BTreeSet};

use super::draw::Draws;
use super::pending::{Operation, Pending};
use super::state::State;
use super::tables::Tables;
use super::tree::{Change, ChangeId, Key, Tree};

/// Which of the changes that were not durable survive a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// None.
    Strict,
    /// All.
    Lucky,
    /// Names as a prefix of their history; of data, attributes and commits whatever is drawn.
    Ordered,
    /// Whatever is drawn from all that syncs permit. Names, data, attributes and commits have
    /// luck of their own, so that names often survive without their data, and the reverse.
    Hostile,
    /// The process ends and the machine goes on: all of the file system survives, of commits that
    /// were not durable a prefix.
    Killed,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 5] =
        [Policy::Strict, Policy::Lucky, Policy::Ordered, Policy::Hostile, Policy::Killed];
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// How many commits survive.
    Commits,
    /// Whether a change of names survives.
    Names,
    /// Whether shared blocks survive.
    Share,
    /// Which version of an inode's attributes survives.
    Attributes,
    /// Which version of a sector survives.
    Sector,
}

/// Answers the questions that make an image.
pub(super) trait Chooser {
    /// A number below `options`, which is at least 2.
    fn choose(&mut self, question: Question, options: usize) -> usize;
}

/// What a crash did to changes that were not durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Changes of names that survived, and that were lost.
    pub names: (u64, u64),
    /// Sectors of files with a name that survived in their newest version, and that did not.
    pub sectors: (u64, u64),
    /// Inodes with a name whose newest attributes survived, and whose did not.
    pub attributes: (u64, u64),
    /// Commits to the ordered store that survived, and that were lost.
    pub commits: (u64, u64),
    /// Files of which some new sectors survived and some did not.
    pub torn_files: u64,
}

impl Hits {
    /// Whether anything was pending.
    pub fn hit_pending(&self) -> bool {
        [self.names, self.sectors, self.attributes, self.commits].iter().any(|&hit| hit != (0, 0))
    }

    /// Whether anything was lost.
    pub fn lost_anything(&self) -> bool {
        [self.names, self.sectors, self.attributes, self.commits].iter().any(|hit| hit.1 > 0)
    }
}

/// What a crash leaves.
pub(super) struct Survived {
    pub(super) tree: Tree,
    pub(super) tables: Tables,
    pub(super) hits: Hits,
}

fn count(hit: &mut (u64, u64), survived: bool) {
    if survived { hit.0 += 1 } else { hit.1 += 1 }
}

/// Builds the image that the answers say.
pub(super) fn survive(state: &State, chooser: &mut dyn Chooser) -> Survived {
    let mut hits = Hits::default();
    let commits = state.store.pending();
    let kept = match commits {
        0 => 0,
        _ => chooser.choose(Question::Commits, commits + 1),
    };
    hits.commits = (kept as u64, (commits - kept) as u64);
    let mut tree = state.durable.clone();
    keep_names(&state.pending, &mut tree, chooser, &mut hits);
    let reachable = reachable(&tree, &state.pending);
    for key in reachable {
        keep_inode(&state.pending, key, &mut tree, chooser, &mut hits);
    }
    tree.settle();
    Survived { tree, tables: state.store.with_first(kept), hits }
}

fn keep_names(pending: &Pending, tree: &mut Tree, chooser: &mut dyn Chooser, hits: &mut Hits) {
    let mut lost: BTreeSet<ChangeId> = BTreeSet::new();
    let may_be = |operation: &Operation, lost: &BTreeSet<ChangeId>| {
        let mut needed = operation.after.iter().chain(&operation.parents);
        !needed.any(|id| lost.contains(id))
    };
    for (id, operation) in pending.iter() {
        if !matches!(*operation.change, Change::Names(_)) {
            continue;
        }
        let survives = may_be(operation, &lost) && chooser.choose(Question::Names, 2) == 1;
        count(&mut hits.names, survives);
        if survives {
            tree.apply(id, &operation.change);
        } else {
            lost.insert(id);
        }
    }
}

/// Inodes with pending changes to which a name leads.
fn reachable(tree: &Tree, pending: &Pending) -> Vec<Key> {
    let named = |&key: &Key| {
        let mut at = key;
        for _ in 0..=tree.inodes.len() {
            let Some(inode) = tree.get(at) else { return false };
            match &inode.home {
                Some((parent, _)) => at = *parent,
                // The root of a mount, or nothing that has a name that is known.
                None => return inode.links > 0,
            }
        }
        panic!("a directory lies in itself");
    };
    pending.keys().filter(named).collect()
}

fn keep_inode(
    pending: &Pending,
    key: Key,
    tree: &mut Tree,
    chooser: &mut dyn Chooser,
    hits: &mut Hits,
) {
    let mut shares: Vec<(ChangeId, &Change)> = Vec::new();
    let mut attributes: Vec<(ChangeId, &Change)> = Vec::new();
    let mut sectors: BTreeMap<u64, Vec<(ChangeId, &Change)>> = BTreeMap::new();
    for (id, change) in pending.of(key) {
        match change {
            Change::Share { .. } => shares.push((id, change)),
            Change::Attributes { .. } => attributes.push((id, change)),
            Change::Sector { index, .. } => sectors.entry(*index).or_default().push((id, change)),
            Change::Names(_) => {}
        }
    }
    let mut keep = |question, versions: &[(ChangeId, &Change)], hit: &mut (u64, u64)| {
        let kept = match versions.len() {
            0 => return None,
            length => chooser.choose(question, length + 1),
        };
        if let Some((id, change)) = kept.checked_sub(1).and_then(|kept| versions.get(kept)) {
            tree.apply(*id, change);
        }
        count(hit, kept == versions.len());
        Some(kept)
    };
    keep(Question::Attributes, &attributes, &mut hits.attributes);
    let mut of_file = (0, 0);
    keep(Question::Share, &shares, &mut of_file);
    for versions in sectors.values() {
        keep(Question::Sector, versions, &mut of_file);
    }
    hits.torn_files += u64::from(of_file.0 > 0 && of_file.1 > 0);
    hits.sectors.0 += of_file.0;
    hits.sectors.1 += of_file.1;
}

/// Answers as a policy says.
pub(super) struct ByPolicy {
    policy: Policy,
    draws: Draws,
    /// How many changes of names survive under [`Policy::Ordered`].
    names_left: u64,
    /// Luck of commits, names, attributes and sectors, in eighths.
    luck: [u64; 4],
}

impl ByPolicy {
    pub(super) fn new(policy: Policy, seed: u64, pending: &Pending) -> ByPolicy {
        let mut draws = Draws::new(seed);
        let names = pending.iter().filter(|(_, one)| matches!(*one.change, Change::Names(_)));
        let names_left = draws.below(names.count() as u64 + 1);
        let luck = std::array::from_fn(|_| [1, 4, 7][draws.below(3) as usize]);
        ByPolicy { policy, draws, names_left, luck }
    }

    fn draw(&mut self, question: Question, options: usize) -> usize {
        let luck = match question {
            Question::Commits => self.luck[0],
            Question::Names => self.luck[1],
            Question::Attributes => self.luck[2],
            Question::Share | Question::Sector => self.luck[3],
        };
        if self.draws.below(8) < luck {
            options - 1
        } else {
            self.draws.below(options as u64 - 1) as usize
        }
    }
}

impl Chooser for ByPolicy {
    fn choose(&mut self, question: Question, options: usize) -> usize {
        match (self.policy, question) {
            (Policy::Strict, _) => 0,
            (Policy::Lucky, _) => options - 1,
            (Policy::Killed, Question::Commits) => self.draws.below(options as u64) as usize,
            (Policy::Killed, _) => options - 1,
            (Policy::Ordered, Question::Names) => match self.names_left.checked_sub(1) {
                Some(left) => {
                    self.names_left = left;
                    1
                }
                None => 0,
            },
            (Policy::Ordered | Policy::Hostile, _) => self.draw(question, options),
        }
    }
}

//! All images that a crash may leave, one after another.
//!
//! The answers to the questions of [`super::crash`] are counted through like the digits of a
//! number. If there are more images than the bound, some are drawn instead, those nearest to the
//! two extremes first, since most failures need few surprises.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use mirrormesh::store::{Place, Table};
use mirrormesh_merkle::Time;

use super::SimDisk;
use super::crash::{ByPolicy, Chooser, Hits, Policy, Question, Survived, survive};
use super::faults::Faults;
use super::options::Options;
use super::places::Mount;
use super::seen::Seen;
use super::state::State;
use super::tables::Tables;
use super::tree::{ChangeId, Key, Tree};

/// A machine that is off: what a crash left, until it is started again.
#[derive(Clone)]
pub struct Image {
    pub(super) options: Options,
    pub(super) tree: Tree,
    pub(super) tables: Tables,
    pub(super) mounts: BTreeMap<u64, Mount>,
    pub(super) faults: Faults,
    pub(super) now: Time,
    pub(super) boot: u64,
    pub(super) next_key: Key,
    pub(super) last_change: ChangeId,
    hits: Hits,
}

impl Image {
    fn new(state: &State, survived: Survived, is_new_boot: bool) -> Image {
        let mut mounts = state.mounts.clone();
        for (&mount, counted) in &mut mounts {
            counted.count(mount, &survived.tree);
        }
        Image {
            options: state.options.clone(),
            tree: survived.tree,
            tables: survived.tables,
            mounts,
            faults: state.faults.lasting(),
            now: state.now,
            boot: state.boot + u64::from(is_new_boot),
            next_key: state.next_key,
            last_change: state.pending.last(),
            hits: survived.hits,
        }
    }

    /// Starts the machine: a disk with this content, all of it durable, nothing open or watched.
    pub fn reopen(&self) -> SimDisk {
        SimDisk::on_image(self)
    }

    /// What the crash did to changes that were not durable.
    pub fn hits(&self) -> Hits {
        self.hits
    }

    /// Everything in the docroot but a work directory inside, by path; empty without docroot.
    pub fn tree_of_docroot(&self) -> BTreeMap<Vec<u8>, Seen> {
        seen_in(&self.tree, Place::Docroot, &self.options)
    }

    /// Everything in the work directory, by path.
    pub fn tree_of_work(&self) -> BTreeMap<Vec<u8>, Seen> {
        seen_in(&self.tree, Place::Work, &self.options)
    }

    /// A value of the ordered store.
    pub fn value(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.tables.get(table, key)
    }
}

pub(super) fn seen_in(tree: &Tree, place: Place, options: &Options) -> BTreeMap<Vec<u8>, Seen> {
    let work = tree.place(Place::Work, options.work);
    match tree.place(place, options.work) {
        Some(root) => tree.seen_below(root, work.filter(|&work| work != root)),
        None => BTreeMap::new(),
    }
}

/// Builds the image that a policy and a seed say.
pub(super) fn drawn(state: &State, policy: Policy, seed: u64) -> Image {
    let mut chooser = ByPolicy::new(policy, seed, &state.pending);
    Image::new(state, survive(state, &mut chooser), policy != Policy::Killed)
}

/// Gives planned answers, and 0 beyond the plan; remembers what was asked.
struct Counting {
    /// Answers so far with the number of options.
    answers: Vec<(usize, usize)>,
    asked: usize,
}

impl Counting {
    /// Goes on to the next answers; `false` after the last.
    fn advance(&mut self) -> bool {
        self.asked = 0;
        while let Some((answer, options)) = self.answers.pop() {
            if answer + 1 < options {
                self.answers.push((answer + 1, options));
                return true;
            }
        }
        false
    }
}

impl Chooser for Counting {
    fn choose(&mut self, _: Question, options: usize) -> usize {
        if self.asked == self.answers.len() {
            self.answers.push((0, options));
        }
        let answer = self.answers[self.asked].0;
        self.asked += 1;
        answer
    }
}

/// One extreme, but for one answer.
struct AllBut {
    newest: bool,
    other: usize,
    asked: usize,
}

impl Chooser for AllBut {
    fn choose(&mut self, _: Question, options: usize) -> usize {
        let newest = self.newest != (self.asked == self.other);
        self.asked += 1;
        if newest { options - 1 } else { 0 }
    }
}

/// How an image is made.
enum Recipe {
    Answers(Vec<(usize, usize)>),
    AllBut { newest: bool, other: usize },
    Seed(u64),
}

/// Images that a crash now may leave. The disk must not change meanwhile.
pub struct Images {
    state: Rc<RefCell<State>>,
    recipes: std::vec::IntoIter<Recipe>,
    is_complete: bool,
}

impl Images {
    pub(super) fn new(shared: &Rc<RefCell<State>>, bound: usize) -> Images {
        let state = shared.borrow();
        let mut recipes = Vec::new();
        let mut counting = Counting { answers: Vec::new(), asked: 0 };
        let is_complete = loop {
            if recipes.len() == bound {
                break false;
            }
            survive(&state, &mut counting);
            recipes.push(Recipe::Answers(counting.answers.clone()));
            if !counting.advance() {
                break true;
            }
        };
        if !is_complete {
            recipes = few_surprises(&state, bound);
        }
        drop(state);
        Images { state: Rc::clone(shared), recipes: recipes.into_iter(), is_complete }
    }

    /// Whether these are all images, and not only some.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

fn few_surprises(state: &State, bound: usize) -> Vec<Recipe> {
    let questions = |newest| {
        let mut chooser = AllBut { newest, other: usize::MAX, asked: 0 };
        survive(state, &mut chooser);
        chooser.asked
    };
    let (oldest, newest) = (questions(false), questions(true));
    let extremes = [false, true].map(|newest| Recipe::AllBut { newest, other: usize::MAX });
    let single = (0..oldest.max(newest)).flat_map(|other| {
        [(false, oldest), (true, newest)]
            .into_iter()
            .filter(move |&(_, asked)| other < asked)
            .map(move |(newest, _)| Recipe::AllBut { newest, other })
    });
    // A third is left for combinations.
    let nearest = extremes.into_iter().chain(single).take(bound - bound / 3);
    let mut recipes: Vec<Recipe> = nearest.collect();
    let drawn = (bound - recipes.len()) as u64;
    recipes.extend((0..drawn).map(|number| Recipe::Seed(state.options.seed ^ number)));
    recipes
}

impl Iterator for Images {
    type Item = Image;

    fn next(&mut self) -> Option<Image> {
        let recipe = self.recipes.next()?;
        let state = &*self.state.borrow();
        Some(match recipe {
            Recipe::Answers(answers) => {
                let survived = survive(state, &mut Counting { answers, asked: 0 });
                Image::new(state, survived, true)
            }
            Recipe::AllBut { newest, other } => {
                let survived = survive(state, &mut AllBut { newest, other, asked: 0 });
                Image::new(state, survived, true)
            }
            Recipe::Seed(seed) => drawn(state, Policy::Hostile, seed),
        })
    }
}

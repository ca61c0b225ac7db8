//! Apply against a slow model: whatever the old tree, the new tree, the limits and the file system,
//! every moment shows old or new versions and never a mix, and the end is the target.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use mirrormesh::store::plan::PlanLimits;
use mirrormesh::store::{Durability, recover};
use mirrormesh_merkle::Time;
use mirrormesh_simulation::disk::{Actor, CrashPlan, Options, Policy, SimDisk};

use super::apply_world::{
    Docroot, Follower, Thing, check_equal, check_visible, current, file, is_somewhere, prepare,
    set_target, store_tree,
};

/// Numbers from a seed.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }
}

/// The seeds from `SEED` on, `SEEDS` of them; both can be set in the environment.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SEED").unwrap_or(0);
    first..first + number("SEEDS").unwrap_or(600)
}

const NAMES: [&str; 7] = ["a", "b", "c", "d.html", "e.php", "f.css", "g"];

fn draw_file(draws: &mut Draws) -> Thing {
    // Few different contents, so that many are copies and moves of each other.
    let number = draws.below(9);
    let content = match number {
        0 => Vec::new(),
        number => format!("content {number} ").repeat(1 + number * number * 40).into_bytes(),
    };
    let mode = [0o644, 0o600, 0o755][draws.below(3)];
    let mtime = 1_000 + draws.below(2) as i64;
    Thing::File { content, mode, mtime, unserved: false }
}

fn draw_path(draws: &mut Draws, docroot: &Docroot) -> String {
    let directories: Vec<&String> = docroot
        .iter()
        .filter(|(_, thing)| matches!(thing, Thing::Directory(_)))
        .map(|(path, _)| path)
        .collect();
    let name = NAMES[draws.below(NAMES.len())];
    match draws.below(directories.len() + 1) {
        0 => name.to_string(),
        at => format!("{}/{name}", directories[at - 1]),
    }
}

fn remove(docroot: &mut Docroot, path: &str) {
    let below = format!("{path}/");
    docroot.retain(|at, _| at != path && !at.starts_with(&below));
}

/// Moves a path with everything below it.
fn rename(docroot: &mut Docroot, from: &str, to: &str) {
    if to == from || to.starts_with(&format!("{from}/")) || from.starts_with(&format!("{to}/")) {
        return;
    }
    remove(docroot, to);
    let below = format!("{from}/");
    let moved: Vec<(String, Thing)> = docroot
        .iter()
        .filter(|(at, _)| *at == from || at.starts_with(&below))
        .map(|(at, thing)| (format!("{to}{}", &at[from.len()..]), thing.clone()))
        .collect();
    remove(docroot, from);
    docroot.extend(moved);
}

fn draw_change(draws: &mut Draws, docroot: &mut Docroot) {
    let path = draw_path(draws, docroot);
    let existing: Vec<String> = docroot.keys().cloned().collect();
    match draws.below(10) {
        0..=2 => {
            remove(docroot, &path);
            docroot.insert(path, draw_file(draws));
        }
        3 => {
            remove(docroot, &path);
            docroot.insert(path, Thing::Link(format!("target{}", draws.below(4)).into_bytes()));
        }
        4 | 5 if !matches!(docroot.get(&path), Some(Thing::Directory(_))) => {
            docroot.insert(path, Thing::Directory([0o755, 0o750][draws.below(2)]));
        }
        6 if !existing.is_empty() => {
            remove(docroot, &existing[draws.below(existing.len())]);
        }
        7 | 8 if !existing.is_empty() => {
            rename(docroot, &existing[draws.below(existing.len())], &path);
        }
        9 if existing.len() > 1 => {
            let (left, right) =
                (&existing[draws.below(existing.len())], &existing[draws.below(existing.len())]);
            if let (Some(Thing::File { .. }), Some(Thing::File { .. })) =
                (docroot.get(left), docroot.get(right))
            {
                let (one, two) = (docroot[left].clone(), docroot[right].clone());
                docroot.insert(left.clone(), two);
                docroot.insert(right.clone(), one);
            }
        }
        _ => {}
    }
}

fn draw_docroot(draws: &mut Draws, changes: usize) -> Docroot {
    let mut docroot = Docroot::new();
    (0..changes).for_each(|_| draw_change(draws, &mut docroot));
    docroot
}

fn draw_limits(draws: &mut Draws) -> PlanLimits {
    PlanLimits {
        items: [1, 2, 3, 7, 1_000][draws.below(5)],
        placed: [1, 2, 1_000][draws.below(3)],
        bytes: [1, 5_000, 1 << 20][draws.below(3)],
        path_bytes: [1, 20, 1 << 20][draws.below(3)],
        large_bytes: [2_000, 1 << 20][draws.below(2)],
    }
}

/// Checks the laws after each visible change of the program's.
fn watch(disk: &SimDisk, old: &Docroot, new: &Docroot, names: bool) -> Rc<RefCell<Watch>> {
    let watch = Rc::new(RefCell::new(Watch::default()));
    let (shared, old, new) = (Rc::clone(&watch), old.clone(), new.clone());
    disk.on_visible_change(move |group, disk| {
        let mut watch = shared.borrow_mut();
        watch.changes += 1;
        if group.iter().any(|change| change.actor == Actor::User) {
            return;
        }
        let seen = disk.tree_of_docroot();
        let checked = check_visible(&seen, &old, &new, &watch.edited, names);
        if let (Err(error), None) = (checked, &watch.error) {
            let operations: Vec<_> = group.iter().map(|change| change.operation).collect();
            watch.error = Some(format!("{error} after {operations:?}"));
        }
    });
    watch
}

#[derive(Default)]
struct Watch {
    changes: u64,
    edited: BTreeSet<Vec<u8>>,
    error: Option<String>,
}

fn run(seed: u64) {
    let mut draws = Draws(seed);
    let options = Options { open_limit: 200, ..Options::draw(draws.next()) };
    let disk = SimDisk::new(options.clone());
    let changes = draws.below(25);
    let old = draw_docroot(&mut draws, changes);
    let mut new = old.clone();
    for _ in 0..1 + draws.below(20) {
        draw_change(&mut draws, &mut new);
    }
    prepare(&disk, &old);
    let watch = watch(&disk, &old, &new, options.exchange);
    store_tree(&disk, &new);
    let mut follower = Follower::new(&disk, &new);
    follower.limits = draw_limits(&mut draws);
    follower.seed = draws.next();
    if draws.one_in(4) {
        follower.durability = Durability::Relaxed;
    }
    let mut last = match draws.one_in(3) {
        true => follower.all_at_once().expect("applies"),
        false => follower.pass().expect("applies"),
    };
    // Coarse time stamps let a row be doubted: then it is looked at first.
    if !last.look.is_empty() {
        assert!(options.time_step > 1_000, "seed {seed}: {last:?}");
        last = follower.converge().expect("converges");
    }
    let what =
        format!("seed {seed}: {old:#?} -> {new:#?}, {last:?}, {:?}, {options:?}", follower.limits);
    assert_eq!(last.failed, [], "{what}");
    assert_eq!(watch.borrow().error, None, "{what}");
    assert_eq!(check_equal(&disk.tree_of_docroot(), &new, &BTreeSet::new()), Ok(()), "{what}");
    assert_eq!(current(&disk).root, follower.target.root, "{what}");
    assert_eq!(last.set_aside, 0, "{what}");
    let work = disk.tree_of_work();
    assert!(work.keys().all(|path| !path.contains(&b'/')), "{what}: {:?}", work.keys());
    follower.observe_all().expect("observes");
    assert_eq!(current(&disk).root, follower.target.root, "{what}: the scan disagrees");
}

#[test]
fn every_moment_shows_old_or_new_and_the_end_is_the_target() {
    for seed in seeds() {
        run(seed);
    }
}

type Edits = Rc<RefCell<BTreeMap<Vec<u8>, Vec<u8>>>>;

/// Has users edit at random moments. Returns what they wrote last, by path.
fn edit_meanwhile(
    disk: &SimDisk,
    old: &Docroot,
    new: &Docroot,
    watch: &Rc<RefCell<Watch>>,
    seed: u64,
) -> Edits {
    let edits = Edits::default();
    let paths: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    let (shared, seen) = (Rc::clone(&edits), Rc::clone(watch));
    let mut number = 0;
    let mut draws = Draws(seed);
    let gap = 1 + draws.below(60);
    disk.before_primitive(move |_, primitives, disk| {
        let now = Time { seconds: 1_900_000_000, nanoseconds: primitives as u32 * 1_000 };
        disk.set_clock(now);
        if paths.is_empty() || !draws.one_in(gap) {
            return;
        }
        number += 1;
        let mut path = paths[draws.below(paths.len())].clone();
        if draws.one_in(4) {
            path = format!("{path}.local");
        }
        let content = format!("edit {number} ").repeat(number).into_bytes();
        // What replaces has a name of its own for a moment, or for ever if it cannot.
        let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let part = format!("{above}/.{name}.part");
        let part = part.trim_start_matches('/').as_bytes().to_vec();
        seen.borrow_mut().edited.extend([path.clone().into_bytes(), part]);
        let written = match draws.below(2) {
            0 => disk.user_write(&path, &content),
            _ => disk.user_replace(&path, &content),
        };
        if written.is_ok() {
            shared.borrow_mut().insert(path.into_bytes(), content);
        }
    });
    edits
}

/// An edit that lies neither in the docroot nor among what is kept.
fn lost(disk: &SimDisk, edits: &Edits) -> Option<(String, String)> {
    let (docroot, work) = (disk.tree_of_docroot(), disk.tree_of_work());
    let edits = edits.borrow();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lost = edits.iter().find(|(_, content)| !is_somewhere(&docroot, &work, content));
    lost.map(|(path, content)| (text(path), text(content)))
}

/// Edits by users at random moments.
fn run_with_edits(seed: u64) {
    let mut draws = Draws(seed ^ 0xed17);
    let options = Options { time_step: 1, ..Options::draw(draws.next()) };
    // Without exchange there is a moment between the last look and the rename.
    let options = Options { exchange: true, ..options };
    let disk = SimDisk::new(options.clone());
    let old = draw_docroot(&mut draws, 20);
    let mut new = old.clone();
    for _ in 0..12 {
        draw_change(&mut draws, &mut new);
    }
    prepare(&disk, &old);
    let watch = watch(&disk, &old, &new, true);
    store_tree(&disk, &new);
    let mut follower = Follower::new(&disk, &new);
    follower.limits = draw_limits(&mut draws);
    follower.seed = draws.next();
    let edits = edit_meanwhile(&disk, &old, &new, &watch, seed);
    follower.pass().expect("applies");
    let what = format!("seed {seed}: {old:#?} -> {new:#?}, {:?}, {options:?}", follower.limits);
    assert_eq!(watch.borrow().error, None, "{what}");
    assert_eq!(lost(&disk, &edits), None, "{what}");
    disk.before_primitive(|_, _, _| {});
    follower.converge().expect("converges");
    assert_eq!(lost(&disk, &edits), None, "{what}");
    assert_eq!(check_equal(&disk.tree_of_docroot(), &new, &BTreeSet::new()), Ok(()), "{what}");
}

#[test]
fn edits_made_meanwhile_are_never_lost() {
    for seed in seeds() {
        run_with_edits(seed);
    }
}

/// A process that is killed while users edit: what lies on the disk stays, and is not lost later.
fn run_killed(seed: u64) {
    let mut draws = Draws(seed ^ 0x4111);
    let options = Options { time_step: 1, exchange: true, ..Options::draw(draws.next()) };
    let mut disk = SimDisk::new(options.clone());
    let old = draw_docroot(&mut draws, 15);
    let mut new = old.clone();
    (0..10).for_each(|_| draw_change(&mut draws, &mut new));
    prepare(&disk, &old);
    let tree = store_tree(&disk, &new);
    set_target(&disk, &tree);
    let limits = draw_limits(&mut draws);
    let watch = Rc::new(RefCell::new(Watch::default()));
    let edits = edit_meanwhile(&disk, &old, &new, &watch, seed);
    let what = format!("seed {seed}: {old:#?} -> {new:#?}, {limits:?}, {options:?}");
    for _ in 0..1 + draws.below(4) {
        disk.plan_crash(CrashPlan::BeforePrimitive(draws.below(150) as u64));
        let mut follower = Follower::new(&disk, &new);
        follower.limits = limits;
        follower.seed = draws.next();
        let done = recover(&disk).and_then(|_| follower.converge());
        assert!(
            done.is_ok() || disk.is_crashed() || !edits.borrow().is_empty(),
            "{what}: {done:?}"
        );
        let image = disk.crash(Policy::Killed, draws.next());
        disk = image.reopen();
        recover(&disk).expect("recovers");
        assert_eq!(lost(&disk, &edits), None, "{what}");
    }
    let mut follower = Follower::new(&disk, &new);
    let done = follower.converge();
    assert!(done.is_ok(), "{what}: {done:?}");
    assert_eq!(lost(&disk, &edits), None, "{what}");
    assert_eq!(check_equal(&disk.tree_of_docroot(), &new, &BTreeSet::new()), Ok(()), "{what}");
}

#[test]
fn a_killed_process_loses_no_edit() {
    for seed in seeds() {
        run_killed(seed);
    }
}

/// A machine that loses power at a random moment, with whatever luck.
fn run_crashed(seed: u64) {
    let mut draws = Draws(seed ^ 0xc4a5);
    let options = Options { time_step: 1, ..Options::draw(draws.next()) };
    let disk = SimDisk::new(options.clone());
    let old = draw_docroot(&mut draws, 15);
    let mut new = old.clone();
    (0..10).for_each(|_| draw_change(&mut draws, &mut new));
    prepare(&disk, &old);
    let tree = store_tree(&disk, &new);
    set_target(&disk, &tree);
    let mut follower = Follower::new(&disk, &new);
    follower.limits = draw_limits(&mut draws);
    follower.seed = draws.next();
    disk.plan_crash(CrashPlan::BeforePrimitive(draws.below(400) as u64));
    let done = recover(&disk).and_then(|_| follower.pass());
    let limits = follower.limits;
    let what = format!("seed {seed}: {old:#?} -> {new:#?}, {limits:?}, {options:?}");
    assert!(done.is_ok() || disk.is_crashed(), "{what}: {done:?}");
    let policy = Policy::ALL[draws.below(Policy::ALL.len())];
    let image = disk.crash(policy, draws.next());
    let visible =
        check_visible(&image.tree_of_docroot(), &old, &new, &BTreeSet::new(), options.exchange);
    assert_eq!(visible, Ok(()), "{what}");
    let disk = image.reopen();
    let recovered = recover(&disk).expect("recovers");
    assert_eq!(recovered.kept_count, 0, "{what}: {:?}", recovered.notes);
    let mut follower = Follower::new(&disk, &new);
    follower.limits = limits;
    let done = follower.converge();
    assert!(done.is_ok(), "{what}: {done:?}");
    assert_eq!(check_equal(&disk.tree_of_docroot(), &new, &BTreeSet::new()), Ok(()), "{what}");
    assert_eq!(done.map(|outcome| outcome.set_aside), Ok(0), "{what}");
}

#[test]
fn a_crash_at_any_moment_leaves_old_or_new() {
    for seed in seeds() {
        run_crashed(seed);
    }
}

#[test]
fn one_file_costs_the_same_in_a_small_and_in_a_large_docroot() {
    let cost = |files: usize| {
        let disk = SimDisk::new(Options { open_limit: 8_192, ..Options::default() });
        let mut things: Docroot =
            (0..files).map(|number| (format!("file{number}"), file(format!("{number}")))).collect();
        prepare(&disk, &things);
        things.insert("file3".into(), file("changed"));
        store_tree(&disk, &things);
        let mut follower = Follower::new(&disk, &things);
        let before = disk.counts();
        follower.pass().expect("applies");
        let mut counts = disk.counts();
        for (name, count) in before {
            *counts.entry(name).or_default() -= count;
        }
        // Reading the tree takes a node more for each level of the directory's trie.
        counts.remove("get");
        counts
    };
    assert_eq!(cost(8), cost(4_000));
}

//! Crashes of the jobs that change the docroot or the work directory: at every point, with every
//! image that the disk permits up to a bound. What is left must be old or new, never half; nothing
//! local is lost; and the next start goes on to the target with nothing left over.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use mirrormesh::store::kept::kept;
use mirrormesh::store::plan::PlanLimits;
use mirrormesh::store::stage::stage;
use mirrormesh::store::{
    Batch, Disk, Excludes, KeptDone, KeptJob, Stage, StageStep, Staged, recover,
};
use mirrormesh_merkle::content_hash;
use mirrormesh_simulation::disk::{CrashReport, Image, Options, Policy, SimDisk, each_crash};

use super::apply_world::{
    Docroot, Follower, Thing, check_equal, check_visible, directory, docroot, file, is_somewhere,
    link, path, prepare, set_target, store_tree,
};

/// Images at each point of a crash.
const BOUND: usize = 600;

/// Something to go through with crashes.
struct Scenario {
    name: &'static str,
    old: Docroot,
    new: Docroot,
    /// Edited on this node after it was brought to `old`.
    edits: Docroot,
    excludes: &'static [&'static str],
    /// Not mirrored: stays where it is.
    left: &'static [&'static str],
    limits: PlanLimits,
}

fn scenario<'a>(
    name: &'static str,
    old: impl IntoIterator<Item = (&'a str, Thing)>,
    new: impl IntoIterator<Item = (&'a str, Thing)>,
) -> Scenario {
    Scenario {
        name,
        old: docroot(old),
        new: docroot(new),
        edits: Docroot::new(),
        excludes: &[],
        left: &[],
        limits: PlanLimits::FULL,
    }
}

fn edited<'a>(edits: impl IntoIterator<Item = (&'a str, Thing)>, scenario: Scenario) -> Scenario {
    Scenario { edits: docroot(edits), ..scenario }
}

/// More than one sector, so that it can be torn.
fn long(text: &str) -> Thing {
    file(text.repeat(9_000 / text.len()))
}

fn other(thing: &Thing) -> Thing {
    match thing {
        Thing::File { content, .. } => {
            Thing::File { content: content.clone(), mode: 0o600, mtime: 5_000, unserved: false }
        }
        other => other.clone(),
    }
}

fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("add", [], [("a", long("new")), ("d/e/f", file("deep")), ("d/g", file(""))]),
        scenario(
            "replace",
            [("a", long("old")), ("b", file("old"))],
            [("a", long("new")), ("b", file("new"))],
        ),
        scenario("metadata", [("a", long("same"))], [("a", other(&long("same")))]),
        scenario(
            "move",
            [("a", long("moved")), ("d/x", file("1"))],
            [("b", long("moved")), ("e/x", file("1"))],
        ),
        scenario("move onto", [("a", long("moved")), ("b", file("old"))], [("b", long("moved"))]),
        scenario(
            "swap",
            [("a", long("one")), ("b", long("two"))],
            [("a", long("two")), ("b", long("one"))],
        ),
        scenario(
            "chain",
            [("a", long("1")), ("b", long("2"))],
            [("b", long("1")), ("c", long("2"))],
        ),
        scenario(
            "remove",
            [("a", file("1")), ("d/e/f", file("2")), ("l", link("a"))],
            [("d/g", file("3"))],
        ),
        scenario(
            "links",
            [("l", link("1")), ("f", file("x"))],
            [("l", link("2")), ("m", link("3")), ("f", link("4"))],
        ),
        scenario(
            "file to directory",
            [("a", long("file"))],
            [("a/b/c", long("below")), ("a/d", long("file"))],
        ),
        scenario("link to directory", [("a", link("x"))], [("a/b", file("below"))]),
        scenario(
            "directory to file",
            [("a/b/c", long("below")), ("a/d", file("1"))],
            [("a", long("below"))],
        ),
        scenario("directory to link", [("a/b/c", file("below"))], [("a", link("elsewhere"))]),
        scenario(
            "moved out of a directory that gives way",
            [("a/x", long("moved")), ("b", link("1"))],
            [("a", file("new")), ("b", long("moved"))],
        ),
        scenario("modes", [("d", directory())], [("d", Thing::Directory(0o700))]),
        edited(
            [("a", file("an edit"))],
            scenario("edit replaced", [("a", long("old"))], [("a", long("new"))]),
        ),
        edited([("a", file("an edit"))], scenario("edit removed", [("a", file("old"))], [])),
        edited(
            [("a", link("edit"))],
            scenario("edited link", [("a", link("old"))], [("a", link("new"))]),
        ),
        edited(
            [("a", file("an edit"))],
            scenario("edit to directory", [("a", file("old"))], [("a/b", long("below"))]),
        ),
        edited(
            [("a/b/local", file("an edit")), ("a/new", file("another"))],
            scenario("edits in a directory to file", [("a/b/c", file("1"))], [("a", long("file"))]),
        ),
        edited(
            [("d/local", file("an edit")), ("e/f/g", file("another"))],
            scenario("edits in directories that go", [("d/x", file("1"))], [("z", file("2"))]),
        ),
        Scenario {
            excludes: &["*.log"],
            left: &["d/x.log"],
            ..edited(
                [("d/x.log", file("unmanaged"))],
                scenario("excluded stays", [("d/y", file("1"))], [("z", file("2"))]),
            )
        },
        Scenario {
            excludes: &["*.log"],
            ..edited(
                [("d/x.log", file("unmanaged"))],
                scenario("excluded is kept", [("d/y", file("1"))], [("d", file("2"))]),
            )
        },
        Scenario {
            limits: PlanLimits { large_bytes: 4_000, ..PlanLimits::FULL },
            ..scenario("large", [("b", long("old"))], [("a", long("large")), ("b", long("huge"))])
        },
        Scenario {
            limits: PlanLimits { items: 1, ..PlanLimits::FULL },
            ..scenario(
                "many parcels",
                [("a", file("1")), ("b", file("2")), ("d/x", file("3"))],
                [("a", file("2")), ("b", file("3")), ("c/x", file("1"))],
            )
        },
    ]
}

impl Scenario {
    fn follower<'a>(&self, disk: &'a SimDisk) -> Follower<'a> {
        let mut follower = Follower::new(disk, &self.new);
        let excludes: Vec<String> = self.excludes.iter().map(|text| text.to_string()).collect();
        follower.excludes = Arc::new(Excludes::new(&excludes).expect("patterns"));
        follower.limits = self.limits;
        follower
    }

    /// The machine before the job: everything durable, edits observed.
    fn machine(&self, options: &Options) -> Image {
        let disk = SimDisk::new(options.clone());
        prepare(&disk, &self.old);
        store_tree(&disk, &self.new);
        let follower = self.follower(&disk);
        for (path, thing) in &self.edits {
            match thing {
                Thing::File { content, .. } => disk.user_replace(path, content).expect("edits"),
                Thing::Link(target) => {
                    disk.user_remove(path).expect("edits");
                    disk.user_symlink(path, target).expect("edits");
                }
                Thing::Directory(_) => disk.user_mkdir(path).expect("edits"),
            }
        }
        set_target(&disk, &follower.target);
        follower.observe_all().expect("observes");
        disk.commit(Batch::default(), true).expect("commits");
        disk.write_back();
        disk.crash(Policy::Lucky, 0)
    }

    fn local_files(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.edits.values().filter_map(|thing| match thing {
            Thing::File { content, .. } => Some(content),
            _ => None,
        })
    }

    fn check_image(&self, image: &Image, options: &Options) -> Result<(), String> {
        let mut old = self.old.clone();
        old.extend(self.edits.clone());
        let docroot = image.tree_of_docroot();
        check_visible(&docroot, &old, &self.new, &BTreeSet::new(), options.exchange)?;
        let mut work = image.tree_of_work();
        for (path, seen) in image.tree_of_work() {
            // Whatever is displaced is found there by recovery.
            work.insert([b"kept/".as_slice(), &path].concat(), seen);
        }
        match self.local_files().find(|content| !is_somewhere(&docroot, &work, content)) {
            Some(lost) => Err(format!("{:?} is lost at once", String::from_utf8_lossy(lost))),
            None => Ok(()),
        }
    }

    fn check_resumed(&self, image: &Image) -> Result<(), String> {
        let disk = image.reopen();
        let recovered = recover(&disk).map_err(|error| error.to_string())?;
        if self.edits.is_empty() && recovered.kept_count > 0 {
            return Err(format!("kept what was nobody's edit: {:?}", recovered.notes));
        }
        let mut follower = self.follower(&disk);
        let outcome = follower.converge().map_err(|error| error.to_string())?;
        if !outcome.failed.is_empty() {
            return Err(format!("{outcome:?}"));
        }
        let left = self.left.iter().map(|path| path.as_bytes().to_vec()).collect();
        let (docroot, work) = (disk.tree_of_docroot(), disk.tree_of_work());
        check_equal(&docroot, &self.new, &left)?;
        if let Some(lost) = self.local_files().find(|local| !is_somewhere(&docroot, &work, local)) {
            return Err(format!("{:?} is lost", String::from_utf8_lossy(lost)));
        }
        if self.edits.is_empty() && outcome.set_aside > 0 {
            return Err(format!("set aside what was nobody's edit: {outcome:?}"));
        }
        let kept = work.keys().filter(|path| is_kept_thing(path)).count();
        if listed(&disk).len() != kept {
            return Err(format!("{kept} things are kept, and {:?} listed", listed(&disk)));
        }
        let is_left_over =
            |path: &&Vec<u8>| path.starts_with(b"displaced/") || path.starts_with(b"large/");
        match work.keys().find(is_left_over) {
            Some(path) => Err(format!("{} is left over", String::from_utf8_lossy(path))),
            None => Ok(()),
        }
    }

    fn go_through(&self, options: &Options) -> CrashReport {
        let machine = self.machine(options);
        each_crash(
            || machine.reopen(),
            |disk| {
                let mut follower = self.follower(disk);
                let done = recover(disk).and_then(|_| follower.pass());
                let is_done = done.as_ref().is_ok_and(|outcome| outcome.failed.is_empty());
                assert!(is_done || disk.is_crashed(), "{}: {done:?}", self.name);
            },
            BOUND,
            |point, image| {
                let checked =
                    self.check_image(image, options).and_then(|()| self.check_resumed(image));
                let hits = image.hits();
                assert_eq!(checked, Ok(()), "{} at {point}, {hits:?}, {options:?}", self.name);
            },
        )
    }
}

/// Whether a path in the work directory is a thing that is kept, and not below one.
fn is_kept_thing(path: &[u8]) -> bool {
    path.strip_prefix(b"kept/").is_some_and(|name| !name.contains(&b'/'))
}

fn machines() -> Vec<Options> {
    let capable = Options::default();
    vec![
        capable.clone(),
        Options { unnamed_files: false, reflink: false, ..capable.clone() },
        Options { exchange: false, reflink: false, ..capable },
    ]
}

#[test]
fn a_crash_of_apply_anywhere_leaves_old_or_new_and_is_got_over() {
    let mut images = 0;
    for options in machines() {
        for scenario in scenarios() {
            let report = scenario.go_through(&options);
            assert!(report.losses > 0, "{}: no crash has lost anything", scenario.name);
            images += report.images;
        }
    }
    assert!(images > 9_000, "only {images} images");
}

#[test]
fn a_crash_of_staging_loses_no_more_than_what_was_not_synced() {
    let content = b"large content ".repeat(20_000);
    let (hash, size) = (content_hash(&content), content.len() as u64);
    let things = docroot([("large", file(&content))]);
    let machine = {
        let disk = SimDisk::new(Options::default());
        prepare(&disk, &Docroot::new());
        store_tree(&disk, &things);
        let follower = Follower::new(&disk, &things);
        set_target(&disk, &follower.target);
        disk.crash(Policy::Lucky, 0)
    };
    let report = each_crash(
        || machine.reopen(),
        |disk| {
            let follower = Follower::new(disk, &things);
            let staged = follower.transfer(hash, size);
            assert!(disk.is_crashed() || staged == Ok(Staged::Whole), "{staged:?}");
        },
        BOUND,
        |point, image| {
            let disk = image.reopen();
            recover(&disk).expect("recovers");
            let follower = Follower::new(&disk, &things);
            let staged = follower.transfer(hash, size);
            assert_eq!(staged, Ok(Staged::Whole), "at {point}");
            let work = disk.tree_of_work();
            let part = work.iter().find(|(path, _)| path.starts_with(b"large/"));
            let bytes = part.and_then(|(_, seen)| seen.content.as_ref()).map(|seen| seen.bytes());
            assert!(bytes.as_ref() == Some(&content), "at {point}: not whole");
        },
    );
    assert!(report.losses > 0);
}

#[test]
fn a_part_is_cut_to_what_is_certainly_on_the_medium() {
    const PIECE: usize = 8 << 20;
    let piece: Vec<u8> = (0..PIECE as u64).map(|at| ((at * 0x9e37_79b9) >> 16) as u8).collect();
    let content = piece.repeat(5);
    let (hash, size) = (content_hash(&content), content.len() as u64);
    let things = docroot([("large", file(&content))]);
    for seed in 0..6 {
        let disk = SimDisk::new(Options::default());
        prepare(&disk, &Docroot::new());
        set_target(&disk, &store_tree(&disk, &things));
        let chunk = Bytes::from(piece.clone());
        for number in 0..5 {
            let chunks = vec![chunk.clone()];
            let step = StageStep::Write { offset: number * PIECE as u64, chunks };
            stage(&disk, &Stage { content: hash, size, step }).expect("stages");
        }
        disk.commit(Batch::default(), true).expect("commits");
        let disk = disk.crash(Policy::Hostile, seed).reopen();
        recover(&disk).expect("recovers");
        let open = Stage { content: hash, size, step: StageStep::Open };
        assert_eq!(stage(&disk, &open), Ok(Staged::Partial(32 << 20)));
        let follower = Follower::new(&disk, &things);
        assert_eq!(follower.transfer(hash, size), Ok(Staged::Whole));
    }
}

#[test]
fn staging_takes_what_fits_and_throws_away_what_is_wrong() {
    let disk = SimDisk::new(Options::default());
    recover(&disk).expect("recovers");
    let content = content_hash(b"0123456789");
    let step = |step| stage(&disk, &Stage { content, size: 10, step });
    let write = |offset, bytes: &'static [u8]| {
        step(StageStep::Write { offset, chunks: vec![Bytes::from_static(bytes)] })
    };
    assert_eq!(step(StageStep::Open), Ok(Staged::Partial(0)));
    assert_eq!(write(4, b"4567"), Ok(Staged::Partial(0)), "a hole");
    assert_eq!(write(0, b"0123"), Ok(Staged::Partial(4)));
    assert_eq!(write(0, b"0123"), Ok(Staged::Partial(4)), "twice");
    assert_eq!(step(StageStep::Finish), Ok(Staged::Partial(4)), "too early");
    assert_eq!(write(4, b"456789 and more"), Ok(Staged::Partial(10)));
    assert_eq!(step(StageStep::Finish), Ok(Staged::Whole));
    assert_eq!(step(StageStep::Discard), Ok(Staged::Partial(0)));
    assert_eq!(write(0, b"0123456780"), Ok(Staged::Partial(10)));
    assert_eq!(step(StageStep::Finish), Ok(Staged::Wrong));
    assert_eq!(step(StageStep::Open), Ok(Staged::Partial(0)));
}

/// A machine on which something was set aside from `a` and `d`, and the numbers of both.
fn machine_with_kept(options: &Options) -> Image {
    let scenario = edited(
        [("a", file("an edit")), ("d/e/local", long("another"))],
        scenario(
            "kept",
            [("a", file("old")), ("d/x", file("1"))],
            [("a", file("new")), ("d", file("2"))],
        ),
    );
    let disk = scenario.machine(options).reopen();
    let mut follower = scenario.follower(&disk);
    let outcome = follower.pass().expect("applies");
    assert_eq!(outcome.set_aside, 2, "{outcome:?}");
    disk.commit(Batch::default(), true).expect("commits");
    disk.write_back();
    disk.crash(Policy::Lucky, 0)
}

fn listed(disk: &SimDisk) -> Vec<(u64, String)> {
    match kept(disk, &KeptJob::List { after: 0, limit: 100 }) {
        Ok(KeptDone::List(list)) => {
            list.into_iter().map(|manifest| (manifest.id, manifest.path.to_string())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_set_aside_is_restored_whole_or_not_at_all() {
    for options in machines() {
        let machine = machine_with_kept(&options);
        for (id, to, taken) in
            [(1, "a", true), (1, "new/place", false), (2, "d", true), (2, "z", false)]
        {
            let is_there = |disk: &SimDisk| {
                let docroot = disk.tree_of_docroot();
                let below = if id == 2 { format!("{to}/e/local") } else { to.to_string() };
                let seen = docroot.get(below.as_bytes()).and_then(|seen| seen.content.clone());
                let expected = if id == 2 { long("another") } else { file("an edit") };
                let Thing::File { content, .. } = expected else { unreachable!() };
                seen.is_some_and(|seen| seen.bytes() == content)
            };
            let report = each_crash(
                || machine.reopen(),
                |disk| {
                    let job = KeptJob::Restore { id, to: Some(path(to)) };
                    let done = kept(disk, &job);
                    let is_restored = matches!(done, Ok(KeptDone::Restored(_)));
                    assert!(disk.is_crashed() || is_restored && is_there(disk), "{to}: {done:?}");
                },
                BOUND,
                |point, image| {
                    let disk = image.reopen();
                    let before = disk.tree_of_docroot();
                    let versions = docroot([("a", file("new")), ("d", file("2"))]);
                    let mut restored = docroot([]);
                    match id {
                        1 => drop(restored.insert(to.to_string(), file("an edit"))),
                        _ => restored.extend(docroot([
                            (to, directory()),
                            (&format!("{to}/e/local"), long("another")),
                            (&format!("{to}/x"), file("1")),
                        ])),
                    }
                    restored.insert("new".into(), directory());
                    let visible =
                        check_visible(&before, &versions, &restored, &BTreeSet::new(), false);
                    assert_eq!(visible, Ok(()), "{to} at {point}");
                    recover(&disk).expect("recovers");
                    let whole = disk.tree_of_docroot();
                    assert_eq!(before, whole, "recovery leaves the docroot alone");
                    let numbers: Vec<u64> = listed(&disk).iter().map(|(id, _)| *id).collect();
                    assert!(numbers.starts_with(&[1, 2]), "{to} at {point}: {numbers:?}");
                    if taken && options.exchange {
                        assert!(whole.contains_key(to.as_bytes()), "{to} at {point}: gone");
                    }
                    let old = if to == "a" { "new" } else { "2" };
                    let displaced = is_somewhere(&whole, &disk.tree_of_work(), old.as_bytes());
                    assert!(!taken || displaced, "{to} at {point}: {old} is lost");
                    assert!(
                        disk.tree_of_work().keys().all(|path| !path.starts_with(b"displaced/"))
                    );
                },
            );
            assert!(report.losses > 0);
        }
    }
}

#[test]
fn what_was_set_aside_is_dropped_or_still_listed() {
    let machine = machine_with_kept(&Options::default());
    let report = each_crash(
        || machine.reopen(),
        |disk| {
            let done = kept(disk, &KeptJob::Drop { ids: vec![1, 2, 99] });
            assert!(disk.is_crashed() || matches!(done, Ok(KeptDone::Dropped(2, _))), "{done:?}");
        },
        BOUND,
        |point, image| {
            let disk = image.reopen();
            let recovered = recover(&disk).expect("recovers");
            let work = disk.tree_of_work();
            let things = work.keys().filter(|path| is_kept_thing(path)).count() as u64;
            assert_eq!(listed(&disk).len() as u64, things, "at {point}");
            assert_eq!(recovered.kept_count, things, "at {point}");
        },
    );
    assert!(report.losses > 0);
}

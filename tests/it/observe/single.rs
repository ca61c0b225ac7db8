//! One thing at a time: what is listed, what stays, what goes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use mirrormesh::store::{
    Depth, DocrootState, FileKind, Job, JobError, Look, Observe, Observed, Side, Unlisted, run,
};
use mirrormesh_merkle::{Path, Record, Tree, content_hash, lookup};
use mirrormesh_simulation::disk::{CrashPlan, Options, Policy};

use super::fixture::{AMPLE, Fixture, look, path};
use super::model::{check_books, check_tree, rows};

fn fixture() -> Fixture {
    Fixture::new(Options::default())
}

fn at(fixture: &Fixture, text: &str) -> Option<Record> {
    let nodes = mirrormesh::store::pending::StoredNodes(&fixture.disk);
    lookup(&nodes, &fixture.current.root, &path(text)).unwrap().as_ref().map(Record::from)
}

fn content(fixture: &Fixture, text: &str) -> Option<(mirrormesh_merkle::Hash, bool)> {
    match at(fixture, text)? {
        Record::File(file) => Some((file.content, file.unserved)),
        _ => None,
    }
}

fn unlisted(observed: &[Observed]) -> Vec<(String, Unlisted)> {
    observed
        .iter()
        .flat_map(|observed| &observed.unlisted)
        .map(|(path, why)| (path.to_string(), why.clone()))
        .collect()
}

#[test]
fn an_empty_docroot_is_the_empty_tree() {
    let mut fixture = fixture();
    let observed = fixture.scan();
    assert_eq!(fixture.current, Tree::empty());
    assert_eq!(observed.len(), 1);
    assert_eq!(observed[0].finished, [Path::root()]);
    assert_eq!(observed[0].watched, 1);
}

#[test]
fn a_docroot_that_is_gone_or_another_is_not_observed() {
    let mut fixture = fixture();
    fixture.disk.user_write("a", b"a").unwrap();
    fixture.scan();
    let tree = fixture.current;
    fixture.disk.docroot_vanishes().unwrap();
    let observed = fixture.job(vec![look(Path::root(), Depth::Subtree)]);
    assert!(matches!(observed.docroot, DocrootState::Gone(_)));
    assert_eq!(observed.more, [look(Path::root(), Depth::Subtree)]);
    fixture.disk.docroot_appears().unwrap();
    let observed = fixture.job(vec![look(Path::root(), Depth::Subtree)]);
    assert!(matches!(observed.docroot, DocrootState::Other(_)));
    assert_eq!(fixture.current, tree);
    fixture.disk.docroot_returns().unwrap();
    fixture.disk.mount_over_docroot().unwrap();
    let observed = fixture.job(vec![look(Path::root(), Depth::Subtree)]);
    assert!(matches!(observed.docroot, DocrootState::Other(_)));
    fixture.disk.unmount_docroot().unwrap();
    fixture.scan();
    check_tree(&fixture);
}

#[test]
fn what_is_not_mirrored_is_listed() {
    let mut fixture = fixture();
    fixture.disk.user_mkfifo("fifo").unwrap();
    fixture.disk.user_make_special("socket", FileKind::Socket).unwrap();
    for directory in [".mirrormesh.d", ".mirrormesh", "d", "d/.mirrormesh"] {
        fixture.disk.user_mkdir(directory).unwrap();
    }
    fixture.disk.user_write("d/.mirrormesh-notes", b"x").unwrap();
    fixture.disk.user_mkdir("mounted/below").unwrap();
    fixture.disk.user_write("mounted/file", b"x").unwrap();
    fixture.scan();
    assert!(content(&fixture, "mounted/file").is_some());
    fixture.disk.user_mount("mounted").unwrap();
    let observed = fixture.scan();
    let expected = [
        (".mirrormesh.d".to_string(), Unlisted::Reserved),
        ("d/.mirrormesh".to_string(), Unlisted::Reserved),
        ("d/.mirrormesh-notes".to_string(), Unlisted::Reserved),
        ("fifo".to_string(), Unlisted::Skipped(FileKind::Fifo)),
        ("mounted".to_string(), Unlisted::Mount),
        ("socket".to_string(), Unlisted::Skipped(FileKind::Socket)),
    ];
    assert_eq!(unlisted(&observed), expected, "all but the work directory");
    assert_eq!(fixture.current.files, 0);
    check_books(&fixture);
}

#[test]
fn a_file_open_for_writing_stays_as_published_until_given_up() {
    let mut fixture = fixture();
    fixture.disk.user_write("a", b"first").unwrap();
    fixture.scan();
    fixture.pass(1_000);
    let open = fixture.disk.user_open("a").unwrap();
    fixture.disk.user_write_open(&open, 0, b"second").unwrap();
    let new = fixture.disk.user_open("new").unwrap();
    let observed = fixture.scan();
    let writing = |name: &str| (name.to_string(), Unlisted::OpenForWriting);
    assert_eq!(unlisted(&observed), [writing("a"), writing("new")]);
    let first = content_hash(b"first");
    assert_eq!(content(&fixture, "a"), Some((first, false)));
    assert_eq!(at(&fixture, "new"), None);

    fixture.give_up = vec![path("a"), path("new")];
    let observed = fixture.scan();
    assert_eq!(unlisted(&observed).len(), 2);
    assert_eq!(content(&fixture, "a"), Some((first, true)));
    assert_eq!(at(&fixture, "new"), None);
    assert_eq!(fixture.scan()[0].changes, 0, "given up once");

    fixture.disk.user_close(open);
    fixture.disk.user_close(new);
    fixture.give_up.clear();
    fixture.scan();
    assert_eq!(content(&fixture, "a"), Some((content_hash(b"second"), false)));
    check_tree(&fixture);
}

#[test]
fn an_unserved_file_that_did_not_change_is_served_again() {
    let mut fixture = fixture();
    fixture.disk.user_write("a", b"first").unwrap();
    fixture.scan();
    fixture.pass(1_000);
    fixture.disk.user_chmod("a", 0o600).unwrap();
    fixture.disk.deny("a");
    fixture.give_up = vec![path("a")];
    fixture.scan();
    assert_eq!(content(&fixture, "a"), Some((content_hash(b"first"), true)));
    fixture.disk.allow("a");
    fixture.scan();
    assert_eq!(content(&fixture, "a"), Some((content_hash(b"first"), false)));
    check_tree(&fixture);
}

#[test]
fn what_cannot_be_read_stays_as_it_was_published() {
    let mut fixture = fixture();
    fixture.disk.user_mkdir("d/e").unwrap();
    fixture.disk.user_write("d/e/a", b"a").unwrap();
    fixture.disk.user_write("d/b", b"b").unwrap();
    fixture.scan();
    let tree = fixture.current;
    fixture.pass(1_000);
    fixture.disk.user_write("d/b", b"changed").unwrap();
    fixture.disk.user_write("d/e/a", b"changed").unwrap();
    fixture.disk.deny("d");
    fixture.disk.take_hints();
    let observed = fixture.scan();
    // But nobody can be served with it.
    for (name, published) in [("d/b", b"b"), ("d/e/a", b"a")] {
        assert_eq!(content(&fixture, name), Some((content_hash(published), true)), "{name}");
    }
    assert_eq!((fixture.current.files, fixture.current.bytes), (tree.files, tree.bytes));
    assert!(matches!(&unlisted(&observed)[..], [(at, Unlisted::Unreadable(_))] if at == "d"));
    // Its own stat is as before; it has to be scanned wholly all the same.
    fixture.disk.allow("d");
    fixture.settle(vec![look(path("d"), Depth::Name)]);
    check_tree(&fixture);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_taken() {
    let mut fixture = fixture();
    fixture.disk.user_write("a", &[1; 100_000]).unwrap();
    let active = Rc::new(Cell::new(true));
    let inside = Rc::clone(&active);
    fixture.disk.before_primitive(move |primitive, _, disk| {
        if primitive == "read" && inside.get() {
            super::fixture::advance(disk, 1_000);
            disk.user_write_at("a", 50_000, b"torn").unwrap();
        }
    });
    let observed = fixture.scan();
    assert_eq!(unlisted(&observed), [("a".to_string(), Unlisted::Moving)]);
    assert_eq!(fixture.current, Tree::empty());
    active.set(false);
    fixture.scan();
    check_tree(&fixture);
}

#[test]
fn a_file_opened_and_written_while_it_is_read_is_not_taken_even_under_old_times() {
    let mut fixture =
        Fixture::new(Options { time_step: 4_000_000, short_reads: false, ..Options::default() });
    fixture.disk.user_write("a", &[1; 300_000]).unwrap();
    let writer = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&writer);
    let done = Cell::new(false);
    fixture.disk.before_primitive(move |primitive, _, disk| {
        if primitive == "read" && !done.replace(true) {
            let file = disk.user_open("a").unwrap();
            disk.user_write_open(&file, 0, b"half").unwrap();
            inside.replace(Some(file));
        }
    });
    let observed = fixture.scan();
    assert_eq!(unlisted(&observed), [("a".to_string(), Unlisted::OpenForWriting)]);
    assert_eq!(fixture.current, Tree::empty());
    fixture.disk.user_close(writer.take().expect("it was read"));
    fixture.scan();
    check_tree(&fixture);
}

#[test]
fn kinds_that_change_while_they_are_looked_at_are_looked_at_again() {
    for primitive in ["open_file", "read_symlink", "open_directory", "list", "stat"] {
        let mut fixture = fixture();
        fixture.disk.user_write("a", b"file").unwrap();
        fixture.disk.user_symlink("b", b"target").unwrap();
        fixture.disk.user_mkdir("c/d").unwrap();
        fixture.disk.user_write("c/d/e", b"below").unwrap();
        let done = Cell::new(false);
        fixture.disk.before_primitive(move |called, _, disk| {
            if called == primitive && !done.replace(true) {
                for name in ["a", "b", "c"] {
                    disk.user_remove(name).unwrap();
                }
                disk.user_mkdir("a").unwrap();
                disk.user_write("a/x", b"x").unwrap();
                disk.user_write("b", b"b").unwrap();
                disk.user_symlink("c", b"c").unwrap();
            }
        });
        fixture.scan();
        fixture.scan();
        check_books(&fixture);
        check_tree(&fixture);
    }
}

#[test]
fn what_goes_away_goes_in_bounded_steps() {
    let mut fixture = fixture();
    for directory in 0..5 {
        for file in 0..20 {
            fixture.disk.user_mkdir(format!("gone/{directory}/deeper")).unwrap();
            let at = format!("gone/{directory}/deeper/{file}");
            fixture.disk.user_write(at, b"x").unwrap();
        }
    }
    fixture.disk.user_write("stays", b"x").unwrap();
    fixture.scan();
    fixture.disk.user_remove("gone").unwrap();
    fixture.disk.user_write("gone", b"a file now").unwrap();
    fixture.limits.changes = 7;
    let jobs = fixture.settle(vec![look(path("gone"), Depth::Name)]);
    assert!(jobs.len() >= 15);
    assert!(jobs.iter().all(|job| job.changes <= 7));
    check_books(&fixture);
    check_tree(&fixture);
}

#[test]
fn what_becomes_excluded_leaves_the_tree_and_not_the_disk() {
    let mut fixture = fixture();
    fixture.disk.user_mkdir("cache/deep").unwrap();
    fixture.disk.user_write("cache/deep/x", b"x").unwrap();
    fixture.disk.user_write("page.html", b"x").unwrap();
    fixture.scan();
    fixture.exclude(&["cache/"]);
    fixture.scan();
    assert_eq!(at(&fixture, "cache"), None);
    check_books(&fixture);
    check_tree(&fixture);
    assert!(fixture.disk.tree_of_docroot().contains_key(&b"cache/deep/x"[..]));
    fixture.pass(1_000);
    fixture.disk.user_write("cache/deep/y", b"y").unwrap();
    let looks = fixture.hinted();
    fixture.settle(looks);
    assert_eq!(at(&fixture, "cache"), None);
    fixture.exclude(&[]);
    fixture.scan();
    assert!(at(&fixture, "cache/deep/y").is_some());
    check_tree(&fixture);
}

#[test]
fn what_a_crash_left_behind_is_removed_if_nothing_is_lost() {
    let mut fixture = fixture();
    fixture.disk.user_write("a", b"known").unwrap();
    fixture.scan();
    fixture.disk.user_write(".mirrormesh.tmp-1", b"known").unwrap();
    fixture.disk.user_write(".mirrormesh.tmp-2", b"").unwrap();
    fixture.disk.user_write(".mirrormesh.tmp-3", b"only here").unwrap();
    fixture.disk.user_mkdir(".mirrormesh.tmp-4").unwrap();
    fixture.disk.user_symlink(".mirrormesh.tmp-5", b"x").unwrap();
    let observed = fixture.scan();
    let left: Vec<_> = fixture.disk.tree_of_docroot().into_keys().collect();
    let text = |name: &str| name.as_bytes().to_vec();
    let mut expected = vec![text(".mirrormesh.tmp-4"), text(".mirrormesh.tmp-5"), text("a")];
    if unlisted(&observed).iter().any(|(path, _)| path == ".mirrormesh.tmp-3") {
        expected.insert(0, text(".mirrormesh.tmp-3"));
    }
    assert_eq!(left, expected);
    check_tree(&fixture);
}

#[test]
fn small_new_contents_come_inline() {
    let mut fixture = fixture();
    fixture.disk.user_write("small", b"small").unwrap();
    fixture.disk.user_write("twice", b"small").unwrap();
    fixture.disk.user_write("large", &[7; 16 * 1024 + 1]).unwrap();
    for number in 0..6_u8 {
        fixture.disk.user_write(format!("k{number}"), &[number; 16 * 1024]).unwrap();
    }
    let observed = fixture.scan();
    let inline = &observed[0].inline;
    let bytes: usize = inline.iter().map(|inline| inline.bytes.len()).sum();
    assert!(bytes <= 64 * 1024);
    assert!(inline.iter().all(|inline| content_hash(&inline.bytes) == inline.content));
    let small: Vec<_> = inline.iter().filter(|inline| inline.bytes == b"small"[..]).collect();
    assert_eq!(small.len(), 1);
    fixture.pass(1_000);
    fixture.disk.user_chmod("small", 0o600).unwrap();
    let observed = fixture.scan();
    assert_eq!(observed[0].changes, 1);
    assert!(observed[0].inline.is_empty(), "the content is not new");
}

#[test]
fn paths_beyond_the_limits_are_listed() {
    let mut fixture = fixture();
    let deep = vec!["d"; 1_030].join("/");
    fixture.disk.user_mkdir(&deep).unwrap();
    let observed = fixture.scan();
    let listed = unlisted(&observed);
    assert!(matches!(&listed[..], [(_, Unlisted::TooLong)]), "{listed:?}");
    assert_eq!(rows(&fixture.disk).len(), 1_024);
}

#[test]
fn a_tree_that_the_index_does_not_belong_to_is_refused() {
    let mut fixture = fixture();
    fixture.disk.user_write("a", b"a").unwrap();
    fixture.scan();
    let job = Observe {
        side: Side::Origin,
        current: Tree::empty(),
        looks: vec![look(Path::root(), Depth::Subtree)],
        hashed: Vec::new(),
        excludes: fixture.excludes.clone(),
        expected: None,
        large_bytes: 1,
        give_up: Vec::new(),
        inline: false,
        limits: AMPLE,
        rehash: false,
        judgement: Default::default(),
    };
    let refused = run(Job::Observe(job), &fixture.disk);
    assert!(matches!(refused, Err(JobError::Inconsistent(_))));
}

#[test]
fn a_look_goes_on_after_a_path_that_is_gone() {
    let mut fixture = fixture();
    for name in ["a/1", "b/2", "c/3", "d"] {
        fixture.disk.user_mkdir(name).unwrap();
    }
    let after = Some(path("b/nothing/here"));
    let looked = Look { path: Path::root(), depth: Depth::Subtree, after };
    fixture.settle(vec![looked]);
    let found: Vec<String> = rows(&fixture.disk).keys().map(ToString::to_string).collect();
    // What lies on the way to the path is looked at to find out that it is gone.
    assert_eq!(found, ["b", "b/2", "c", "c/3", "d"]);
    fixture.scan();
    check_tree(&fixture);
}

#[test]
fn bit_rot_is_found_by_reading_again() {
    let mut fixture = fixture();
    fixture.disk.user_write("a", b"good").unwrap();
    fixture.scan();
    fixture.disk.rot("a", 1).unwrap();
    fixture.scan();
    assert_eq!(content(&fixture, "a"), Some((content_hash(b"good"), false)));
    fixture.rehash = true;
    fixture.scan();
    check_tree(&fixture);
}

#[test]
fn a_crash_between_any_two_primitives_costs_a_scan() {
    let prepare = || {
        let mut fixture = fixture();
        for name in ["a", "b/c", "b/d"] {
            fixture.disk.user_mkdir(name).unwrap();
            fixture.disk.user_write(format!("{name}/file"), name.as_bytes()).unwrap();
        }
        fixture.scan();
        fixture.pass(1_000);
        fixture.disk.user_write("a/file", b"changed").unwrap();
        fixture.disk.user_remove("b/c").unwrap();
        fixture.disk.user_symlink("b/c", b"d").unwrap();
        fixture.disk.write_back();
        fixture
    };
    for count in 0.. {
        let mut fixture = prepare();
        fixture.disk.plan_crash(CrashPlan::BeforePrimitive(count));
        let job = Observe {
            side: Side::Origin,
            current: fixture.current,
            looks: vec![look(Path::root(), Depth::Subtree)],
            hashed: Vec::new(),
            excludes: fixture.excludes.clone(),
            expected: None,
            large_bytes: 1 << 30,
            give_up: Vec::new(),
            inline: false,
            limits: AMPLE,
            rehash: false,
            judgement: Default::default(),
        };
        let result = run(Job::Observe(job), &fixture.disk);
        let crashed = fixture.disk.is_crashed();
        assert_eq!(result.is_err(), crashed);
        fixture.disk = fixture.disk.crash(Policy::Lucky, count).reopen();
        fixture.current = stored_tree(&fixture);
        check_books(&fixture);
        fixture.scan();
        check_tree(&fixture);
        if !crashed {
            return;
        }
    }
}

fn stored_tree(fixture: &Fixture) -> Tree {
    let value: Option<Bytes> =
        fixture.disk.value(mirrormesh::store::Table::State, mirrormesh::store::state::CURRENT);
    value.map_or(Tree::empty(), |value| mirrormesh::store::tree_value::decode_tree(&value).unwrap())
}

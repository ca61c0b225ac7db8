//! Apply and Plan, one situation at a time: failures of single paths, hostile users, what is left
//! out, what is left alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use mirrormesh::store::Disk as _;
use mirrormesh::store::resolve::Resolver;
use mirrormesh::store::stage::{ROOM_LEFT, stage};
use mirrormesh::store::{
    DiskErrorKind, Durability, Excludes, FileKind, JobError, Place, Stage, StageStep, Staged,
};
use mirrormesh_merkle::{Name, Path, content_hash};
use mirrormesh_simulation::disk::{FailedSync, Options, Seen, SimDisk};

use crate::apply_world::{
    Docroot, Follower, Outcome, Thing, check_equal, current, directory, docroot, file, link, path,
    prepare, store_tree,
};

mod contents;
mod planning;

/// A disk that was brought to `old` and knows the tree of `new`.
fn disk_at(options: Options, old: &Docroot, new: &Docroot) -> SimDisk {
    let disk = SimDisk::new(options);
    prepare(&disk, old);
    store_tree(&disk, new);
    disk
}

fn things<'a>(things: impl IntoIterator<Item = (&'a str, Thing)>) -> Docroot {
    docroot(things)
}

fn bytes_at(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    let docroot = disk.tree_of_docroot();
    docroot.get(path.as_bytes())?.content.as_ref().map(|content| content.bytes())
}

fn failed(outcome: &Outcome) -> Vec<String> {
    outcome.failed.iter().map(|(path, _)| path.to_string()).collect()
}

fn looks(outcome: &Outcome) -> Vec<String> {
    outcome.look.iter().map(Path::to_string).collect()
}

fn kept_contents(disk: &SimDisk) -> Vec<Vec<u8>> {
    let kept =
        |(path, seen): (Vec<u8>, Seen)| path.starts_with(b"kept/").then_some(seen.content?.bytes());
    disk.tree_of_work().into_iter().filter_map(kept).collect()
}

fn converged(disk: &SimDisk, follower: &mut Follower<'_>, new: &Docroot) {
    follower.converge().expect("converges");
    assert_eq!(check_equal(&disk.tree_of_docroot(), new, &BTreeSet::new()), Ok(()));
}

#[test]
fn a_failed_path_blocks_no_other() {
    let old = things([("d/x", file("1")), ("e/y", file("2"))]);
    let new = things([("d/x", file("changed")), ("d/z/w", file("3")), ("e/y", file("also"))]);
    let disk = disk_at(Options::default(), &old, &new);
    disk.deny("d");
    let mut follower = Follower::new(&disk, &new);
    let outcome = follower.pass().expect("applies");
    let mut paths = failed(&outcome);
    paths.sort();
    assert_eq!(paths, ["d/x", "d/z", "d/z/w"]);
    assert_eq!(bytes_at(&disk, "e/y"), Some(b"also".to_vec()));
    disk.allow("d");
    converged(&disk, &mut follower, &new);
}

#[test]
fn a_full_disk_leaves_pages_that_refer_to_nothing_missing() {
    let big = |text: &str| file(text.repeat(20_000));
    let old = things([("index.html", file("old page"))]);
    let new = things([
        ("a.css", big("a")),
        ("b.css", big("b")),
        ("c.css", big("c")),
        ("index.html", big("refers to all")),
        ("small.html", file("s")),
    ]);
    for unnamed_files in [true, false] {
        let options = Options { unnamed_files, ..Options::default() };
        let disk = disk_at(options, &old, &new);
        disk.leave_room(50_000, 100);
        let mut follower = Follower::new(&disk, &new);
        let outcome = follower.all_at_once().expect("applies");
        assert_eq!(failed(&outcome).len(), 3, "{outcome:?}");
        assert_eq!(bytes_at(&disk, "index.html"), Some(b"old page".to_vec()));
        assert_eq!(bytes_at(&disk, "small.html"), None);
        let names: Vec<String> = disk
            .tree_of_docroot()
            .into_keys()
            .map(|name| String::from_utf8_lossy(&name).into_owned())
            .collect();
        assert_eq!(names, ["a.css", "b.css", "index.html"], "no leftovers");
        disk.leave_room(1 << 30, 1_000);
        converged(&disk, &mut follower, &new);
    }
}

#[test]
fn a_large_file_that_does_not_fit_leaves_room_to_others() {
    let content: Vec<u8> = (0..3 << 20_u32).flat_map(|at: u32| at.to_le_bytes()).collect();
    let new = things([("film.mp4", file(&content))]);
    let disk = disk_at(Options::default(), &things([]), &new);
    let follower = Follower::new(&disk, &new);
    let docroot = disk.open_place(Place::Docroot).unwrap();
    let free = || disk.filesystem(&docroot).unwrap().free_bytes;
    let (hash, size) = (content_hash(&content), content.len() as u64);
    let transfer = |room: u64| {
        disk.leave_room(room, 100);
        follower.transfer(hash, size)
    };

    let error = transfer(size + ROOM_LEFT / 2).expect_err("does not fit");
    assert!(matches!(error, JobError::Disk { kind: DiskErrorKind::NoSpace, .. }), "{error:?}");
    assert_eq!(free(), size + ROOM_LEFT / 2, "nothing is left of it");
    let asked = stage(&disk, &Stage { content: hash, size, step: StageStep::Open });
    asked.expect_err("it is not asked for again before there is more room");
    // The disk itself may say so first: a quota is not among what is free.
    disk.leave_room(size + 2 * ROOM_LEFT, 0);
    follower.transfer(hash, size).expect_err("no inode");
    assert_eq!(transfer(size + 2 * ROOM_LEFT).expect("fits"), Staged::Whole);
}

#[test]
fn a_failed_flush_shows_nothing_and_is_done_again_from_the_beginning() {
    let old = things([("a", file("old"))]);
    let new = things([("a", file("new")), ("d/b", file("b"))]);
    for how in [FailedSync::LooksClean, FailedSync::Vanishes] {
        for unnamed_files in [true, false] {
            let options = Options { unnamed_files, ..Options::default() };
            let disk = disk_at(options, &old, &new);
            let before = disk.tree_of_docroot();
            disk.fail_next_sync(DiskErrorKind::Failed, how);
            let mut follower = Follower::new(&disk, &new);
            let error = follower.pass().expect_err("the flush failed");
            assert!(matches!(error, JobError::Disk { kind: DiskErrorKind::Failed, .. }));
            assert_eq!(disk.tree_of_docroot(), before);
            converged(&disk, &mut follower, &new);
        }
    }
}

#[test]
fn what_is_not_as_the_index_says_is_not_touched() {
    let old =
        things([("a", file("old")), ("b", file("old")), ("c", file("old")), ("d/e", file("1"))]);
    let new = things([("a", file("new")), ("d", file("2")), ("n", file("3")), ("o/p", file("4"))]);
    let disk = disk_at(Options::default(), &old, &new);
    disk.user_write("a", b"an edit").expect("edit");
    disk.user_remove("b").expect("edit");
    disk.user_write("c", b"another").expect("edit");
    disk.user_write("n", b"unknown").expect("edit");
    disk.user_mkdir("o/q").expect("edit");
    let mut follower = Follower::new(&disk, &new);
    let outcome = follower.pass().expect("applies");
    assert_eq!(looks(&outcome), ["a", "b", "c", "n", "o"]);
    assert_eq!(outcome.failed, []);
    assert_eq!(bytes_at(&disk, "a"), Some(b"an edit".to_vec()));
    assert_eq!(bytes_at(&disk, "n"), Some(b"unknown".to_vec()));
    converged(&disk, &mut follower, &new);
    let mut kept = kept_contents(&disk);
    kept.sort();
    assert_eq!(kept, [b"an edit".to_vec(), b"another".to_vec(), b"unknown".to_vec()]);
}

#[test]
fn what_no_scan_will_ever_see_is_an_error_of_its_path() {
    let new = things([("log", file("1")), ("m/x", file("2")), ("pipe", file("3"))]);
    let disk = disk_at(Options::default(), &Docroot::new(), &new);
    disk.user_write("log", b"unmanaged").expect("edit");
    disk.user_mkdir("m").expect("edit");
    disk.user_mount("m").expect("edit");
    disk.user_mkfifo("pipe").expect("edit");
    let mut follower = Follower::new(&disk, &new);
    follower.excludes = Arc::new(Excludes::new(&["log".to_string()]).expect("patterns"));
    follower.observe_all().expect("observes");
    let outcome = follower.pass().expect("applies");
    let mut paths = failed(&outcome);
    paths.sort();
    assert_eq!(paths, ["log", "m", "m/x"]);
    assert_eq!(outcome.look, BTreeSet::new(), "a look would bring nothing");
    assert_eq!(bytes_at(&disk, "log"), Some(b"unmanaged".to_vec()));
    assert_eq!(bytes_at(&disk, "pipe"), Some(b"3".to_vec()), "the pipe is set aside");
}

#[test]
fn an_empty_directory_is_taken_over() {
    let new = things([("d/e", file("1"))]);
    let disk = disk_at(Options::default(), &Docroot::new(), &new);
    disk.user_mkdir("d").expect("edit");
    disk.user_chmod("d", 0o700).expect("edit");
    let mut follower = Follower::new(&disk, &new);
    let outcome = follower.pass().expect("applies");
    assert_eq!((outcome.failed, outcome.look), (vec![], BTreeSet::new()));
    converged(&disk, &mut follower, &new);
}

#[test]
fn an_edit_that_was_published_as_it_is_goes_like_what_was_published() {
    let old = things([("a", file("1")), ("b", file("2")), ("d", directory()), ("d/x", file("3"))]);
    let new = things([("b", file("2")), ("d", file("no directory"))]);
    for published in [false, true] {
        let disk = disk_at(Options::default(), &old, &new);
        store_tree(&disk, &old);
        for (path, thing) in [("a", "edited"), ("d/x", "edited too")] {
            disk.user_write(path, thing.as_bytes()).expect("edit");
        }
        // They are edits of the old tree, which the origin publishes then.
        let follower = Follower::new(&disk, &old);
        follower.observe_all().expect("observed");
        let mut follower = Follower::new(&disk, &new);
        follower.published = published.then(|| current(&disk));
        let outcome = follower.pass().expect("applies");
        assert_eq!(outcome.set_aside, if published { 0 } else { 2 });
        converged(&disk, &mut follower, &new);
        assert_eq!(kept_contents(&disk).len(), if published { 0 } else { 2 });
    }
}

#[test]
fn beyond_the_budget_an_edit_stays_and_the_rest_goes_on() {
    let old = things([("a", file("old")), ("b", file("old"))]);
    let new = things([("a", file("new")), ("b", file("new"))]);
    let disk = disk_at(Options::default(), &old, &new);
    disk.user_write("a", b"ten bytes.").expect("edit");
    let mut follower = Follower::new(&disk, &new);
    follower.observe_all().expect("observes");
    follower.keep_bytes = 9;
    let outcome = follower.pass().expect("applies");
    assert_eq!(failed(&outcome), ["a"]);
    assert_eq!(bytes_at(&disk, "a"), Some(b"ten bytes.".to_vec()));
    assert_eq!(bytes_at(&disk, "b"), Some(b"new".to_vec()));
    follower.keep_bytes = 10;
    converged(&disk, &mut follower, &new);
    assert_eq!(kept_contents(&disk), [b"ten bytes.".to_vec()]);
}

#[test]
fn metadata_of_a_file_with_two_names_is_set_on_a_copy() {
    let old = things([("a", file("same"))]);
    let mut new = old.clone();
    new.insert(
        "a".into(),
        Thing::File { content: b"same".to_vec(), mode: 0o600, mtime: 7, unserved: false },
    );
    let disk = disk_at(Options::default(), &old, &new);
    disk.user_link("a", "elsewhere").expect("edit");
    let mut follower = Follower::new(&disk, &new);
    // A new name changes the inode: it is observed first.
    follower.observe_all().expect("observes");
    follower.pass().expect("applies");
    let seen = disk.tree_of_docroot();
    let mode = |path: &str| seen.get(path.as_bytes()).map(|seen| seen.mode);
    assert_eq!(mode("a"), Some(0o600));
    assert_eq!(mode("elsewhere"), None, "set aside");
    converged(&disk, &mut follower, &new);
}

#[test]
fn metadata_is_set_in_place_without_reading_or_writing() {
    let old = things([("a", file("same"))]);
    let mut new = old.clone();
    new.insert(
        "a".into(),
        Thing::File { content: b"same".to_vec(), mode: 0o600, mtime: 7, unserved: false },
    );
    let disk = disk_at(Options::default(), &old, &new);
    let before = disk.counts();
    let mut follower = Follower::new(&disk, &new);
    follower.pass().expect("applies");
    for primitive in ["read", "write", "create_unnamed", "create", "rename", "link"] {
        assert_eq!(disk.counts().get(primitive), before.get(primitive), "{primitive}");
    }
    converged(&disk, &mut follower, &new);
}

#[test]
fn what_is_excluded_now_is_left_where_it_lies() {
    let old = things([("a.log", file("log")), ("logs/x", file("1")), ("logs/y/z", file("2"))]);
    let new = things([("b", file("3"))]);
    let disk = disk_at(Options::default(), &old, &new);
    let mut follower = Follower::new(&disk, &new);
    let patterns = ["*.log".to_string(), "logs/".to_string()];
    follower.excludes = Arc::new(Excludes::new(&patterns).expect("patterns"));
    let outcome = follower.pass().expect("applies");
    assert_eq!((outcome.failed, outcome.look), (vec![], BTreeSet::new()));
    assert_eq!(current(&disk).root, follower.target.root);
    for path in ["a.log", "logs/x", "logs/y/z", "b"] {
        assert!(bytes_at(&disk, path).is_some(), "{path}");
    }
    follower.observe_all().expect("observes");
    assert_eq!(current(&disk).root, follower.target.root);
}

#[test]
fn sockets_and_mounts_keep_a_directory_without_an_error() {
    let old = things([("d/x", file("1")), ("e/m/y", file("2")), ("e/z", file("3"))]);
    let new = things([("b", file("4"))]);
    let disk = disk_at(Options::default(), &old, &new);
    disk.user_make_special("d/socket", FileKind::Socket).expect("edit");
    disk.user_remove("e/m/y").expect("edit");
    disk.user_mount("e/m").expect("edit");
    let mut follower = Follower::new(&disk, &new);
    follower.observe_all().expect("observes");
    let outcome = follower.pass().expect("applies");
    assert_eq!((outcome.failed, outcome.look), (vec![], BTreeSet::new()));
    assert_eq!(current(&disk).root, follower.target.root);
    let left: Vec<String> = disk
        .tree_of_docroot()
        .into_keys()
        .map(|name| String::from_utf8_lossy(&name).into_owned())
        .collect();
    assert_eq!(left, ["b", "d", "d/socket", "e", "e/m"]);
}

#[test]
fn a_directory_with_a_socket_is_set_aside_whole_where_a_file_comes() {
    let old = things([("d/x", file("1"))]);
    let new = things([("d", file("2"))]);
    let disk = disk_at(Options::default(), &old, &new);
    disk.user_make_special("d/socket", FileKind::Socket).expect("edit");
    let mut follower = Follower::new(&disk, &new);
    let outcome = follower.pass().expect("applies");
    assert_eq!(outcome.set_aside, 1);
    assert_eq!(kept_contents(&disk), [b"1".to_vec()]);
    converged(&disk, &mut follower, &new);
}

#[test]
fn files_take_owner_and_group_of_the_directory_they_land_in() {
    let old = things([("d/x", file("1"))]);
    let new = things([("d/x", file("2")), ("d/n/y", file("3")), ("d/l", link("x"))]);
    for may_change_owner in [true, false] {
        let options = Options { may_change_owner, ..Options::default() };
        let disk = disk_at(options, &old, &new);
        disk.user_chown("d", (500, 600)).expect("edit");
        let mut follower = Follower::new(&disk, &new);
        let outcome = follower.pass().expect("applies");
        assert_eq!(outcome.failed, []);
        let seen = disk.tree_of_docroot();
        for path in ["d/x", "d/n", "d/n/y", "d/l"] {
            let owner = seen.get(path.as_bytes()).map(|seen| seen.owner);
            assert_eq!(owner == Some((500, 600)), may_change_owner, "{path}: {owner:?}");
        }
    }
}

#[test]
fn paths_of_any_depth_and_length() {
    let mut deep = Docroot::new();
    let mut at = String::new();
    for level in 0..300 {
        if level > 0 {
            at.push('/');
        }
        at.push_str(&format!("{level:03}-{}", "n".repeat(20)));
        deep.insert(at.clone(), directory());
    }
    deep.insert(format!("{at}/file"), file("deep"));
    assert!(at.len() > 4_096);
    let disk = disk_at(Options { open_limit: 200, ..Options::default() }, &Docroot::new(), &deep);
    let mut follower = Follower::new(&disk, &deep);
    converged(&disk, &mut follower, &deep);
    let mut resolver = Resolver::new(&disk).expect("opens");
    let inside = resolver.directory(&path(&at)).expect("opens");
    assert!(disk.stat(&inside, &Name::new("file").expect("a name")).is_ok());
    let empty = Docroot::new();
    store_tree(&disk, &empty);
    let mut follower = Follower::new(&disk, &empty);
    let outcome = follower.pass().expect("applies");
    assert_eq!(outcome.failed, []);
    converged(&disk, &mut follower, &empty);
}

#[test]
fn a_resolver_forgets_what_it_is_told_to() {
    let disk = SimDisk::new(Options::default());
    for path in ["a/b/c", "ab", "z"] {
        disk.user_mkdir(path).expect("edit");
    }
    let mut resolver = Resolver::new(&disk).expect("opens");
    let inode = |disk: &SimDisk, resolver: &mut Resolver<'_, SimDisk>, text: &str| {
        let directory = resolver.directory(&path(text)).expect("opens");
        disk.stat_directory(&directory).expect("stat").inode
    };
    let old = inode(&disk, &mut resolver, "a/b/c");
    disk.user_rename("a", "moved").expect("edit");
    disk.user_mkdir("a/b/c").expect("edit");
    assert_eq!(inode(&disk, &mut resolver, "a/b/c"), old, "handles follow directories");
    resolver.forget(&path("a"));
    assert_ne!(inode(&disk, &mut resolver, "a/b/c"), old);
    disk.user_symlink("link", b"a").expect("edit");
    let error = resolver.directory(&path("link/b")).map(|_| ()).expect_err("a link");
    assert_eq!(error.kind, DiskErrorKind::NotDirectory);
}

#[test]
fn a_user_who_swaps_a_directory_for_a_link_leads_nobody_out() {
    let old = things([("d/x", file("1"))]);
    let new = things([("d/x", file("2")), ("d/y", file("3"))]);
    let disk = disk_at(Options::default(), &old, &new);
    disk.user_rename("d", "away").expect("edit");
    disk.user_symlink("d", b"/etc").expect("edit");
    let mut follower = Follower::new(&disk, &new);
    let outcome = follower.pass().expect("applies");
    assert_eq!(looks(&outcome), ["d"]);
    assert_eq!(bytes_at(&disk, "away/x"), Some(b"1".to_vec()));
    converged(&disk, &mut follower, &new);
}

#[test]
fn relaxed_durability_flushes_nothing() {
    let new = things([("d/a", file("1")), ("b", file("2"))]);
    let disk = disk_at(Options::default(), &Docroot::new(), &new);
    let before = disk.counts();
    let mut follower = Follower::new(&disk, &new);
    follower.durability = Durability::Relaxed;
    follower.pass().expect("applies");
    for primitive in ["sync_file", "sync_directory", "sync_all", "sync_files_and_commit"] {
        assert_eq!(disk.counts().get(primitive), before.get(primitive), "{primitive}");
    }
    assert!(disk.pending().1 > 0, "nothing was committed durably");
    converged(&disk, &mut follower, &new);
}

#[test]
fn many_files_are_flushed_together() {
    let new: Docroot =
        (0..300).map(|number| (format!("f{number}"), file(format!("{number}")))).collect();
    let disk = disk_at(Options::default(), &Docroot::new(), &new);
    let before = disk.counts().get("sync_files_and_commit").copied().unwrap_or(0);
    let mut follower = Follower::new(&disk, &new);
    let outcome = follower.pass().expect("applies");
    let after = disk.counts().get("sync_files_and_commit").copied().unwrap_or(0);
    assert_eq!((outcome.parcels, after - before), (1, 1));
    assert_eq!(disk.counts().get("sync_file"), None);
}

//! Where contents come from: peers, other names of the docroot, moves; and those that do not come.

use std::collections::BTreeSet;

use mirrormesh_merkle::content_hash;
use mirrormesh_simulation::disk::Options;

use super::{bytes_at, converged, disk_at, failed, kept_contents, looks, things};
use crate::apply_world::{Docroot, Follower, Thing, current, directory, file, link, store_tree};

#[test]
fn what_only_moves_is_renamed_and_never_read() {
    let old = things([("d/a", file("x".repeat(9_000))), ("d/e/b", file("2"))]);
    let new = things([("n/a", file("x".repeat(9_000))), ("n/e/b", file("2"))]);
    let disk = disk_at(Options { reflink: false, ..Options::default() }, &old, &new);
    let before = disk.counts();
    let mut follower = Follower::new(&disk, &new);
    follower.pass().expect("applies");
    for primitive in ["read", "write", "create_unnamed", "create"] {
        assert_eq!(disk.counts().get(primitive), before.get(primitive), "{primitive}");
    }
    converged(&disk, &mut follower, &new);
}

#[test]
fn a_file_that_is_edited_just_when_it_moves_stays_where_it_is() {
    for replaced in [false, true] {
        let mut old = things([("a", file("moves"))]);
        if replaced {
            old.insert("b".into(), file("old"));
        }
        let new = things([("b", file("moves"))]);
        let disk = disk_at(Options::default(), &old, &new);
        let mut is_edited = false;
        disk.before_primitive(move |primitive, _, disk| {
            if primitive == "rename" && !std::mem::replace(&mut is_edited, true) {
                disk.user_write("a", b"an edit").expect("edit");
            }
        });
        let mut follower = Follower::new(&disk, &new);
        let outcome = follower.pass().expect("applies");
        assert_eq!((looks(&outcome), outcome.failed), (vec!["a".to_string()], vec![]));
        assert_eq!(bytes_at(&disk, "a"), Some(b"an edit".to_vec()));
        assert_eq!(bytes_at(&disk, "b"), replaced.then(|| b"old".to_vec()));
        converged(&disk, &mut follower, &new);
        assert_eq!(kept_contents(&disk), [b"an edit".to_vec()]);
    }
}

#[test]
fn content_that_does_not_come_or_is_wrong_is_counted() {
    let new = things([("a", file("wanted")), ("b", file("also")), ("c", file("good"))]);
    let disk = disk_at(Options::default(), &Docroot::new(), &new);
    let mut follower = Follower::new(&disk, &new);
    let all = std::mem::take(&mut follower.contents);
    for (hash, content) in &all {
        match content.as_slice() {
            b"wanted" => drop(follower.contents.insert(*hash, b"forged".to_vec())),
            b"good" => drop(follower.contents.insert(*hash, content.clone())),
            _ => {}
        }
    }
    let outcome = follower.pass().expect("applies");
    assert_eq!((outcome.missing, outcome.wrong), (1, 1));
    let mut missing = failed(&outcome);
    missing.sort();
    assert_eq!(missing, ["a", "b"]);
    assert_eq!(bytes_at(&disk, "c"), Some(b"good".to_vec()));
    follower.contents = all;
    converged(&disk, &mut follower, &new);
}

#[test]
fn what_came_before_an_answer_broke_off_is_used_and_the_rest_is_no_failure() {
    let old = things([("c", file("was")), ("e", link("x"))]);
    let new = things([
        ("a", file("first")),
        ("b", file("second")),
        ("c", file("third")),
        ("d", unserved("fourth")),
        ("e", directory()),
        ("e/f", file("fifth")),
    ]);
    let whole = 5 * 9 + "firstsecondthirdfourthfifth".len();
    let mut most = 0;
    for cut_at in 0..whole {
        let disk = disk_at(Options::default(), &old, &new);
        let mut follower = Follower::new(&disk, &new);
        follower.contents.insert(content_hash(b"fourth"), b"fourth".to_vec());
        follower.cut_at = Some(cut_at);
        let outcome = follower.pass().expect("applies");
        assert_eq!((failed(&outcome).len(), outcome.missing, outcome.wrong), (0, 0, 0), "{cut_at}");
        let came = |path: &str| bytes_at(&disk, path);
        let count = new.keys().filter(|path| came(path).is_some_and(|it| it != b"was")).count();
        assert!(count >= most, "{cut_at}: {count} came, and {most} of less");
        most = count;
        follower.cut_at = None;
        let outcome = follower.pass().expect("applies");
        assert!(failed(&outcome).is_empty());
        assert_eq!(came("d"), Some(b"fourth".to_vec()), "{cut_at}: it was served in the end");
        converged(&disk, &mut follower, &new);
    }
    assert_eq!(most, 4, "all but the last");
}

#[test]
fn a_copy_of_a_file_that_rotted_is_not_shown_and_the_file_is_read_again() {
    for reflink in [false, true] {
        let old = things([("a", file("same"))]);
        let new = things([("a", file("same")), ("b", file("same"))]);
        let disk = disk_at(Options { reflink, ..Options::default() }, &old, &new);
        disk.rot("a", 1).expect("rots");
        let mut follower = Follower::new(&disk, &new);
        let outcome = follower.pass().expect("applies");
        assert_eq!((looks(&outcome), failed(&outcome)), (vec!["a".into()], vec!["b".into()]));
        assert_eq!(bytes_at(&disk, "b"), None);
        converged(&disk, &mut follower, &new);
        assert_eq!(kept_contents(&disk).len(), 1, "the damaged one");
    }
}

fn unserved(content: &str) -> Thing {
    Thing::File { content: content.into(), mode: 0o644, mtime: 1_000, unserved: true }
}

#[test]
fn an_unserved_file_is_kept_where_it_is_and_left_out_where_it_is_not() {
    let old = things([("has", file("published")), ("older", file("before")), ("link", link("x"))]);
    let new = things([
        ("has", unserved("published")),
        ("older", unserved("published later")),
        ("link", unserved("no link any more")),
        ("lacks", unserved("elsewhere")),
    ]);
    let disk = disk_at(Options::default(), &old, &new);
    let mut follower = Follower::new(&disk, &new);
    let outcome = follower.pass().expect("applies");
    assert_eq!((outcome.failed, outcome.look), (vec![], BTreeSet::new()));
    assert_eq!(current(&disk).root, follower.target.root, "in sync");
    assert_eq!(bytes_at(&disk, "has"), Some(b"published".to_vec()));
    assert_eq!(bytes_at(&disk, "older"), Some(b"before".to_vec()), "an older version stays");
    assert_eq!(disk.tree_of_docroot().len(), 2, "the others are left out");
    follower.observe_all().expect("observes");
    assert_eq!(current(&disk).root, follower.target.root, "a scan changes nothing");
    let served = things([
        ("has", file("published")),
        ("older", file("published later")),
        ("lacks", file("elsewhere")),
        ("link", file("no link any more")),
    ]);
    store_tree(&disk, &served);
    let mut follower = Follower::new(&disk, &served);
    let outcome = follower.pass().expect("applies");
    assert_eq!(outcome.failed, []);
    converged(&disk, &mut follower, &served);
}

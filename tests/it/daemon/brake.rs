//! A mass delete goes nowhere until somebody confirms it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::sample::{content, site, write};
use crate::farm::{Farm, Node};
use crate::farm_walk::walk;

const FILES: usize = 60;

fn farm() -> Farm {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 4, FILES / 4));
    farm.add();
    farm.converges();
    farm
}

fn empty(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
    }
}

/// Waits until a node holds, and sees it say so everywhere it should.
#[track_caller]
fn holds(node: &Node) -> Value {
    let status = node.until("it holds", |status| !status["node"]["held"].is_null());
    assert!(status["node"]["held"]["reason"].as_str().unwrap().contains("confirm"), "{status:#}");
    let said = node.cli(&["wait", "--timeout", "200ms"]).failed(124);
    assert!(said.contains("confirm"), "{said}");
    assert!(node.cli(&["status"]).done().contains("confirm"));
    let list = node.json(&["confirm", "--list"]);
    assert_eq!(list["held"][0]["member"], node.name.as_str());
    status
}

/// Waits until a node has no docroot, and sees it say what to do.
#[track_caller]
fn is_gone(node: &Node) {
    let says = |text: &str| {
        assert!(text.contains("ring the directory back") && !text.contains("mirrormesh confirm"));
        assert!(!text.contains("(0 files"), "{text}");
    };
    let status = node.until("it holds", |status| !status["node"]["held"].is_null());
    says(status["node"]["held"]["reason"].as_str().unwrap());
    says(&node.cli(&["wait", "--timeout", "200ms"]).failed(124));
    says(&node.cli(&["status"]).done());
    says(&node.cli(&["confirm", "--list"]).done());
    let said = node.cli(&["confirm"]).failed(1);
    assert!(said.contains("cannot release") && !said.contains("released"), "{said}");
    assert!(!node.status()["node"]["held"].is_null());
}

/// Nothing was deleted on the replicas, and they follow what else happens.
#[track_caller]
fn nothing_is_deleted(farm: &Farm, files: usize) {
    for replica in &farm.nodes[1..] {
        let status = replica.until("it hears the origin", |status| status["node"]["fresh"] == true);
        assert_eq!(status["node"]["held"], json!(null));
        assert_eq!(status["node"]["files"], files, "{}: {status:#}", replica.name);
    }
}

#[test]
fn an_emptied_docroot_is_held_until_confirmed() {
    let mut farm = Farm::founded(&[], |docroot| site(&docroot.join("site"), 4, FILES / 4));
    farm.add();
    farm.converges();
    // In one step: what goes one by one is another test's.
    let away = farm.directory().join("away");
    fs::rename(farm.origin().path("site"), away).unwrap();
    let status = holds(farm.origin());
    assert_eq!(status["node"]["held"]["deletes"], FILES, "{status:#}");
    nothing_is_deleted(&farm, FILES);
    // A new member can join, and gets what was published last, from whoever has it.
    let newcomer = farm.stranger("late");
    newcomer.join(farm.token(), &["--timeout", "30s"]).done();
    // A restart releases nothing.
    farm.origin_mut().stop();
    farm.origin_mut().start();
    holds(farm.origin());
    farm.origin_mut().kill9();
    farm.origin_mut().start();
    holds(farm.origin());
    nothing_is_deleted(&farm, FILES);
    let before = walk(&farm.replica().docroot()).len();
    assert_eq!(before, FILES + 5);

    farm.replica_mut().stop();
    farm.origin().cli(&["confirm"]).done();
    farm.origin().cli(&["wait", "--timeout", "60s"]).done();
    // Who was away follows too.
    farm.replica_mut().start();
    let mut newcomer = newcomer;
    newcomer.start();
    farm.nodes.push(newcomer);
    farm.converges();
    assert_eq!(walk(&farm.replica().docroot()).len(), 0);
    write(&farm.origin().path("index.html"), "anew");
    farm.converges();
}

#[test]
fn what_was_deleted_while_it_was_down_is_held() {
    let mut farm = farm();
    farm.origin_mut().stop();
    for section in 0..3 {
        fs::remove_dir_all(farm.origin().path(format!("section-{section}"))).unwrap();
    }
    farm.origin_mut().start();
    let status = holds(farm.origin());
    assert_eq!(status["node"]["held"]["deletes"], FILES * 3 / 4, "{status:#}");
    nothing_is_deleted(&farm, FILES);
    farm.origin_mut().kill9();
    farm.origin_mut().start();
    holds(farm.origin());
    nothing_is_deleted(&farm, FILES);
    farm.origin().cli(&["confirm"]).done();
    farm.converges();
    assert_eq!(farm.replica().status()["node"]["files"], FILES / 4);
}

#[test]
fn a_hold_of_a_replica_is_confirmed_at_the_origin_too() {
    let mut farm = farm();
    farm.replica_mut().stop();
    // Another release, name by name: the origin itself never loses half.
    for page in 0..FILES {
        write(
            &farm.origin().path(format!("release-2/page-{page}.html")),
            content(page as u64 + 900, 300),
        );
    }
    farm.origin().cli(&["wait", "--timeout", "60s"]).done();
    for section in 0..4 {
        fs::remove_dir_all(farm.origin().path(format!("section-{section}"))).unwrap();
        farm.origin().cli(&["wait", "--timeout", "60s"]).done();
    }
    farm.replica_mut().start();
    holds(farm.replica());
    assert_eq!(farm.replica().status()["node"]["files"], FILES);
    farm.origin().until("it hears of the hold", |_| {
        farm.origin().json(&["confirm", "--list"])["held"][0]["member"]
            == farm.replica().name.as_str()
    });
    farm.origin().cli(&["confirm"]).done();
    farm.converges();
    assert!(!farm.replica().path("section-0").exists());
    assert_eq!(farm.origin().json(&["confirm", "--list"])["held"], json!([]));
}

#[test]
fn emptied_at_one_go_half_is_left() {
    let farm = farm();
    empty(&farm.origin().docroot());
    holds(farm.origin());
    let left = farm.replica().status()["node"]["files"].as_u64().unwrap();
    assert!(left as usize >= FILES / 2, "{left} of {FILES} are left");
    farm.origin().cli(&["confirm"]).done();
    farm.converges();
    assert_eq!(walk(&farm.replica().docroot()).len(), 0);
}

#[test]
fn emptied_file_by_file_half_is_left() {
    let farm = farm();
    let root = farm.origin().docroot();
    for (path, _) in walk(&root) {
        let path = root.join(String::from_utf8(path).unwrap());
        if path.is_file() {
            fs::remove_file(path).unwrap();
            farm.origin().cli(&["status"]).done();
        }
    }
    holds(farm.origin());
    let left = farm.replica().status()["node"]["files"].as_u64().unwrap();
    assert!(left as usize >= FILES / 2, "{left} of {FILES} are left");
    // What comes back releases it.
    site(&root, 4, FILES / 4);
    farm.converges();
    assert_eq!(farm.origin().status()["node"]["held"], json!(null));
}

#[test]
fn a_docroot_that_is_gone_deletes_nothing() {
    let mut farm = farm();
    let root = farm.origin().docroot();
    let away = farm.directory().join("away");
    fs::rename(&root, &away).unwrap();
    is_gone(farm.origin());
    nothing_is_deleted(&farm, FILES);
    let mut newcomer = farm.stranger("late");
    newcomer.join(farm.token(), &["--timeout", "30s"]).done();
    newcomer.start();
    farm.nodes.push(newcomer);
    fs::rename(&away, &root).unwrap();
    write(&root.join("back.html"), "back");
    farm.origin().until("it goes on", |status| status["node"]["held"].is_null());
    farm.converges();

    // And without a docroot no daemon starts.
    farm.origin_mut().stop();
    fs::rename(&root, &away).unwrap();
    let said = farm.origin().cli(&["run"]).failed(1);
    assert!(said.contains("does not exist"), "{said}");
    fs::rename(&away, &root).unwrap();
    farm.origin_mut().start();
    farm.converges();
}

#[test]
fn another_directory_in_its_place_is_held() {
    let mut farm = farm();
    let root = farm.origin().docroot();
    fs::rename(&root, farm.directory().join("release-1")).unwrap();
    fs::create_dir(&root).unwrap();
    // For a moment it was not there at all.
    farm.origin().until("it is another", |status| {
        let reason = status["node"]["held"]["reason"].as_str();
        reason.is_some_and(|reason| reason.contains("another directory"))
    });
    holds(farm.origin());
    nothing_is_deleted(&farm, FILES);
    farm.origin_mut().stop();
    farm.origin_mut().start();
    holds(farm.origin());
    nothing_is_deleted(&farm, FILES);
    // Another release of about the same size: one confirmation for the directory is enough.
    site(&root, 4, FILES / 4);
    write(&root.join("release"), "2");
    farm.origin().cli(&["confirm"]).done();
    farm.converges();
    assert_eq!(fs::read(farm.replica().path("release")).unwrap(), b"2");
}

#[test]
fn a_replica_holds_what_its_own_docroot_cannot_mean() {
    let mut farm = farm();
    // The replica was away while the origin's brake was confirmed away, one by one: it follows,
    // because a drop was confirmed between its head and the newest.
    farm.replica_mut().stop();
    empty(&farm.origin().docroot());
    write(&farm.origin().path("only.html"), content(1, 500));
    holds(farm.origin());
    farm.origin().cli(&["confirm"]).done();
    farm.origin().cli(&["wait", "--timeout", "60s"]).done();
    farm.replica_mut().start();
    farm.converges();
    assert_eq!(walk(&farm.replica().docroot()).len(), 1);
    assert_eq!(farm.replica().status()["node"]["set_aside"], 0, "published once, deleted now");
}

#[test]
fn a_deploy_that_deletes_and_unpacks_goes_through() {
    let farm = farm();
    let root = farm.origin().docroot();
    for round in 0..3 {
        empty(&root);
        site(&root, 4, FILES / 4);
        write(&root.join("release"), format!("{round}"));
        farm.converges();
        assert_eq!(farm.origin().status()["node"]["held"], json!(null));
    }
}

#[test]
fn a_docroot_that_is_a_symlink_may_be_switched_when_told_so() {
    let mut farm = Farm::founded(&[], |docroot| {
        let release = docroot.with_file_name("release-1");
        site(&release, 4, FILES / 4);
        fs::remove_dir(docroot).unwrap();
        std::os::unix::fs::symlink(&release, docroot).unwrap();
    });
    farm.add();
    farm.converges();
    let root = farm.origin().docroot();
    let switch = |to: &str| {
        let next = root.with_file_name("next");
        std::os::unix::fs::symlink(root.with_file_name(to), &next).unwrap();
        fs::rename(&next, &root).unwrap();
    };
    site(&root.with_file_name("release-2"), 4, FILES / 4);
    write(&root.with_file_name("release-2").join("release"), "2");
    switch("release-2");
    holds(farm.origin());
    nothing_is_deleted(&farm, FILES);
    farm.origin().cli(&["confirm"]).done();
    farm.converges();
    assert_eq!(fs::read(farm.replica().path("release")).unwrap(), b"2");

    farm.origin().cli(&["config", "set", "docroot_switch", "follow"]).done();
    site(&root.with_file_name("release-3"), 4, FILES / 4);
    write(&root.with_file_name("release-3").join("release"), "3");
    switch("release-3");
    farm.origin().until("it is published", |status| status["node"]["files"] == FILES + 1);
    farm.converges();
    assert_eq!(fs::read(farm.replica().path("release")).unwrap(), b"3");
    fs::create_dir(root.with_file_name("release-4")).unwrap();
    switch("release-4");
    holds(farm.origin());
    nothing_is_deleted(&farm, FILES + 1);
}

#[test]
fn a_member_without_docroot_is_behind() {
    let mut farm = farm();
    farm.origin().cli(&["diff", "web1", "origin"]).done();
    let replica = farm.replica();
    let away = farm.directory().join("away");
    fs::rename(replica.docroot(), &away).unwrap();
    is_gone(replica);
    farm.origin().until("it hears of that", |status| {
        let members = status["cluster"]["members"].as_array().unwrap();
        members.iter().any(|member| !member["held"].is_null())
    });
    let said = farm.origin().cli(&["wait", "--all", "--timeout", "200ms"]).failed(124);
    assert!(said.contains(&format!("{} (held: the docroot", farm.replica().name)), "{said}");
    fs::rename(&away, farm.replica().docroot()).unwrap();
    farm.converges();
    // Everything is there already: that can be told at once.
    farm.origin().cli(&["wait", "--all", "--timeout", "0"]).done();
    farm.replica_mut().stop();
    let said = farm.origin().cli(&["wait", "--all", "--timeout", "200ms"]).failed(124);
    assert!(said.contains(&format!("{} (not reached)", farm.replica().name)), "{said}");
}

//! Bytes that change without a trace, the budget of what is set aside, and what `verify` and `kept`
//! make of them.

use std::fs;

use serde_json::{Value, json};

use super::full_disk::Disk;
use super::sample::{content, fifo, site, touch, write};
use crate::farm::{Farm, Node};
use crate::farm_command::eventually;

const SIZE: usize = 24;

fn marked(number: usize, word: &str) -> Vec<u8> {
    let mark = format!("{word}-the-mark-of-{number}-");
    [mark.as_bytes(), &content(number as u64, 3_000)].concat()
}

fn kept(node: &Node) -> Vec<Value> {
    node.json(&["kept", "list"])["kept"].as_array().unwrap().clone()
}

#[test]
fn damage_below_the_file_system_is_found_by_verify_and_mended() {
    // `init` comes before the file system is mounted, so the docroot is filled after.
    let mut farm = Farm::founded(&[], |_| ());
    farm.origin_mut().stop();
    let image = farm.directory().join("origin-image");
    let Some(disk) = Disk::mount(&image, &farm.origin().docroot(), SIZE as u64) else { return };
    site(&farm.origin().docroot(), 2, 5);
    for number in 0..3 {
        write(&farm.origin().path(format!("marked-{number}")), marked(number, "GOOD"));
    }
    // The default work directory is now on another mount: one inside the docroot is meant.
    let settings = farm.origin().state().join("mirrormesh.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("work")).collect();
    fs::write(&settings, text.join("\n")).unwrap();
    farm.origin_mut().start();
    farm.origin().cli(&["confirm"]);
    let replica = farm.stranger("web1");
    let image = farm.directory().join("replica-image");
    let mirror = Disk::mount(&image, &replica.docroot(), SIZE as u64).unwrap();
    farm.admit(replica);
    farm.converges();

    farm.replica_mut().stop();
    mirror.rot(b"GOOD-the-mark-of-1-", b"EVIL-the-mark-of-1-");
    let said = farm.replica().cli(&["verify"]).with(3);
    assert!(said.contains("marked-1"), "without the daemon: {said}");
    farm.replica_mut().start();
    farm.wait_all();
    let replica = farm.replica();
    assert!(fs::read(replica.path("marked-1")).unwrap().starts_with(b"EVIL"), "it went unseen");
    let said = replica.cli(&["verify"]).with(3);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("marked-1"), "{said}");
    assert!(fs::read(replica.path("marked-1")).unwrap().starts_with(b"EVIL"), "only read");
    replica.cli(&["verify", "--repair"]).with(3);
    eventually("it is mended", || fs::read(replica.path("marked-1")).unwrap().starts_with(b"GOOD"));
    farm.converges();
    let replica = farm.replica();
    replica.cli(&["verify"]).done();
    assert_eq!(kept(replica)[0]["path"], "marked-1");

    farm.origin_mut().stop();
    disk.rot(b"GOOD-the-mark-of-2-", b"EVIL-the-mark-of-2-");
    farm.origin_mut().start();
    farm.wait_all();
    let origin = farm.origin();
    assert!(origin.cli(&["verify"]).with(3).contains("marked-2"));
    origin.cli(&["verify", "--repair"]).with(3);
    eventually("it is mended", || fs::read(origin.path("marked-2")).unwrap().starts_with(b"GOOD"));
    farm.converges();
    assert_eq!(fs::read(farm.replica().path("marked-2")).unwrap(), marked(2, "GOOD"));

    // What was set aside on the origin can be had again there, and is published like any edit.
    let origin = farm.origin();
    let line = &kept(origin)[0];
    assert_eq!(
        (&line["path"], &line["bytes"]),
        (&json!("marked-2"), &json!(marked(2, "").len() + 4))
    );
    let id = line["id"].to_string();
    assert!(origin.cli(&["kept", "show", &id]).done().contains("marked-2"));
    origin.cli(&["kept", "restore", &id]).done();
    farm.converges();
    assert_eq!(fs::read(farm.replica().path("marked-2")).unwrap(), marked(2, "EVIL"));
    let to = farm.origin().path("restored");
    farm.origin().cli(&["kept", "restore", &id, "--to", to.to_str().unwrap()]).done();
    farm.converges();
    farm.origin().cli(&["kept", "drop", &id]).done();
    let left = kept(farm.origin());
    assert_eq!(left.len(), 1, "what gave way at the first: {left:?}");
    assert!(left[0]["reason"].as_str().unwrap().contains("restored"), "{left:?}");
    farm.origin().cli(&["kept", "drop", "--all"]).done();
    assert_eq!(kept(farm.origin()), [] as [Value; 0]);
    for node in &mut farm.nodes {
        node.stop();
    }
}

#[test]
fn what_goes_beyond_the_budget_stays_and_is_listed() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 2, 5));
    let replica = farm.stranger("small");
    let image = farm.directory().join("image");
    let Some(disk) = Disk::mount(&image, &replica.docroot(), SIZE as u64) else { return };
    farm.admit(replica);
    farm.converges();
    // A tenth of the file system is less than 2.4 MB.
    let replica = farm.replica();
    for number in 0..3 {
        write(&replica.path(format!("own-{number}")), content(number, 1_000_000));
    }
    let said = replica.cli(&["wait", "--timeout", "60s"]).with(4);
    assert_eq!(said.lines().count(), 1, "{said}");
    let status = replica.status();
    assert_eq!(status["node"]["set_aside"], 2, "{status:#}");
    assert_eq!(status["node"]["in_sync"], false);
    let error = &status["node"]["errors"][0];
    assert!(error["reason"].as_str().unwrap().contains("set aside"), "{error}");
    let left = replica.path(error["path"].as_str().unwrap());
    assert_eq!(fs::metadata(&left).unwrap().len(), 1_000_000, "it stays where it is");
    // Names without bytes cost something too.
    write(&replica.path("section-0/page-0.html"), "edited");
    write(&farm.origin().path("meanwhile.html"), "goes on");
    farm.origin().cli(&["wait", "--all", "--timeout", "60s"]).with(4);
    replica.cli(&["wait", "--timeout", "60s"]).with(4);
    assert_eq!(fs::read(replica.path("meanwhile.html")).unwrap(), b"goes on");
    assert_ne!(fs::read(replica.path("section-0/page-0.html")).unwrap(), b"edited");
    replica.cli(&["kept", "drop", "--all"]).done();
    farm.converges();
    assert!(!left.exists());
    farm.replica_mut().stop();
    drop(disk);
}

#[test]
fn a_byte_changed_under_old_times_is_seen_and_told() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 2, 5));
    farm.add();
    farm.converges();
    let flip = |node: &Node| {
        let page = node.path("section-1/page-1.html");
        let times = fs::metadata(&page).unwrap().modified().unwrap();
        let mut bytes = fs::read(&page).unwrap();
        bytes[10] ^= 1;
        fs::write(&page, bytes).unwrap();
        touch(&page, times);
    };
    farm.replica_mut().stop();
    flip(farm.replica());
    let said = farm.replica().cli(&["verify"]).with(3);
    assert!(said.contains("section-1/page-1.html"), "{said}");
    let (origin, mirror) = (farm.origin().docroot(), farm.replica().docroot());
    let directories = [origin.to_str().unwrap(), mirror.to_str().unwrap()];
    let said = farm.origin().cli(&["diff", directories[0], directories[1]]).with(3);
    assert_eq!(said, "~ section-1/page-1.html\n");
    farm.replica_mut().start();
    farm.converges();
    assert_eq!(kept(farm.replica())[0]["path"], "section-1/page-1.html");
    for (asked, a, b) in [(0, "origin", "web1"), (1, "web1", "origin"), (1, "origin", "web1")] {
        assert_eq!(farm.nodes[asked].cli(&["diff", a, b]).done(), "");
    }
    // On the origin it is an edit like any other.
    flip(farm.origin());
    farm.converges();
}

#[test]
fn a_pipe_in_the_place_of_a_page_is_set_aside() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 2, 5));
    farm.add();
    farm.converges();
    let replica = farm.replica();
    for name in ["section-0/page-0.html", "section-1"] {
        let path = replica.path(name);
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        fifo(&path);
    }
    fifo(&replica.path("section-0/pipe"));
    eventually("the page is back", || replica.path("section-0/page-0.html").is_file());
    farm.converges();
    let replica = farm.replica();
    let paths: Vec<Value> = kept(replica).iter().map(|line| line["path"].clone()).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    let skipped = json!([{ "path": "section-0/pipe", "kind": "fifo" }]);
    assert_eq!(replica.status()["node"]["skipped"], skipped, "in nobody's way");
    // Its directory goes, and stays for it; what is listed goes when it does.
    fs::remove_dir_all(farm.origin().path("section-0")).unwrap();
    farm.wait_all();
    assert_eq!(farm.replica().status()["node"]["skipped"], skipped);
    fs::remove_dir_all(farm.replica().path("section-0")).unwrap();
    farm.replica().until("it is listed no more", |status| status["node"]["skipped"] == json!([]));
    farm.converges();
}

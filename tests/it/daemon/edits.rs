//! Somebody edits on a replica: the origin's version comes back, and nothing is lost.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::sample::{chmod, site, write};
use crate::farm::{Farm, Node};
use crate::farm_command::eventually;

/// What is kept, by path.
fn kept(node: &Node) -> BTreeMap<String, Value> {
    let list = node.json(&["kept", "list"]);
    let list = list["kept"].as_array().unwrap();
    let named = |line: &Value| (line["path"].as_str().unwrap().to_owned(), line.clone());
    list.iter().map(named).collect()
}

fn farm() -> Farm {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 4, 10));
    farm.add();
    farm.converges();
    farm
}

#[test]
fn edits_are_set_aside_and_can_be_had_again() {
    let farm = farm();
    let replica = farm.replica();
    write(&replica.path("section-0/page-0.html"), "defaced");
    write(&replica.path("section-0/shell.php"), "<?php evil();");
    fs::remove_file(replica.path("section-1/page-1.html")).unwrap();
    chmod(&replica.path("section-1/page-2.html"), 0o777);
    chmod(&replica.path("section-2"), 0o777);
    write(&replica.path("own/notes/today.txt"), "mine");
    replica.cli(&["wait", "--timeout", "60s"]).done();
    farm.converges();

    let found = kept(replica);
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    assert!(found.contains_key("section-0/page-0.html"), "{names:?}");
    assert!(found.contains_key("section-0/shell.php"), "{names:?}");
    assert!(found.keys().any(|path| path.starts_with("own")), "{names:?}");
    assert!(!found.contains_key("section-1/page-1.html"), "nothing was there: {names:?}");
    assert!(!found.contains_key("section-1/page-2.html"), "its content is ours: {names:?}");
    let status = replica.status();
    assert_eq!(status["node"]["set_aside"].as_u64().unwrap(), found.len() as u64);

    let defaced = &found["section-0/page-0.html"];
    assert_eq!(defaced["kind"], "file");
    assert_eq!(defaced["bytes"], 7);
    assert!(defaced["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    let id = defaced["id"].to_string();
    let shown = replica.json(&["kept", "show", &id]);
    assert_eq!(shown, *defaced);
    assert!(replica.cli(&["kept", "show", &id]).done().contains("section-0/page-0.html"));

    let said = replica.cli(&["kept", "restore", &id]).failed(12);
    assert!(said.contains("--to"), "{said}");
    let inside = replica.path("section-0/restored.html");
    replica.cli(&["kept", "restore", &id, "--to", inside.to_str().unwrap()]).failed(12);
    assert!(!inside.exists());
    let outside = farm.directory().join("restored.html");
    replica.cli(&["kept", "restore", &id, "--to", outside.to_str().unwrap()]).done();
    assert_eq!(fs::read(&outside).unwrap(), b"defaced");
    replica.cli(&["kept", "restore", &id, "--to", outside.to_str().unwrap()]).failed(1);
    assert_eq!(kept(replica).len(), found.len(), "restored is not dropped");

    replica.cli(&["kept", "drop", &id]).done();
    assert!(!kept(replica).contains_key("section-0/page-0.html"));
    replica.cli(&["kept", "show", &id]).failed(12);
    replica.cli(&["kept", "drop", "--all"]).done();
    assert!(kept(replica).is_empty());
    assert_eq!(replica.status()["node"]["set_aside"], 0);
    let work = fs::read_dir(replica.work().join("kept")).unwrap().count();
    assert_eq!(work, 0, "dropped is gone");
    farm.converges();
}

#[test]
fn edits_made_while_others_are_reverted_are_waited_for() {
    let farm = farm();
    let replica = farm.replica();
    for round in 0..30 {
        for name in 0..round {
            let note = replica.path(format!("own-{round}/notes/{name}/today.txt"));
            // Its directory may be moved aside before the file is in it.
            eventually("it is written", || {
                fs::create_dir_all(note.parent().unwrap()).is_ok()
                    && fs::write(&note, "mine").is_ok()
            });
        }
        replica.cli(&["wait", "--timeout", "60s"]).done();
        assert!(!replica.path(format!("own-{round}")).exists());
    }
    farm.converges();
}

#[test]
fn edits_made_while_the_daemon_was_down_are_set_aside_too() {
    let mut farm = farm();
    farm.replica_mut().stop();
    let replica = farm.replica();
    write(&replica.path("section-0/page-0.html"), "defaced");
    write(&replica.path("extra.html"), "extra");
    fs::remove_dir_all(replica.path("section-3")).unwrap();
    fs::rename(replica.path("section-2"), replica.path("section-9")).unwrap();
    fs::remove_file(replica.path("section-1/page-0.html")).unwrap();
    symlink("/etc/passwd", replica.path("section-1/page-0.html")).unwrap();
    fs::remove_file(replica.path("section-1/page-1.html")).unwrap();
    write(&replica.path("section-1/page-1.html/inside"), "a directory in the way");
    write(&farm.origin().path("section-0/page-0.html"), "edited at both ends");
    farm.replica_mut().start();
    farm.converges();
    let found = kept(farm.replica());
    for path in ["section-0/page-0.html", "extra.html", "section-1/page-0.html"] {
        assert!(found.contains_key(path), "{path} is not in {:?}", found.keys());
    }
    assert!(found.keys().any(|path| path.starts_with("section-1/page-1.html")));
    let kept_file = &found["section-0/page-0.html"];
    let outside = farm.directory().join("out");
    let id = kept_file["id"].to_string();
    farm.replica().cli(&["kept", "restore", &id, "--to", outside.to_str().unwrap()]).done();
    assert_eq!(fs::read(outside).unwrap(), b"defaced");
}

#[test]
fn an_edit_is_reverted_without_being_asked_for() {
    let farm = farm();
    let page = farm.replica().path("section-0/page-0.html");
    let good = fs::read(&page).unwrap();
    for round in 0..5 {
        write(&page, format!("defaced {round}"));
        eventually("the page is back", || fs::read(&page).is_ok_and(|found| found == good));
    }
    // A name that is created, written to and closed again is never left there either.
    let extra = farm.replica().path("section-1/extra");
    write(&extra, "extra");
    eventually("the extra file is gone", || !extra.exists());
    farm.converges();
}

#[test]
fn what_somebody_holds_open_on_a_replica_is_not_lost() {
    use std::io::Write as _;
    let farm = farm();
    let log = farm.replica().path("section-0/upload.part");
    let mut open = fs::File::create(&log).unwrap();
    open.write_all(b"first half, ").unwrap();
    write(&farm.origin().path("index.html"), "meanwhile");
    farm.origin().cli(&["wait", "--all", "--timeout", "60s"]);
    assert_eq!(fs::read(farm.replica().path("index.html")).unwrap(), b"meanwhile");
    open.write_all(b"second half").unwrap();
    drop(open);
    eventually("it is set aside", || !log.exists());
    farm.converges();
    let found = kept(farm.replica());
    let id = found["section-0/upload.part"]["id"].to_string();
    let outside = farm.directory().join("out");
    farm.replica().cli(&["kept", "restore", &id, "--to", outside.to_str().unwrap()]).done();
    assert_eq!(fs::read(outside).unwrap(), b"first half, second half");
}

#[test]
fn verify_finds_damage_and_repairs_it() {
    use std::os::unix::fs::MetadataExt as _;
    let mut farm = farm();
    let page = farm.replica().path("section-0/page-0.html");
    let metadata = fs::metadata(&page).unwrap();
    farm.replica_mut().stop();
    // The same size and time, as a failing disk would leave it (but for ctime).
    write(&page, vec![0; metadata.len() as usize]);
    super::sample::touch(&page, metadata.modified().unwrap());
    assert_eq!(fs::metadata(&page).unwrap().mtime(), metadata.mtime());
    let said = farm.replica().cli(&["verify"]).with(3);
    assert!(said.contains("section-0/page-0.html"), "{said}");
    farm.replica_mut().start();
    farm.converges();
    farm.replica().cli(&["verify"]).done();
    farm.replica().cli(&["verify", "--repair"]).done();
}

#[test]
fn while_the_origin_is_away_an_edit_is_reverted_from_another_replica() {
    let mut farm = farm();
    farm.add();
    farm.converges();
    let page = "section-0/page-0.html";
    let whole = fs::read(farm.origin().path(page)).unwrap();
    let shown = |farm: &Farm| fs::read(farm.replica().path(page)).unwrap();
    farm.origin_mut().stop();
    write(&farm.replica().path(page), "defaced");
    eventually("it is back", || shown(&farm) == whole);
    // Alone, it can still take away what was added, and what was replaced waits.
    farm.nodes[2].stop();
    let added = farm.replica().path("section-1/shell.php");
    write(&added, "<?php evil();");
    eventually("it is gone", || !added.exists());
    write(&farm.replica().path(page), "defaced again");
    farm.replica().until("it is seen", |status| status["node"]["in_sync"] == false);
    assert_eq!(shown(&farm), b"defaced again");
    farm.nodes[2].start();
    eventually("it is back", || shown(&farm) == whole);
    assert_eq!(kept(farm.replica()).len(), 2, "one path twice, and one");
    assert_eq!(farm.replica().status()["node"]["set_aside"], 3);
    farm.origin_mut().start();
    farm.converges();
}

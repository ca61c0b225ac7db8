//! Nodes that were away.

use std::fs;

use super::sample::{chmod, content, site, write};
use crate::farm::{Farm, Node};

fn edit(root: &std::path::Path, round: u64) {
    write(&root.join(format!("section-0/new-{round}.html")), content(round, 2_000));
    write(&root.join("section-1/page-1.html"), content(round + 50, 2_500));
    let _ = fs::remove_file(root.join(format!("section-1/page-{}.html", round + 2)));
    let _ = fs::rename(
        root.join(format!("section-2/page-{round}.html")),
        root.join(format!("section-3/moved-{round}.html")),
    );
    chmod(&root.join("section-4"), 0o700 + round as u32);
}

#[test]
fn a_replica_that_was_away_fetches_the_difference() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 20, 40));
    farm.add();
    farm.add();
    farm.converges();
    for round in 1..4 {
        if round == 2 {
            farm.replica_mut().kill9()
        } else {
            farm.replica_mut().stop()
        }
        let root = farm.origin().docroot();
        edit(&root, round);
        farm.origin().cli(&["wait", "--members", "web2", "--timeout", "60s"]).done();
        let live = farm.origin().cli(&["wait", "--live", "--timeout", "60s"]);
        live.done();
        let said = farm.origin().cli(&["wait", "--all", "--timeout", "300ms"]).failed(124);
        assert!(said.contains("web1") && !said.contains("web2"), "{said}");
        if round == 3 {
            // Nor does a restart of the origin make it dearer.
            farm.origin_mut().kill9();
            farm.origin_mut().start();
        }
        let before = farm.origin().counter("served_bytes");
        farm.replica_mut().start();
        farm.converges();
        let served = farm.origin().counter("served_bytes") - before;
        let walked = farm.replica().counter("walked_nodes");
        assert!(
            served < 60_000,
            "round {round}: {served} bytes for a few changes, {walked} nodes walked"
        );
    }
}

#[test]
fn a_replica_that_returns_is_waited_for_until_it_has_looked() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 40, 40));
    farm.add();
    farm.converges();
    farm.replica_mut().stop();
    let (gone, bad) = ("section-5/page-1.html", "section-4/page-1.html");
    fs::remove_dir_all(farm.replica().path("section-5")).unwrap();
    write(&farm.replica().path(bad), "bad");
    farm.replica_mut().spawn();
    farm.wait_all();
    for name in [gone, bad] {
        let (here, there) = (farm.replica().path(name), farm.origin().path(name));
        assert!(fs::read(here).is_ok_and(|read| read == fs::read(there).unwrap()), "{name}");
    }
    farm.assert_equal();
}

#[test]
fn an_origin_that_was_away_publishes_what_happened() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 6, 20));
    farm.add();
    farm.converges();
    let root = farm.origin().docroot();
    for round in 0..4 {
        if round % 2 == 0 {
            farm.origin_mut().stop()
        } else {
            farm.origin_mut().kill9()
        }
        edit(&root, round);
        let status = farm.replica().status();
        assert_eq!(status["node"]["errors"], serde_json::json!([]));
        farm.origin_mut().start();
        farm.converges();
    }
}

#[test]
fn a_restart_reads_no_unchanged_file() {
    let mut farm = Farm::founded(&[], |docroot| {
        site(docroot, 4, 10);
        write(&docroot.join("large"), content(3, 16 * 1024 * 1024));
    });
    farm.add();
    farm.converges();
    // A file whose time of last change lies just before is read again, to be sure.
    farm.converges();
    for node in &mut farm.nodes {
        node.stop();
        node.start();
    }
    farm.converges();
    for node in &farm.nodes {
        let read = read_bytes(node);
        assert!(read < 16 * 1024 * 1024, "{}: {read} bytes were read", node.name);
        assert_eq!(node.counter("applied_files"), 0, "{}", node.name);
    }
    assert_eq!(farm.origin().counter("served_bytes"), 0);
}

/// Bytes that a daemon has read since it started, from caches too.
fn read_bytes(node: &Node) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/io", node.process())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    line.parse().unwrap()
}

#[test]
fn everything_goes_down_and_comes_up_in_any_order() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 5, 15));
    farm.add();
    farm.add();
    farm.converges();
    let root = farm.origin().docroot();
    for node in &mut farm.nodes {
        node.stop();
    }
    edit(&root, 5);
    for node in farm.nodes.iter_mut().rev() {
        node.start();
    }
    farm.converges();
    for node in farm.nodes.iter_mut().rev() {
        node.kill9();
    }
    edit(&root, 6);
    for node in &mut farm.nodes {
        node.start();
    }
    farm.converges();
}

#[test]
fn without_its_origin_a_replica_is_not_fresh_and_wait_says_so() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    farm.add();
    farm.converges();
    farm.replica().until("it is fresh", |status| status["node"]["fresh"] == true);
    farm.origin_mut().stop();
    let replica = farm.replica();
    let status = replica.until("it is not fresh", |status| status["node"]["fresh"] == false);
    assert!(status["node"]["heard_seconds"].as_f64().unwrap() >= 9.0, "{status:#}");
    assert_eq!(status["node"]["in_sync"], true, "{status:#}");
    let said = replica.cli(&["wait", "--timeout", "100ms"]).failed(124);
    assert!(said.contains("the origin has not been heard"), "{said}");
    farm.origin_mut().start();
    farm.replica().cli(&["wait", "--timeout", "60s"]).done();
    farm.converges();
}

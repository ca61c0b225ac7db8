//! Who is in, who is out.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::sample::{site, write};
use crate::farm::{Farm, Node};
use crate::farm_command::eventually;

fn member<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["cluster"]["members"].as_array().unwrap().iter().find(|member| member["name"] == name)
}

#[test]
fn a_removed_member_says_so_and_is_refused_from_then_on() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 2, 10));
    farm.add();
    farm.add();
    farm.converges();
    farm.origin().cli(&["remove", "web2"]).done();
    let status = farm.nodes[2].ended();
    assert_eq!(status.code(), Some(12), "{status}");
    assert!(farm.nodes[2].log().contains("removed from the cluster"), "{}", farm.nodes[2].log());
    assert!(member(&farm.origin().status(), "web2").is_none());
    write(&farm.origin().path("after.html"), "not for web2");

    // Started again, it learns it again, and nothing more.
    let removed = &mut farm.nodes[2];
    removed.spawn();
    let status = removed.ended();
    assert_eq!(status.code(), Some(12), "{status}");
    assert!(!removed.path("after.html").exists());
    assert_eq!(fs::read_dir(removed.docroot()).unwrap().count(), 2, "its docroot stays");
    let said = farm.origin().cli(&["remove", "web2"]).failed(12);
    assert!(said.contains("web2"), "{said}");
    farm.origin().cli(&["wait", "--members", "web2"]).failed(12);
    farm.nodes.remove(2);
    farm.converges();
    let replica = farm.replica();
    replica.until("it hears of it", |status| member(status, "web2").is_none());
}

#[test]
fn a_member_that_was_away_when_it_was_removed_learns_it() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 5));
    farm.add();
    farm.converges();
    farm.replica_mut().stop();
    farm.origin().cli(&["remove", "web1"]).done();
    farm.replica_mut().spawn();
    let status = farm.replica_mut().ended();
    assert_eq!(status.code(), Some(12), "{status}");
    // It is no attack, and no alert stands for it.

    eventually("it is counted", || farm.origin().counter("removed_calls") > 0);
    assert_eq!(farm.origin().status()["node"]["refused"], serde_json::json!([]));
}

#[test]
fn a_member_leaves() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 5));
    farm.add();
    farm.add();
    farm.converges();
    farm.replica().cli(&["leave"]).done();
    let status = farm.replica_mut().ended();
    assert_eq!(status.code(), Some(12), "{status}");
    farm.origin().until("it is out", |status| member(status, "web1").is_none());
    let said = farm.origin().cli(&["leave"]).failed(12);
    assert!(said.contains("yet"), "{said}");
    let said = farm.origin().cli(&["remove", "origin"]).failed(12);
    assert!(said.contains("yet"), "{said}");
    farm.nodes.remove(1);
    farm.converges();
    // The name is free again, and another node may have it.
    let mut again = Node::at(farm.directory().join("again"), "web1");
    again.join(farm.token(), &[]).done();
    again.start();
    farm.nodes.push(again);
    farm.converges();
}

#[test]
fn tokens_are_for_one_in_time_and_for_this_cluster() {
    let farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    let others = Farm::founded(&[], |_| ());
    let origin = farm.origin();
    let once = origin.cli(&["token"]).done();
    let once = once.trim_end();
    let first = farm.stranger("first");
    first.join(once, &[]).done();
    let second = farm.stranger("second");
    let said = second.join(once, &["--timeout", "20s"]).failed(12);
    assert!(said.contains("token") && said.lines().count() <= 2, "{said}");
    untouched(&second);

    let short = origin.cli(&["token", "--ttl", "1s"]).done();
    std::thread::sleep(Duration::from_millis(1_100));
    let said = second.join(short.trim_end(), &["--timeout", "20s"]).failed(12);
    assert!(said.contains("expired") && !said.contains("--name"), "{said}");
    untouched(&second);

    let said = second.join("nonsense", &[]).failed(12);
    assert!(said.lines().count() <= 2, "{said}");
    let good = farm.token();
    let damaged =
        format!("{}{}", &good[..good.len() - 1], if good.ends_with('a') { 'b' } else { 'a' });
    second.join(&damaged, &["--timeout", "20s"]).failed(12);
    untouched(&second);

    // A token whose secret another cluster's origin gave.
    let token: mirrormesh_gossip::Token = good.parse().unwrap();
    let foreign: mirrormesh_gossip::Token = others.token().parse().unwrap();
    let mixed = mirrormesh_gossip::Token { secret: foreign.secret, ..token.clone() };
    second.join(&mixed.to_string(), &["--timeout", "20s"]).failed(12);
    let mixed = mirrormesh_gossip::Token { cluster: foreign.cluster, ..token.clone() };
    second.join(&mixed.to_string(), &["--timeout", "20s"]).failed(12);
    untouched(&second);
    // Nobody there, and somebody else there: not reached.
    let lost = mirrormesh_gossip::Token { addresses: vec!["127.0.0.1:9".into()], ..token.clone() };
    second.join(&lost.to_string(), &["--timeout", "1s"]).failed(11);
    let lost = mirrormesh_gossip::Token { addresses: foreign.addresses, ..token };
    second.join(&lost.to_string(), &["--timeout", "1s"]).failed(11);

    let twice = origin.cli(&["token", "--uses", "2"]).done();
    second.join(twice.trim_end(), &[]).done();
    let namesake = Node::at(farm.directory().join("namesake"), "second");
    let said = namesake.join(twice.trim_end(), &["--timeout", "20s"]).failed(12);
    assert!(said.contains("second"), "{said}");
    untouched(&namesake);
    assert!(origin.refused("bad-token") >= 3, "{:#}", origin.status());
    farm.stranger("third").join(twice.trim_end(), &[]).done();
    farm.stranger("fourth").join(twice.trim_end(), &["--timeout", "20s"]).failed(12);
    let said = origin.cli(&["token", "--role", "witness"]).failed(12);
    assert!(said.contains("witness"), "{said}");
    origin.cli(&["token", "--role", "queen"]).failed(2);
}

/// A failed join leaves no node behind.
#[track_caller]
fn untouched(node: &Node) {
    node.cli(&["run"]).failed(10);
    assert_eq!(fs::read_dir(node.docroot()).unwrap().count(), 0);
}

#[test]
fn who_waited_is_told_of_it_by_every_member() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 5));
    farm.add();
    farm.add();
    farm.converges();
    for round in 0..8 {
        write(&farm.origin().path("page.html"), format!("round {round}"));
        farm.wait_all();
        assert_eq!(farm.replica().cli(&["diff", "web1", "web2"]).done(), "");
        let root = farm.origin().status()["node"]["root"].clone();
        let status = farm.replica().status();
        let row = member(&status, "web2").unwrap();
        assert_eq!((&row["root"], &row["in_sync"]), (&root, &Value::Bool(true)), "{row:#}");
    }
}

#[test]
fn a_candidate_joins_as_one() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    let token = farm.origin().cli(&["token", "--role", "candidate"]).done();
    let mut standby = farm.stranger("standby");
    standby.join(token.trim_end(), &[]).done();
    standby.start();
    farm.nodes.push(standby);
    farm.converges();
    assert_eq!(farm.replica().status()["node"]["role"], "candidate");
    assert_eq!(member(&farm.origin().status(), "standby").unwrap()["role"], "candidate");
}

#[test]
fn the_token_of_init_is_good_once() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    // `init` was called by the harness; its token is in a second cluster's answer here.
    let mut origin = farm.stranger("another-origin");
    let told: Value = serde_json::from_str(&origin.init(&["--json"]).done()).unwrap();
    for key in ["token", "address", "cluster", "id", "name"] {
        assert!(told[key].as_str().is_some_and(|text| !text.is_empty()), "{told}");
    }
    assert_eq!(told["address"], origin.address());
    let token = told["token"].as_str().unwrap();
    // The origin is not up yet: the join waits for it.
    let mut replica = farm.stranger("another-replica");
    let mut joining = {
        let mut command = replica.command(&["join", token, "--name", "replica"]);
        command.args(["--listen", replica.address(), "--docroot"]).arg(replica.docroot());
        command.stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    origin.start();
    eventually("it has joined", || joining.try_wait().unwrap().is_some());
    assert!(joining.wait().unwrap().success());
    replica.start();
    write(&origin.path("index.html"), "other");
    origin.cli(&["wait", "--all", "--timeout", "60s"]).done();
    assert_eq!(fs::read(replica.path("index.html")).unwrap(), b"other");
    farm.stranger("third").join(token, &["--timeout", "20s"]).failed(12);
    origin.stop();
    replica.stop();
    farm.origin_mut().stop();
}

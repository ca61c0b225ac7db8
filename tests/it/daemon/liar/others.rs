//! What a liar and strangers do to those they do not talk to: nothing.

use mirrormesh_gossip::SecretKey;
use serde_bytes::ByteBuf;

use super::super::sample::{content, write};
use super::peer::{Hello, Peer, Report, frame, kind};
use super::scene::{Scene, refused, resident};
use super::target::{away, away_in, ends_well};
use crate::farm_command::{eventually, remark};

/// Longest frame that is taken.
const FRAME: usize = 4 * 1024 * 1024;

#[test]
fn what_one_member_reports_burdens_no_other() {
    let mut scene = Scene::new();
    let ended = scene.farm.replica().counter("disconnected");
    let mut report = Report {
        epoch: u64::MAX,
        seq: Some(u64::MAX),
        tried_seq: None,
        root: [7; 32].into(),
        in_sync: true,
        fresh: true,
        lag_milliseconds: u64::MAX,
        errors: u64::MAX,
        error_list: vec![(ByteBuf::from(content(1, 60)), "\u{1b}]0;x\u{7}".to_owned())],
        held: Some(("h".to_owned(), u64::MAX)),
    };
    // As long as a frame may be: what the origin makes of it must still fit one.
    let short = frame(kind::REPORT, &report).len();
    report.error_list.push((ByteBuf::from(*b"page"), "r".repeat(FRAME - short - 20)));
    let report = frame(kind::REPORT, &report);
    assert!((FRAME - 20..=FRAME).contains(&report.len()), "{}", report.len());
    let mut peer = scene.peer(scene.farm.origin());
    assert!(peer.send(&report));
    // The frame after it is answered: it has been taken.
    let heard = eventually_heard(&scene);
    assert!(!heard.contains('\u{1b}') && heard.len() < 20_000, "{} bytes", heard.len());
    write(&scene.farm.origin().path("section-0/page-0.html"), "goes on");
    scene.settle();
    scene.changed();
    assert_eq!(scene.farm.replica().counter("disconnected"), ended, "its connection was hurt");
    scene.untouched();
    scene.settle();
}

/// What the replica knows of the liar once the origin has passed on its report.
fn eventually_heard(scene: &Scene) -> String {
    let status = scene.farm.replica().until("it hears of the report", |status| {
        let members = status["cluster"]["members"].as_array().unwrap();
        members.iter().any(|member| member["name"] == "liar" && member["errors"] == u64::MAX)
    });
    status.to_string()
}

#[test]
fn answers_that_trickle_hold_up_nobody() {
    let (scene, truth) = away();
    let mut peer = scene.peer(scene.farm.replica());
    peer.trickle();
    assert!(peer.send(&frame(kind::PUSH, &super::peer::Push { delta: None, ..truth })));
    eventually("it is asked", || peer.asked() >= 1);
    // The liar stays, and goes on; the origin comes back.
    ends_well(scene);
    drop(peer);
}

#[test]
fn who_trickles_is_left_for_one_that_serves() {
    let mut scene = Scene::new();
    scene.farm.add();
    scene.farm.nodes[2].cli(&["wait", "--timeout", "60s"]).done();
    let (mut scene, truth) = away_in(scene);
    scene.farm.nodes[2].stop();
    let mut peer = scene.peer(scene.farm.replica());
    peer.trickle();
    assert!(peer.send(&frame(kind::PUSH, &super::peer::Push { delta: None, ..truth })));
    eventually("it is asked", || peer.asked() >= 1);
    // The liar stays; another replica comes, and the origin does not.
    scene.farm.nodes[2].start();
    let page = "section-0/page-0.html";
    let newest = std::fs::read(scene.farm.nodes[2].path(page)).unwrap();
    let shown = || std::fs::read(scene.farm.replica().path(page)).unwrap();
    eventually("the page comes from the other", || shown() == newest);
    assert!(scene.farm.replica().refused("late-answer") > 0);
    ends_well(scene);
    drop(peer);
}

#[test]
fn strangers_keep_out_nobody() {
    let mut scene = Scene::new();
    let origin = scene.farm.origin();
    let before = resident(origin);
    let key = |seed: u8| SecretKey::from_seed([seed; 32]);
    // They connect, greet as one who wants to join, and say no more.
    let hello = |scene: &Scene| frame(kind::HELLO, &Hello { stranger: true, ..scene.hello() });
    let mut strangers: Vec<Peer> = Vec::new();
    for seed in 100..140 {
        let mut stranger = Peer::dial(&key(seed), origin.address());
        stranger.send(&hello(&scene));
        strangers.push(stranger);
    }
    eventually("the places are taken", || origin.refused("too-many-connections") > 0);
    // Who has a token gets in all the same.
    let mut newcomer = scene.farm.stranger("newcomer");
    newcomer.join(scene.farm.token(), &["--timeout", "20s"]).done();
    // Those that are still there may neither open many streams nor say much.
    let mut last = Peer::dial(&key(200), origin.address());
    last.send(&hello(&scene));
    let streams = last.begin_and_wait(100);
    assert!(streams <= 8, "{streams} streams");
    let mut twice = Peer::dial(&key(201), origin.address());
    twice.send(&hello(&scene));
    twice.send(&hello(&scene));
    assert!(twice.closed().contains("greeted twice"));
    let mut long = Peer::dial(&key(202), origin.address());
    long.send(&hello(&scene));
    long.send(&frame(kind::JOIN, &vec![""; 100_000]));
    assert!(long.closed().contains("not a member"));
    // A connection on which nothing was ever opened is counted when it ends.
    Peer::knock(&key(203), origin.address());
    eventually("it is counted", || origin.refused("turned-away") > 0);
    remark(&format!("{} -> {} bytes, {:?}", before, resident(origin), refused(origin)));
    drop((strangers, last));
    newcomer.start();
    newcomer.cli(&["wait", "--timeout", "60s"]).done();
    scene.farm.nodes.push(newcomer);
    scene.settle();
    scene.untouched();
}

//! A true head with lies about how to get there, while the origin is away.

use mirrormesh_gossip::SignedHead;
use mirrormesh_merkle::{Delta, DeltaChange};
use serde_bytes::ByteBuf;

use super::super::sample::{content, write};
use super::peer::{Inline, Peer, Push, frame, kind};
use super::scene::{Scene, refused};
use crate::farm_command::eventually;
use crate::farm_walk::walk;

const PAGE: &str = "section-0/page-0.html";

/// The replica is back, the origin gone; the liar has the newest push, which the replica lacks.
pub(super) fn away() -> (Scene, Push) {
    away_in(Scene::new())
}

/// The same in a scene that may have more replicas; these have the newest head too.
pub(super) fn away_in(mut scene: Scene) -> (Scene, Push) {
    scene.farm.replica_mut().stop();
    let mut peer = scene.peer(scene.farm.origin());
    peer.push(|push| push.document.is_some());
    // One change in one head: a page is replaced.
    let origin = scene.farm.origin();
    let next = origin.docroot().with_file_name("next");
    write(&next, content(5, 3_000));
    std::fs::rename(next, origin.path(PAGE)).unwrap();
    origin.cli(&["wait", "--timeout", "60s"]).done();
    for node in &scene.farm.nodes[2..] {
        node.cli(&["wait", "--timeout", "60s"]).done();
    }
    let newest = origin.status()["node"]["seq"].as_u64().unwrap();
    let push =
        peer.push(|push| SignedHead::decode(&push.head).unwrap().peek().unwrap().seq == newest);
    drop(peer);
    scene.farm.origin_mut().stop();
    scene.farm.replica_mut().start();
    (scene, push)
}

/// What the replica shows is all old: nothing that the liar says gets there.
#[track_caller]
fn nothing_shows(
    scene: &mut Scene,
    before: &std::collections::BTreeMap<Vec<u8>, crate::farm_walk::Thing>,
) {
    let replica = scene.farm.replica();
    let found = crate::farm_walk::differences(before, &walk(&replica.docroot()));
    assert!(found.is_empty(), "{}", found.join("\n"));
    let status = replica.status();
    assert_eq!(status["node"]["in_sync"], false, "it knows of a newer head: {status:#}");
    assert_eq!(status["node"]["set_aside"], 0);
    assert!(scene.farm.replica_mut().lives());
}

#[track_caller]
pub(super) fn ends_well(mut scene: Scene) {
    scene.farm.origin_mut().start();
    let replica = scene.farm.replica();
    replica.until("it goes on", |status| status["node"]["in_sync"] == true);
    scene.settle();
    let shown = std::fs::read(scene.farm.replica().path(PAGE)).unwrap();
    assert_eq!(shown, content(5, 3_000));
}

#[test]
fn a_delta_that_deletes_everything_deletes_nothing() {
    let (mut scene, truth) = away();
    let before = walk(&scene.farm.replica().docroot());
    let head = SignedHead::decode(&truth.head).unwrap().peek().unwrap();
    let true_delta = Delta::decode(truth.delta.as_ref().expect("small enough")).unwrap();
    let gone: Vec<DeltaChange> = true_delta
        .changes
        .iter()
        .filter(|change| change.old.is_some())
        .map(|change| DeltaChange { new: None, ..change.clone() })
        .collect();
    let base = true_delta.base;
    let deletes = Delta { base, target: head.root, moves: Vec::new(), changes: gone };
    // A delta without a fault, to another tree than the head's.
    let elsewhere = Delta { base, target: base, moves: Vec::new(), changes: Vec::new() };
    let lies = [
        deletes.encode().unwrap().to_vec(),
        elsewhere.encode().unwrap().to_vec(),
        b"no delta at all".to_vec(),
        truth.delta.as_ref().unwrap()[..50].to_vec(),
        Vec::new(),
    ];
    for delta in lies {
        // One that knows of the head already hears no second delta to it.
        scene.farm.replica_mut().stop();
        scene.farm.replica_mut().start();
        let replica = scene.farm.replica();
        let mut peer = scene.peer(replica);
        // Whatever it asks for then, it gets rubbish.
        peer.serve(|request| content(request.len() as u64, 5_000));
        let lie = Push { delta: Some(ByteBuf::from(delta)), ..truth.clone() };
        assert!(peer.send(&frame(kind::PUSH, &lie)));
        eventually("the delta is refused", || replica.refused("wrong-delta") > 0);
        eventually("it asks for the tree", || peer.asked() >= 1);
        nothing_shows(&mut scene, &before);
    }
    ends_well(scene);
}

#[test]
fn contents_that_are_others_are_not_shown() {
    let (mut scene, truth) = away();
    let before = walk(&scene.farm.replica().docroot());
    let inline = truth.inline.iter().map(|inline| Inline {
        bytes: ByteBuf::from(content(9, inline.bytes.len())),
        ..inline.clone()
    });
    let lie = Push { inline: inline.collect(), ..truth.clone() };
    assert!(!lie.inline.is_empty(), "small contents travel with the head");
    let replica = scene.farm.replica();
    let mut peer = scene.peer(replica);
    peer.serve(|_| content(10, 3_000));
    assert!(peer.send(&frame(kind::PUSH, &lie)));
    replica.until("the head is proved", |status| {
        status["node"]["newest_seq"].as_u64() > status["node"]["seq"].as_u64()
    });
    eventually("it asks for contents", || peer.asked() >= 1);
    eventually("each is counted", || refused(replica).values().sum::<u64>() > 0);
    nothing_shows(&mut scene, &before);
    drop(peer);
    ends_well(scene);
}

#[test]
fn a_peer_that_never_answers_is_given_up() {
    let (mut scene, truth) = away();
    let before = walk(&scene.farm.replica().docroot());
    let lie = Push { delta: None, inline: Vec::new(), ..truth };
    let mut peer: Peer = scene.peer(scene.farm.replica());
    assert!(peer.send(&frame(kind::PUSH, &lie)));
    scene.farm.replica().until("it hears of the head", |status| status["node"]["in_sync"] == false);
    nothing_shows(&mut scene, &before);
    // It stays connected, and says nothing, while the origin comes back.
    ends_well(scene);
    drop(peer);
}

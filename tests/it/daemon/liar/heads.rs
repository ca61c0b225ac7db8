//! Heads, heartbeats and documents that nobody may sign, or that were true once.

use mirrormesh_gossip::{Document, Head, Heartbeat, SecretKey, SignedHead, SignedHeartbeat, Wall};
use mirrormesh_merkle::{Hash, Tree};
use serde_bytes::ByteBuf;

use super::super::sample::write;
use super::peer::{AskHead, Heartbeat as HeartbeatFrame, Push, frame, kind};
use super::scene::{Scene, refused};
use crate::farm_command::eventually;

fn push(head: &SignedHead, document: Option<&Document>) -> Vec<u8> {
    let push = Push {
        head: head.encode().into(),
        document: document.map(|document| document.encode().into()),
        delta: None,
        inline: Vec::new(),
    };
    frame(kind::PUSH, &push)
}

/// A head after `head` of a docroot with nothing in it.
fn empty_after(head: &SignedHead, signer: &SecretKey) -> Head {
    let head_hash = head.hash();
    let head = head.peek().unwrap();
    Head {
        seq: head.seq + 1,
        root: Tree::empty().root,
        files: 0,
        bytes: 0,
        previous: head_hash,
        confirmed_drop: Some((head.epoch, head.seq + 1)),
        origin: signer.public(),
        ..head
    }
}

#[test]
fn a_head_of_somebody_else_is_refused() {
    let mut scene = Scene::new();
    let (_, newest, document) = scene.newest(scene.farm.replica());
    let origin = scene.farm.origin().address().to_owned();
    // In its own name; in the origin's name; with a bit flipped; of another cluster; of a later
    // epoch; with a document in which the liar is the origin.
    let own = empty_after(&newest, &scene.liar);
    let stolen = Head { origin: newest.peek().unwrap().origin, ..own.clone() };
    let mut flipped = newest.encode();
    flipped[40] ^= 1;
    let foreign =
        Head { cluster: mirrormesh_gossip::ClusterId::from_bytes([7; 32]), ..own.clone() };
    let later = Head { epoch: own.epoch + 1, ..own.clone() };
    let mut promoted = document.clone();
    promoted.version += 1;
    promoted.set_role(&scene.liar.public(), mirrormesh_gossip::MemberRole::Candidate).unwrap();
    let crowned = Head { document: promoted.hash(), ..own.clone() };
    let lies = [
        push(&SignedHead::sign(&own, &scene.liar), None),
        push(&SignedHead::sign(&stolen, &scene.liar), None),
        frame(
            kind::PUSH,
            &Push { head: ByteBuf::from(flipped), document: None, delta: None, inline: vec![] },
        ),
        push(&SignedHead::sign(&foreign, &scene.liar), None),
        push(&SignedHead::sign(&later, &scene.liar), None),
        push(&SignedHead::sign(&crowned, &scene.liar), Some(&promoted)),
    ];
    let addresses = [scene.farm.replica().address().to_owned(), origin];
    for (number, lie) in lies.iter().enumerate() {
        for (index, address) in addresses.iter().enumerate() {
            let node = &scene.farm.nodes[1 - index];
            assert_eq!(node.address(), address);
            let before: u64 = refused(node).values().sum();
            let mut peer = scene.peer(node);
            assert!(peer.send(lie), "lie {number}");
            if number != 4 {
                let name = &node.name;
                eventually(&format!("{name} refuses lie {number}"), || {
                    refused(node).values().sum::<u64>() > before
                });
            }
        }
        scene.untouched();
    }
    scene.settle();
}

#[test]
fn what_was_true_once_is_no_news() {
    let mut scene = Scene::new();
    let (old, old_head, _) = scene.newest(scene.farm.replica());
    write(&scene.farm.origin().path("section-0/page-0.html"), "new");
    scene.settle();
    scene.changed();
    let replica = scene.farm.replica();
    let mut peer = scene.peer(replica);
    for _ in 0..20 {
        assert!(peer.send(&frame(kind::PUSH, &old)));
    }
    assert!(peer.send(&frame(kind::ASK_HEAD, &AskHead { proof_from: 0 })));
    peer.push(|push| push.document.is_some());
    scene.settle();
    // Also to a replica that has just started and knows it only from its disk.
    scene.farm.replica().until("it is fresh", |status| status["node"]["fresh"] == true);
    scene.farm.replica_mut().kill9();
    scene.farm.origin_mut().stop();
    scene.farm.replica_mut().start();
    let replica = scene.farm.replica();
    let mut peer = scene.peer(replica);
    assert!(peer.send(&frame(kind::PUSH, &old)));
    eventually("it is refused after a restart too", || replica.refused("old-head") > 0);
    let status = replica.status();
    let seq = old_head.peek().unwrap().seq;
    assert!(status["node"]["seq"].as_u64().unwrap() > seq, "{status:#}");

    // Nor do old or made-up heartbeats make it fresh.
    replica.until("the origin has not been heard", |status| status["node"]["fresh"] == false);
    let newest = replica.status()["node"]["newest_seq"].as_u64().unwrap();
    let head = old_head.peek().unwrap();
    for signer in [&scene.liar, &scene.origin_key()] {
        let heartbeat = Heartbeat {
            cluster: scene.cluster,
            epoch: head.epoch,
            certificate: head.certificate,
            number: if *signer.public().as_bytes() == *head.origin.as_bytes() {
                1
            } else {
                1 << 40
            },
            seq: newest,
            head: Hash::ZERO,
            time: Wall(0),
            origin: head.origin,
        };
        let signed = SignedHeartbeat::sign(&heartbeat, signer);
        let body = HeartbeatFrame { heartbeat: signed.encode().into() };
        let before: u64 = refused(replica).values().sum();
        assert!(peer.send(&frame(kind::HEARTBEAT, &body)));
        eventually("it is counted", || refused(replica).values().sum::<u64>() > before);
        assert_eq!(replica.status()["node"]["fresh"], false);
    }
    scene.farm.origin_mut().start();
    scene.untouched();
    scene.settle();
}

#[test]
fn two_heads_with_one_number_are_told_and_outlived() {
    let mut scene = Scene::new();
    let (_, newest, _) = scene.newest(scene.farm.origin());
    // Who has the origin's key, as after a disk image was restored twice, signs another one.
    let twin = Head {
        root: Tree::empty().root,
        files: 0,
        bytes: 0,
        confirmed_drop: Some(newest.peek().unwrap().position()),
        ..newest.peek().unwrap()
    };
    let twin = SignedHead::sign(&twin, &scene.origin_key());
    let replica = scene.farm.replica();
    let mut peer = scene.peer(replica);
    assert!(peer.send(&push(&twin, None)));
    let status = replica.until("it says so", |status| {
        status["node"]["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty())
    });
    assert!(status["node"]["warnings"][0].as_str().unwrap().contains("two different heads"));
    assert_eq!(replica.refused("equivocation"), 1);
    scene.untouched();

    // Whoever goes on showing it achieves no more.
    let lie = push(&twin, None);
    let length = u32::try_from(lie.len()).unwrap().to_be_bytes();
    let flood = [&length[..], &lie].concat().repeat(500);
    let mut peer = scene.peer(scene.farm.replica());
    for _ in 0..100 {
        assert!(peer.write(&flood));
    }
    let replica = scene.farm.replica();
    eventually("all are refused", || replica.refused("equivocation") == 50_001);
    scene.untouched();

    // The origin hears of it, and begins a new term over what it has.
    let origin = scene.farm.origin();
    let mut peer = scene.peer(origin);
    assert!(peer.send(&push(&twin, None)));
    origin.until("a new term begins", |status| status["node"]["epoch"] == 2);
    scene.settle();
    scene.untouched();
    let status = scene.farm.replica().status();
    assert_eq!(status["node"]["epoch"], 2, "{status:#}");
    assert_eq!(status["node"]["warnings"], serde_json::json!([]));
    write(&scene.farm.origin().path("section-0/page-0.html"), "goes on");
    scene.settle();
}

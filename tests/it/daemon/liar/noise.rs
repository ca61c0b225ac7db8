//! Bytes that mean nothing, and far too many of them.

use mirrormesh::store::Want;
use mirrormesh::store::request::Request;
use mirrormesh_gossip::SecretKey;
use mirrormesh_merkle::{Hash, Path};

use super::super::sample::{content, write};
use super::peer::{AskHead, Hello, Peer, Push, frame, kind};
use super::scene::{Scene, refused, resident};
use crate::farm_command::{eventually, remark};

#[test]
fn malformed_frames_end_their_connection_and_nothing_else() {
    let mut scene = Scene::new();
    let (truth, ..) = scene.newest(scene.farm.replica());
    let whole = frame(kind::PUSH, &truth);
    let mut lies: Vec<Vec<u8>> = vec![
        vec![0],
        vec![0, 2],
        vec![0, 2, 0xc1],
        whole[..whole.len() / 2].to_vec(),
        [&whole[..], b"more"].concat(),
        // A map that says it has four thousand million pairs, and a list, a text and bytes so long.
        [&[0, 2, 0xdf][..], &[0xff; 4]].concat(),
        [&[0, 2, 0xdd][..], &[0xff; 4]].concat(),
        [&[0, 2, 0x81, 0xa4][..], b"head", &[0xc6, 0xff, 0xff, 0xff, 0xff]].concat(),
        [&[0, 5, 0x81, 0xa4][..], b"rows", &[0xdd, 0x7f, 0xff, 0xff, 0xff]].concat(),
        [&[0, 7, 0x81, 0xa7][..], b"records", &[0xdd, 0x7f, 0xff, 0xff, 0xff]].concat(),
        // Nested so deep that a careless reader runs out of stack.
        [&[0, 2][..], &[0x91; 100_000]].concat(),
    ];
    lies.extend((0..15).map(|kind| [&[0, kind][..], &content(u64::from(kind), 300)].concat()));
    for node in 0..2 {
        let mut known = 0;
        for (number, lie) in lies.iter().enumerate() {
            let node = &scene.farm.nodes[node];
            let mut peer = scene.peer(node);
            assert!(peer.send(lie));
            eventually(&format!("lie {number} is counted"), || {
                let now: u64 = refused(node).values().sum();
                now > known
            });
            known = refused(node).values().sum();
        }
    }
    assert!(scene.farm.replica().refused("malformed-frame") > 10);
    scene.untouched();
    scene.settle();
}

#[test]
fn mutations_of_true_frames_do_no_harm() {
    let mut scene = Scene::new();
    let (truth, ..) = scene.newest(scene.farm.replica());
    let whole = frame(kind::PUSH, &truth);
    let hello = frame(kind::HELLO, &scene.hello());
    let ask = frame(kind::ASK_HEAD, &AskHead { proof_from: 1 });
    for round in 0..120u64 {
        let noise = content(round + 1, 16);
        let mut lie = [&whole, &hello, &ask][noise[0] as usize % 3].clone();
        for byte in &noise[1..=1 + round as usize % 4] {
            let place = (*byte as usize * 257 + round as usize * 31) % lie.len();
            lie[place] = lie[place].wrapping_add(noise[15] | 1);
        }
        let node = &scene.farm.nodes[round as usize % 2];
        let mut peer = scene.peer(node);
        // Whether it is refused or happens to mean something, it must not matter.
        peer.send(&lie);
        peer.send(&ask);
    }
    scene.untouched();
    scene.settle();
}

#[test]
fn lengths_and_greetings_that_cannot_be() {
    let mut scene = Scene::new();
    let replica = scene.farm.replica();
    let mut peer = scene.peer(replica);
    peer.write(&[0xff; 4]);
    assert!(peer.closed().contains("too long"));
    let mut peer = scene.peer(replica);
    peer.write(&[0; 4]);
    assert!(peer.closed().contains("empty"));
    let mut peer = scene.peer(replica);
    peer.write(&(4 * 1024 * 1024 + 1u32).to_be_bytes());
    assert!(peer.closed().contains("too long"));

    let greet = |hello: &Hello| {
        let mut peer = Peer::dial(&scene.liar, scene.farm.replica().address());
        assert!(peer.send(&frame(kind::HELLO, hello)));
        peer.closed()
    };
    let foreign = greet(&Hello { cluster: [9; 32].into(), ..scene.hello() });
    assert!(foreign.contains("another cluster"), "{foreign}");
    let newer = greet(&Hello { oldest: 7, newest: 9, ..scene.hello() });
    assert!(newer.contains("version"), "{newer}");
    // A peer that speaks later versions too is welcome, and what it knows more is passed over.
    let replica = scene.farm.replica();
    let mut peer = Peer::dial(&scene.liar, replica.address());
    let hello = Hello { newest: 9, features: vec![1, 2, 3], ..scene.hello() };
    assert!(peer.send(&frame(kind::HELLO, &hello)));
    assert!(peer.send(&frame(4_711, &vec!["from the future"])));
    assert!(peer.send(&frame(kind::ASK_HEAD, &AskHead { proof_from: 0 })));
    peer.push(|push| push.document.is_some());
    assert_eq!(replica.refused("unknown-frame"), 1);
    // What only an origin may say, and what strangers say to an origin.
    let mut peer = scene.peer(replica);
    assert!(peer.send(&rows_or_join(kind::ROWS)));
    eventually("it is counted", || replica.refused("unexpected-frame") > 0);
    let mut peer = scene.peer(replica);
    assert!(peer.send(&rows_or_join(kind::JOIN)));
    assert!(peer.closed().contains("join refused"));
    // A member that asks again is told what it is, not made what it asks for.
    let mut peer = scene.peer(scene.farm.origin());
    assert!(peer.send(&rows_or_join(kind::JOIN)));
    assert!(
        scene.peer(replica).send(&frame(kind::LEAVE, &std::collections::BTreeMap::<u8, u8>::new()))
    );
    scene.untouched();
    scene.settle();
    let members = scene.farm.origin().status();
    assert_eq!(members["cluster"]["members"].as_array().unwrap().len(), 3, "nobody left");
    assert!(!members.to_string().contains("queen"), "{members:#}");
}

fn rows_or_join(kind: u16) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Both {
        rows: Vec<u8>,
        secret: serde_bytes::ByteArray<16>,
        name: String,
        addresses: Vec<String>,
    }
    let both = Both {
        rows: Vec::new(),
        secret: [1; 16].into(),
        name: "queen".into(),
        addresses: vec!["127.0.0.1:1".into()],
    };
    frame(kind, &both)
}

#[test]
fn strangers_learn_nothing() {
    let mut scene = Scene::new();
    let (truth, ..) = scene.newest(scene.farm.replica());
    for node in 0..2 {
        let node = &scene.farm.nodes[node];
        for lie in [
            frame(kind::PUSH, &truth),
            frame(kind::ASK_HEAD, &AskHead { proof_from: 0 }),
            frame(kind::REPORT, &"nothing"),
            frame(kind::PROOF, &"nothing"),
        ] {
            let mut peer = Peer::dial(&SecretKey::from_seed([77; 32]), node.address());
            assert!(peer.send(&frame(kind::HELLO, &scene.hello())));
            assert!(peer.send(&lie));
            while let Some((kind, _)) = peer.next() {
                assert_eq!(kind, kind::HELLO, "a stranger was told something");
            }
        }
        // One that does not even greet, and one that asks for contents.
        let mut peer = Peer::dial(&SecretKey::from_seed([77; 32]), node.address());
        assert!(peer.send(&frame(kind::ASK_HEAD, &AskHead { proof_from: 0 })));
        while let Some((kind, _)) = peer.next() {
            assert_eq!(kind, kind::HELLO, "a stranger was told something");
        }
        let mut peer = Peer::dial(&SecretKey::from_seed([77; 32]), node.address());
        assert!(peer.send(&frame(kind::HELLO, &scene.hello())));
        let since = Request::Since { from: Hash::ZERO, to: Hash::ZERO }.encode();
        peer.ask(&since, 1 << 20).unwrap_err();
        assert!(refused(node).values().sum::<u64>() >= 4, "{:?}", refused(node));
    }
    scene.untouched();
    scene.settle();
}

#[test]
fn requests_that_cannot_be_are_refused_and_true_ones_bounded() {
    let mut scene = Scene::new();
    let page = std::fs::read(scene.farm.replica().path("section-0/page-0.html")).unwrap();
    let path = Path::from_bytes(b"section-0/page-0.html").unwrap();
    let content_of = |content: Hash, size: u64, offset: u64| {
        let want = Want { content, size, path: path.clone() };
        Request::Content { want, offset }.encode()
    };
    for node in 0..2 {
        let node = &scene.farm.nodes[node];
        let mut peer = scene.heard(node);
        let hash = mirrormesh_merkle::content_hash(&page);
        let size = page.len() as u64;
        assert_eq!(peer.ask(&content_of(hash, size, 0), 1 << 20).unwrap(), page);
        assert_eq!(peer.ask(&content_of(hash, size, 10), 1 << 20).unwrap(), page[10..]);
        // Not what lies there, or not there: nothing.
        for request in [
            content_of(Hash::ZERO, size, 0),
            content_of(hash, size + 1, 0),
            content_of(hash, size, size + 1),
            content_of(hash, u64::MAX, u64::MAX),
        ] {
            let answer = peer.ask(&request, 1 << 20);
            assert!(
                answer.as_ref().is_err() || answer.as_ref().is_ok_and(Vec::is_empty),
                "{answer:?}"
            );
        }
        for request in [vec![], vec![0xc1], content(1, 1_000), content(2, 600 * 1024)] {
            peer.ask(&request, 1 << 20).unwrap_err();
        }
        assert!(node.refused("malformed-request") >= 2, "{:?}", refused(node));
    }
    // Paths that lead out cannot even be written down; by hand they can.
    for wrong in
        [&b"../../../etc/passwd"[..], b"/etc/passwd", b"section-0//page-0.html", b".mirrormesh"]
    {
        let honest = Request::Content {
            want: Want {
                content: mirrormesh_merkle::content_hash(&page),
                size: page.len() as u64,
                path: Path::from_bytes(&vec![b'x'; wrong.len()]).unwrap(),
            },
            offset: 0,
        };
        let mut bytes = honest.encode().to_vec();
        let place =
            bytes.windows(wrong.len()).position(|window| window.iter().all(|byte| *byte == b'x'));
        let place = place.unwrap();
        bytes[place..place + wrong.len()].copy_from_slice(wrong);
        scene.heard(scene.farm.replica()).ask(&bytes, 1 << 20).unwrap_err();
    }
    scene.untouched();
    scene.settle();
}

#[test]
fn a_flood_is_outlived() {
    let mut scene = Scene::new();
    write(&scene.farm.origin().path("large"), content(1, 6 * 1024 * 1024));
    scene.settle();
    scene.changed();
    let (truth, ..) = scene.newest(scene.farm.replica());
    let page = std::fs::read(scene.farm.origin().path("large")).unwrap();
    let want = Want {
        content: mirrormesh_merkle::content_hash(&page),
        size: page.len() as u64,
        path: Path::from_bytes(b"large").unwrap(),
    };
    let request = Request::Content { want, offset: 0 }.encode();
    let mut peers = Vec::new();
    for node in 0..2 {
        let node = &scene.farm.nodes[node];
        // Answers that nobody reads, on every stream there may be.
        let mut greedy = scene.heard(node);
        let streams = greedy.ask_and_forget(&request, 200);
        remark(&format!("{}: {streams} streams, {} bytes", node.name, resident(node)));
        assert!((1..200).contains(&streams), "streams are bounded");
        peers.push(greedy);
    }
    for node in 0..2 {
        let node = &scene.farm.nodes[node];
        let mut peer = scene.peer(node);
        let ask = frame(kind::ASK_HEAD, &AskHead { proof_from: 1 });
        let unknown = frame(999, &content(3, 20_000));
        let report = frame(kind::REPORT, &truth);
        let empty = frame(kind::PUSH, &Push { head: vec![].into(), ..truth.clone() });
        for round in 0..1_500 {
            let lie = [&ask, &unknown, &empty][round % 3];
            if !peer.send(lie) {
                peer = scene.peer(node);
            }
        }
        peer.send(&report);
        peers.push(peer);
        remark(&format!("{}: {} bytes, {:?}", node.name, resident(node), refused(node)));
    }
    // The farm works on in the middle of it.
    write(&scene.farm.origin().path("section-0/page-0.html"), "meanwhile");
    scene.settle();
    scene.changed();
    scene.untouched();
    // As many strangers as may come; members still get in.
    let mut strangers = Vec::new();
    for seed in 100..140 {
        let key = SecretKey::from_seed([seed; 32]);
        strangers.push(Peer::dial(&key, scene.farm.replica().address()));
    }
    scene.farm.replica_mut().kill9();
    scene.farm.replica_mut().start();
    write(&scene.farm.origin().path("section-0/page-1.html"), "and on");
    scene.settle();
    drop(strangers);
    drop(peers);
}

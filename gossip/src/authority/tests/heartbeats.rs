use std::time::Duration;

use mirrormesh_merkle::Hash;

use crate::tests::farm::{Node, tree};
use crate::tests::{WALL, id, key};
use crate::{
    Heartbeat, HeartbeatVerdict, Instant, PublishError, Refusal, Signable, SignedHeartbeat,
};

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn beat(node: &Node, number: u64) -> SignedHeartbeat {
    node.authority.heartbeat(&node.key, number, WALL).unwrap()
}

#[test]
fn a_heartbeat_freshens_once() {
    let mut one = Node::founder();
    let mut four = Node::beside(&one, 4);
    one.publish(tree(2));
    let first = beat(&one, 1);
    let verdict = four.authority.consider_heartbeat(at(100), &first);
    let Ok(HeartbeatVerdict::Newer(heartbeat)) = verdict else { panic!("{verdict:?}") };
    assert_eq!((heartbeat.seq, Some(heartbeat.head)), (2, one.authority.head_hash()));
    assert_eq!(four.authority.announced().map(|(seq, _)| seq), Some(2));
    assert!(four.authority.is_fresh(at(109)) && !four.authority.is_fresh(at(110)));
    assert_eq!(four.authority.consider_heartbeat(at(105), &first), Err(Refusal::Replayed));
    four.restart();
    assert!(!four.authority.is_fresh(at(101)));
    assert_eq!(four.authority.consider_heartbeat(at(1), &first), Err(Refusal::Replayed));
    four.authority.consider_heartbeat(at(1), &beat(&one, 2)).unwrap();
    assert!(four.authority.is_fresh(at(1)));
}

#[test]
fn only_the_origin_of_the_term_is_heard() {
    let one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let held = four.authority.clone();
    let sound = beat(&one, 1).verify(&id(1)).unwrap();
    let forged = |number: u8, change: &dyn Fn(&mut Heartbeat)| {
        let mut heartbeat = sound.clone();
        change(&mut heartbeat);
        SignedHeartbeat::sign(&heartbeat, &key(number))
    };
    for (signed, refusal) in [
        (forged(2, &|_| {}), Refusal::BadSignature),
        (forged(2, &|beat| beat.origin = id(2)), Refusal::WrongOrigin { signer: id(2) }),
        (forged(1, &|beat| beat.epoch = 2), Refusal::WrongOrigin { signer: id(1) }),
        (
            forged(1, &|beat| beat.cluster = crate::ClusterId::from_bytes([0; 32])),
            Refusal::ForeignCluster,
        ),
    ] {
        assert_eq!(four.authority.consider_heartbeat(at(1), &signed), Err(refusal));
    }
    let unknown = forged(2, &|beat| {
        beat.epoch = 9;
        beat.certificate = Hash::ZERO;
    });
    assert_eq!(
        four.authority.consider_heartbeat(at(1), &unknown),
        Ok(HeartbeatVerdict::NeedProof(2))
    );
    assert_eq!(four.authority, held);
    assert_ne!(sound.encode(), unknown.bytes);
}

#[test]
fn a_new_term_must_be_heard_itself() {
    let one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut four = Node::beside(&one, 4);
    four.authority.consider_heartbeat(at(100), &beat(&one, 7)).unwrap();
    two.promote();
    let first = beat(&two, 1);
    assert_eq!(
        four.authority.consider_heartbeat(at(100), &first),
        Ok(HeartbeatVerdict::NeedProof(2))
    );
    four.authority.consider_proof(&two.records()).unwrap();
    assert!(!four.authority.is_fresh(at(100)));
    assert_eq!(four.authority.announced(), None);
    assert_eq!(
        four.authority.consider_heartbeat(at(100), &beat(&one, 8)),
        Err(Refusal::BelowFence)
    );
    four.authority.consider_heartbeat(at(100), &first).unwrap();
    assert!(four.authority.is_fresh(at(100)));
    assert_eq!(first.verify(&id(2)).unwrap().seq, 0, "no head of its own yet");
}

#[test]
fn the_origin_hears_itself_and_does_not_repeat() {
    let mut one = Node::founder();
    let first = beat(&one, 5);
    one.authority.consider_heartbeat(at(3), &first).unwrap();
    assert!(one.authority.is_fresh(at(3)));
    assert_eq!(
        one.authority.heartbeat(&key(1), 5, WALL),
        Err(PublishError::NumberNotAbove { newest: 5, given: 5 })
    );
    assert_eq!(
        one.authority.heartbeat(&key(2), 6, WALL),
        Err(PublishError::NotOrigin { origin: id(1) })
    );
    let view = one.authority.view(at(4));
    assert_eq!((view.is_fresh, view.heard), (true, Some(Duration::from_secs(1))));
    assert_eq!((view.position, view.members), (Some((1, 1)), 5));
}

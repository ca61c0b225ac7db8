//! Tests of what is kept of offers, and of who is blamed.

use mirrormesh_gossip::{ClusterId, SecretKey, Wall};
use mirrormesh_merkle::Path;

use super::*;
use crate::store::DiskErrorKind;

fn offer(seq: u64, bytes: usize) -> Offer {
    let secret = SecretKey::from_seed([1; 32]);
    let head = Head {
        cluster: ClusterId::from_bytes([0; 32]),
        epoch: 1,
        seq,
        root: Hash::ZERO,
        document: Hash::ZERO,
        certificate: Hash::ZERO,
        delta: Hash::ZERO,
        previous: Hash::ZERO,
        files: 0,
        bytes: 0,
        confirmed_drop: None,
        flags: 0,
        time: Wall(0),
        origin: secret.public(),
    };
    Offer {
        signed: SignedHead::sign(&head, &secret),
        head,
        delta: Some(Bytes::from(vec![0; bytes])),
        inline: vec![Inline { content: Hash::ZERO, bytes: Bytes::from(vec![0; 10]) }],
        heard: Instant::ZERO,
        from: secret.public(),
    }
}

#[test]
fn deltas_that_are_dropped_take_no_room() {
    let mut follow = Follow::default();
    for (seq, bytes) in [(1, 100), (2, 200)] {
        let offer = offer(seq, bytes);
        follow.offer_bytes += offer.size();
        follow.offers.push_back(offer);
    }
    assert_eq!(follow.offer_bytes, 320);
    follow.drop_deltas();
    assert_eq!(follow.offer_bytes, 0);
    follow.drop_offers((1, 1));
    assert_eq!((follow.offers.len(), follow.offer_bytes), (1, 0));
}

#[test]
fn nobody_is_blamed_for_the_own_disk() {
    let disk = JobError::Disk {
        kind: DiskErrorKind::NoSpace,
        path: Path::root(),
        detail: "no room".to_owned(),
    };
    assert!(!is_fault_of_giver(&Err(disk)));
    assert!(!is_fault_of_giver(&Err(JobError::Inconsistent("a node is missing".to_owned()))));
    assert!(is_fault_of_giver(&Err(JobError::Unproved("another root".to_owned()))));
}

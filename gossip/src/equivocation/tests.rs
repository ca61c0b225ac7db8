use super::{EquivocationError, EquivocationProof};
use crate::tests::farm::{Node, forged};
use crate::tests::id;
use crate::{Head, SignedError, SignedHead};

fn two(change: impl FnOnce(&mut Head)) -> (SignedHead, SignedHead) {
    let node = Node::founder();
    (node.signed_head(), forged(&node, 1, change))
}

#[test]
fn two_contents_under_one_number_are_proof_in_either_order() {
    let (one, other) = two(|head| head.files += 1);
    let proof = EquivocationProof::of(&one, &other).unwrap();
    assert_eq!(EquivocationProof::of(&other, &one), Some(proof.clone()));
    proof.verify(&id(1)).unwrap();
    assert!(proof.heads().0.hash() < proof.heads().1.hash());
    let bytes = proof.encode();
    assert!(bytes.len() <= EquivocationProof::MAX_ENCODED);
    assert_eq!(EquivocationProof::decode(&bytes), Ok(proof));
}

#[test]
fn what_does_not_contradict_proves_nothing() {
    let (one, same) = two(|_| {});
    assert_eq!(EquivocationProof::of(&one, &same), None);
    for change in [
        |head: &mut Head| head.seq += 1,
        |head: &mut Head| head.certificate = head.root,
        |head: &mut Head| head.origin = id(2),
        |head: &mut Head| head.cluster = crate::ClusterId::from_bytes([0; 32]),
    ] {
        let (one, other) = two(change);
        assert_eq!(EquivocationProof::of(&one, &other), None);
    }
}

#[test]
fn nobody_can_frame_an_origin() {
    let node = Node::founder();
    let framed = forged(&node, 2, |head| head.files += 1);
    let proof = EquivocationProof::of(&node.signed_head(), &framed).unwrap();
    for origin in [1, 2] {
        assert!(matches!(
            proof.verify(&id(origin)),
            Err(EquivocationError::Signed(
                SignedError::BadSignature { .. } | SignedError::OtherSigner { .. }
            ))
        ));
    }
}

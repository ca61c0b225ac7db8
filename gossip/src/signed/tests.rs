use super::{Signed, SignedError};
use crate::tests::farm::{Node, forged};
use crate::tests::{genesis, id, key};
use crate::{AddressRecord, SignedAddressRecord, SignedHead};

#[test]
fn a_signature_by_another_than_the_named_signer_is_none() {
    let node = Node::founder();
    let head = node.signed_head();
    head.verify(&id(1)).unwrap();
    // Node 2 signs what names node 1, and what names itself.
    let stolen = forged(&node, 2, |_| {});
    let own = forged(&node, 2, |head| head.origin = id(2));
    assert_eq!(stolen.verify(&id(2)), Err(SignedError::OtherSigner { what: "head" }));
    assert!(matches!(stolen.verify(&id(1)), Err(SignedError::BadSignature { .. })));
    assert_eq!(own.verify(&id(1)), Err(SignedError::OtherSigner { what: "head" }));
    own.verify(&id(2)).unwrap();
}

#[test]
fn the_hash_is_of_the_bytes_alone() {
    let node = Node::founder();
    let head = node.signed_head();
    let other: SignedHead =
        Signed::from_parts(head.bytes.clone(), key(2).sign("mirrormesh x", b""));
    assert_eq!(head.hash(), other.hash());
    assert_ne!(head, other);
    assert_eq!(SignedHead::decode(&head.encode()), Ok(head));
}

/// What is signed as one kind of thing is no other, even with the same bytes.
#[test]
fn kinds_are_kept_apart() {
    let record = AddressRecord {
        cluster: genesis().cluster_id(),
        member: id(4),
        number: 1,
        addresses: vec!["web4:7440".to_owned()],
    };
    let signed = SignedAddressRecord::sign(&record, &key(4));
    assert_eq!(signed.verify(&id(4)), Ok(record.clone()));
    let as_head = key(4).sign("mirrormesh head signature v1", &signed.bytes);
    let relabelled = SignedAddressRecord::from_parts(signed.bytes.clone(), as_head);
    assert!(matches!(relabelled.verify(&id(4)), Err(SignedError::BadSignature { .. })));
    let nowhere = AddressRecord { addresses: vec!["nowhere".to_owned()], ..record };
    let signed = SignedAddressRecord::sign(&nowhere, &key(4));
    assert!(matches!(signed.verify(&id(4)), Err(SignedError::Malformed { .. })));
}

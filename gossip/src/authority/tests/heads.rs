use mirrormesh_merkle::Hash;

use crate::tests::farm::{Node, forged, tree};
use crate::tests::{id, member};
use crate::{
    Authority, DocumentError, EquivocationProof, Fence, HeadVerdict, MemberRole, Membership,
    Refusal, SignedHead,
};

#[test]
fn a_head_is_considered_then_taken() {
    let mut one = Node::founder();
    let mut four = Node::new(4);
    let head = one.signed_head();
    let wanted = one.authority.document().unwrap().hash();
    assert_eq!(four.authority.consider_head(&head, None), Ok(HeadVerdict::NeedDocument(wanted)));
    assert_eq!(four.authority.accept(&head, None), Err(Refusal::NotProven));
    let before = *four.authority.fence();
    let document = one.document_bytes();
    let verdict = four.authority.consider_head(&head, Some(&document));
    assert_eq!(verdict, Ok(HeadVerdict::Newer(one.head().clone())));
    assert_eq!(*four.authority.fence(), before, "considering moves nothing");
    assert_eq!(four.authority.head(), None);
    let persist = four.authority.accept(&head, None).unwrap();
    assert_eq!(persist.head.unwrap(), head.encode());
    assert_eq!(persist.document.unwrap(), document);
    assert!(persist.head_certificate.is_some());
    let fence = Fence::decode(&persist.fence.unwrap()).unwrap();
    assert_eq!(fence, Fence::at(*four.authority.term(), 1));
    assert_eq!(fence, *four.authority.fence());
    assert_eq!(four.authority.consider_head(&head, None), Ok(HeadVerdict::Known));

    // The next one names the same document and certificate: neither is stored again.
    let next = one.publish(tree(2)).signed;
    assert!(matches!(four.authority.consider_head(&next, None), Ok(HeadVerdict::Newer(_))));
    let persist = four.authority.accept(&next, None).unwrap();
    assert_eq!((persist.document, persist.head_certificate), (None, None));
    assert_eq!((persist.revocations, persist.remove_records_from), (None, None));
}

#[test]
fn repeated_and_reordered_heads_change_nothing() {
    let mut one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let heads: Vec<SignedHead> = (2..50).map(|root| one.publish(tree(root)).signed).collect();
    let document = one.document_bytes();
    for head in &heads[..40] {
        four.offer(head, &document).unwrap();
    }
    let held = four.authority.clone();
    for head in &heads[..40] {
        match four.offer(head, &document) {
            Ok(HeadVerdict::Known) | Err(Refusal::BelowFence) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(four.authority, held);
    }
    four.restart();
    for head in &heads[..40] {
        match four.offer(head, &document) {
            Ok(HeadVerdict::Known) | Err(Refusal::BelowFence) => {}
            other => panic!("{other:?}"),
        }
    }
    four.offer(&heads[45], &document).unwrap();
    assert_eq!(four.offer(&heads[44], &document), Err(Refusal::BelowFence));
    assert_eq!(four.head().seq, 47);
}

#[test]
fn only_the_origin_of_the_term_is_believed() {
    let one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let held = four.authority.clone();
    let document = one.document_bytes();
    let next = |number, origin| {
        forged(&one, number, |head| {
            head.seq += 1;
            head.origin = id(origin);
        })
    };
    for (head, refusal) in [
        (next(2, 1), Refusal::BadSignature),
        (next(2, 2), Refusal::WrongOrigin { signer: id(2) }),
        (next(1, 2), Refusal::WrongOrigin { signer: id(2) }),
        (
            forged(&one, 1, |head| head.cluster = crate::ClusterId::from_bytes([0; 32])),
            Refusal::ForeignCluster,
        ),
    ] {
        assert_eq!(four.offer(&head, &document), Err(refusal));
    }
    let mut damaged = one.signed_head();
    damaged.bytes = damaged.bytes.slice(1..);
    assert!(matches!(four.offer(&damaged, &document), Err(Refusal::Malformed(_))));
    let misnumbered = forged(&one, 1, |head| head.epoch = 2);
    assert!(matches!(four.offer(&misnumbered, &document), Err(Refusal::WrongOrigin { .. })));
    assert_eq!(four.authority, held);
}

#[test]
fn an_unknown_certificate_asks_for_proof() {
    let one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let other = |epoch| {
        forged(&one, 2, |head| {
            head.epoch = epoch;
            head.certificate = Hash::from_bytes([1; 32]);
            head.origin = id(2);
        })
    };
    for (epoch, expected) in [(1, 1), (2, 2), (7, 2), (u64::MAX, 2)] {
        assert_eq!(
            four.authority.consider_head(&other(epoch), None),
            Ok(HeadVerdict::NeedProof(expected))
        );
        assert_eq!(four.authority.accept(&other(epoch), None), Err(Refusal::NotProven));
    }
}

#[test]
fn the_document_must_be_the_one_named_and_sound() {
    let mut one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let old = one.document_bytes();
    let head = one.change(|document| document.excludes.clear()).signed;
    assert_eq!(four.offer(&head, &old), Err(Refusal::WrongDocument));
    assert_eq!(four.offer(&head, b""), Err(Refusal::WrongDocument));
    assert_eq!(four.offer(&head, &vec![0; 2 << 20]), Err(Refusal::WrongDocument));

    // What no sound origin would publish: documents that contradict themselves, or demote it.
    let mut contradictory = one.authority.document_draft().unwrap();
    contradictory.voters = vec![id(9)];
    let mut demoting = one.authority.document_draft().unwrap();
    demoting.set_role(&id(1), MemberRole::Replica).unwrap();
    let mut removing = one.authority.document_draft().unwrap();
    removing.remove_member(&id(1)).unwrap();
    for document in [contradictory, demoting, removing] {
        let head = forged(&one, 1, |head| {
            head.seq += 1;
            head.document = document.hash();
        });
        assert!(matches!(
            four.offer(&head, &document.encode()),
            Err(Refusal::BadDocument(
                DocumentError::VoterNotMember { .. } | DocumentError::OriginNotCandidate { .. }
            ))
        ));
    }
    four.offer(&head, &one.document_bytes()).unwrap();
}

#[test]
fn a_removed_member_stays_out() {
    let mut one = Node::founder();
    let mut four = Node::beside(&one, 4);
    assert!(matches!(four.authority.membership(&id(3)), Membership::Member(_)));
    assert_eq!(four.authority.membership(&id(9)), Membership::Unknown);
    let head = one.change(|document| {
        document.remove_member(&id(3)).unwrap();
    });
    four.authority.consider_head(&head.signed, Some(&one.document_bytes())).unwrap();
    let persist = four.authority.accept(&head.signed, None).unwrap();
    let stored = crate::Revocations::decode(&persist.revocations.unwrap()).unwrap();
    assert!(stored.contains(&id(3)));
    assert_eq!(four.authority.membership(&id(3)), Membership::Revoked);

    // An origin whose memory was rolled back brings the member back in: its key stays refused.
    let mut forgetful = Node::founder();
    forgetful.sequence.raise_above(100);
    let head = forgetful.change(|document| {
        document.admit(member(6, MemberRole::Replica)).unwrap();
    });
    four.offer(&head.signed, &forgetful.document_bytes()).unwrap();
    assert!(four.authority.document().unwrap().member(&id(3)).is_some());
    assert_eq!(four.authority.membership(&id(3)), Membership::Revoked);
    four.restart();
    assert_eq!(four.authority.membership(&id(3)), Membership::Revoked);
}

#[test]
fn a_revoked_origin_is_not_believed() {
    let mut one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut four = Node::beside(&one, 4);
    two.promote();
    two.change(|document| {
        document.remove_member(&id(1)).unwrap();
    });
    four.learn(&two).unwrap();
    // No proof leads back to the old term: it is put back by hand to reach the check.
    four.authority.chain = one.authority.chain.clone();
    let head = one.publish(tree(2)).signed;
    assert_eq!(four.offer(&head, &one.document_bytes()), Err(Refusal::Revoked { key: id(1) }));
}

#[test]
fn a_contradiction_freezes_the_term_on_a_replica() {
    let mut one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let document = one.document_bytes();
    for root in 2..10 {
        let head = one.publish(tree(root)).signed;
        four.offer(&head, &document).unwrap();
    }
    let held = four.head().clone();
    let next = one.publish(tree(10)).signed;
    // Not about the newest head but an older one.
    let other = forged(&one, 1, |head| {
        head.seq = 5;
        head.root = Hash::ZERO;
    });
    let Err(Refusal::Equivocation(proof)) = four.offer(&other, &document) else {
        panic!("not seen");
    };
    proof.verify(&id(1)).unwrap();
    assert!(matches!(four.offer(&next, &document), Err(Refusal::Equivocation(_))));
    assert_eq!(*four.head(), held, "it keeps what it had");

    // It convinces another node, and survives a restart there.
    let mut five = Node::beside(&one, 5);
    let encoded = proof.encode();
    let proof = EquivocationProof::decode(&encoded).unwrap();
    assert_eq!(five.authority.consider_equivocation(&proof), Ok(true));
    assert_eq!(five.authority.consider_equivocation(&proof), Ok(false));
    five.restart();
    assert!(five.authority.equivocation().is_some());
    let later = one.publish(tree(11)).signed;
    assert!(matches!(five.offer(&later, &document), Err(Refusal::Equivocation(_))));

    // A new term ends it.
    let mut two = Node::beside(&one, 2);
    two.promote();
    two.publish(tree(12));
    four.learn(&two).unwrap();
    assert!(four.authority.equivocation().is_none());
    assert_eq!(four.head().root, Hash::from_bytes([12; 32]));
    five.authority.consider_proof(&two.records()).unwrap();
    five.restart();
    assert!(five.authority.equivocation().is_none());
    assert_eq!(five.authority.consider_equivocation(&proof), Err(Refusal::BelowFence));
}

#[test]
fn a_contradiction_between_considering_and_taking_is_seen() {
    let one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let next = |root| {
        forged(&one, 1, |head| {
            head.seq += 1;
            head.root = Hash::from_bytes([root; 32]);
        })
    };
    assert!(matches!(four.authority.consider_head(&next(1), None), Ok(HeadVerdict::Newer(_))));
    assert!(matches!(four.authority.consider_head(&next(2), None), Ok(HeadVerdict::Newer(_))));
    four.authority.accept(&next(1), None).unwrap();
    assert!(matches!(four.authority.accept(&next(2), None), Err(Refusal::Equivocation(_))));
    assert!(four.authority.equivocation().is_some());
}

#[test]
fn nobody_can_freeze_a_term_by_a_forgery() {
    let one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let framed = forged(&one, 2, |head| head.files += 1);
    assert_eq!(four.offer(&framed, &one.document_bytes()), Err(Refusal::BadSignature));
    let proof = EquivocationProof::of(&one.signed_head(), &framed).unwrap();
    assert!(matches!(
        four.authority.consider_equivocation(&proof),
        Err(Refusal::NoEquivocation(_))
    ));
    assert!(four.authority.equivocation().is_none());
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut one = Node::founder();
    let mut four = Node::beside(&one, 4);
    for root in 0..100 {
        let publication = one.publish(tree(root));
        four.offer(&publication.signed, &[]).unwrap();
    }
    assert_eq!(four.authority.recent.len(), Authority::RECENT);
    assert_eq!(one.authority.recent.len(), Authority::RECENT);
    assert_eq!(four.authority.considered, None);
}

/// The set of revoked keys has an end; what would go beyond it is refused as a whole.
#[test]
fn revocations_are_bounded() {
    let mut one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let fake = |number: u32| {
        let mut bytes = [0xfe; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        crate::NodeId::unchecked(bytes)
    };
    let most: Vec<_> = (1..crate::Revocations::MAX as u32).map(fake).collect();
    assert!(four.authority.revocations.merge(&most));
    let held = four.authority.clone();
    let two_more = one.change(|document| {
        document.remove_member(&id(2)).unwrap();
        document.remove_member(&id(3)).unwrap();
    });
    assert_eq!(four.offer(&two_more.signed, &one.document_bytes()), Err(Refusal::TooManyRevoked));
    assert_eq!(four.authority, held);
    let bytes = four.authority.revocations().encode();
    assert!(bytes.len() <= crate::Revocations::MAX_ENCODED);
    assert_eq!(crate::Revocations::decode(&bytes).as_ref(), Ok(four.authority.revocations()));
}

use mirrormesh_merkle::Hash;

use crate::tests::farm::{Node, forged, tree};
use crate::tests::{genesis, id, key};
use crate::{
    Authority, Document, DocumentError, Head, MemberRole, Policy, Publish, PublishError, Rule,
    Sequence, Writers,
};

#[test]
fn heads_follow_each_other() {
    let mut one = Node::founder();
    let first = one.head().clone();
    assert_eq!((first.position(), first.previous), ((1, 1), Hash::ZERO));
    let first_hash = one.authority.head_hash().unwrap();
    let second = one.publish(Publish { flags: Head::SEALED, ..tree(2) });
    assert_eq!((second.head.position(), second.head.previous), ((1, 2), first_hash));
    assert!(second.head.is_sealed() && !first.is_sealed());
    assert_eq!(second.signed.verify(&id(1)), Ok(second.head.clone()));
    assert!(second.signed.encode().len() <= 512);
    assert_eq!(one.authority.head(), Some(&second.head));
    assert_eq!(second.persist.head.unwrap(), second.signed.encode());
}

#[test]
fn a_head_with_the_largest_numbers_still_fits() {
    let one = Node::founder();
    let largest = forged(&one, 1, |head| {
        head.epoch = u64::MAX;
        head.seq = u64::MAX;
        head.files = u64::MAX;
        head.bytes = u64::MAX;
        head.confirmed_drop = Some((u64::MAX, u64::MAX));
        head.flags = u32::MAX;
    });
    assert!(largest.bytes.len() <= Head::MAX_ENCODED);
    assert!(largest.encode().len() <= 512);
    assert!(largest.verify(&id(1)).is_ok());
}

#[test]
fn a_refused_publication_uses_no_number() {
    let mut one = Node::founder();
    let (held, numbers) = (one.authority.clone(), one.sequence.clone());
    let draft = one.authority.document_draft().unwrap();
    let with = |change: &dyn Fn(&mut Document)| {
        let mut draft = draft.clone();
        change(&mut draft);
        Publish { document: Some(draft), ..tree(2) }
    };
    for publish in [
        with(&|document| document.version += 1),
        with(&|document| document.excludes.push(String::new())),
        with(&|document| document.set_role(&id(1), MemberRole::Replica).unwrap()),
        with(&|document| {
            document.rules.push(Rule {
                path: "a".to_owned(),
                policy: Policy::Hold,
                writers: Writers::Origin,
            });
        }),
        with(&|document| document.promotion = crate::Promotion::Automatic),
    ] {
        assert!(matches!(one.try_publish(publish), Err(PublishError::Document(_))));
    }
    one.key = key(2);
    assert_eq!(one.try_publish(tree(2)), Err(PublishError::NotOrigin { origin: id(1) }));
    assert_eq!((&one.authority, &one.sequence), (&held, &numbers));
    one.key = key(1);
    one.sequence = Sequence::new();
    assert_eq!(one.try_publish(tree(2)), Err(PublishError::NoNumber));
    assert_eq!(one.authority, held);

    let mut new = Authority::found(genesis(), &key(1)).unwrap();
    assert_eq!(
        new.publish(&key(1), tree(1), &mut crate::tests::farm::sequence()),
        Err(PublishError::NoDocument)
    );
    assert!(Authority::found(genesis(), &key(2)).is_err());
}

#[test]
fn no_number_is_used_twice_over_restarts() {
    let mut one = Node::founder();
    let mut numbers = vec![one.head().seq];
    for round in 0..5 {
        for root in 0..3 {
            numbers.push(one.publish(tree(round * 3 + root)).head.seq);
        }
        one.restart();
    }
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
}

#[test]
fn an_origin_with_a_lost_memory_goes_on_above_what_it_meets() {
    let mut one = Node::founder();
    let mut rolled_back = one.clone();
    let head = (0..50).map(|root| one.publish(tree(root))).last().unwrap();
    rolled_back.offer(&head.signed, &one.document_bytes()).unwrap();
    assert_eq!(rolled_back.publish(tree(60)).head.seq, head.head.seq + 1);
}

#[test]
fn a_confirmed_drop_is_carried_on() {
    let mut one = Node::founder();
    let before = one.head().clone();
    let drop = one.publish(Publish { confirms_drop: true, ..tree(2) }).head;
    assert_eq!(drop.confirmed_drop, Some((1, 2)));
    let after = one.publish(tree(3)).head;
    assert_eq!(after.confirmed_drop, Some((1, 2)));
    assert!(after.confirms_drop_since(Some(&before)));
    assert!(after.confirms_drop_since(None));
    assert!(!after.confirms_drop_since(Some(&drop)));
    assert!(!before.confirms_drop_since(None));
    one.promote();
    let next_term = one.publish(tree(4)).head;
    assert_eq!(next_term.confirmed_drop, Some((1, 2)));
}

#[test]
fn a_changed_document_and_its_revocations_are_stored() {
    let mut one = Node::founder();
    let publication = one.change(|document| {
        document.remove_member(&id(4)).unwrap();
    });
    let persist = publication.persist;
    assert_eq!(persist.document.unwrap(), one.document_bytes());
    assert!(persist.revocations.is_some());
    assert_eq!(one.authority.document().unwrap().version, 2);
    let same = one.publish(tree(2));
    assert_eq!((same.persist.document, same.persist.revocations), (None, None));
}

/// A revocation made on a lineage that lost is published again by the one that won.
#[test]
fn a_draft_revokes_all_that_the_node_knows() {
    let mut one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut three = Node::beside(&one, 3);
    two.promote();
    two.change(|document| {
        document.remove_member(&id(4)).unwrap();
    });
    // Node 1 follows 2, then 3, which never heard of it, with a later epoch.
    one.learn(&two).unwrap();
    three.promote();
    three.promote();
    three.publish(tree(9));
    one.learn(&three).unwrap();
    assert!(one.authority.document().unwrap().member(&id(4)).is_some());
    one.promote();
    let stale = one.authority.document().unwrap().draft();
    assert_eq!(
        one.try_publish(Publish { document: Some(stale), ..tree(9) }),
        Err(PublishError::Document(DocumentError::RevocationLost { id: id(4) }))
    );
    let publication = one.change(|_| {});
    assert!(one.authority.document().unwrap().revokes(&id(4)));
    assert_eq!(publication.head.epoch, 4);
}

/// An origin that used up its numbers leaves some for the next.
#[test]
fn exhausted_numbers_are_not_inherited() {
    let one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let last = forged(&one, 1, |head| head.seq = u64::MAX);
    two.offer(&last, &one.document_bytes()).unwrap();
    two.promote();
    let publication = two.publish(tree(2));
    assert_eq!(publication.head.position(), (2, 1));
    let four = Node::beside(&two, 4);
    assert_eq!(four.head().position(), (2, 1));
}

/// An origin that learns, on another lineage, that its key is revoked says nothing more.
#[test]
fn a_revoked_origin_publishes_nothing() {
    let mut one = Node::founder();
    assert!(one.authority.revocations.merge(&[id(1)]));
    assert_eq!(one.try_publish(tree(2)), Err(PublishError::Revoked));
    assert_eq!(one.authority.heartbeat(&key(1), 1, crate::tests::WALL), Err(PublishError::Revoked));
}

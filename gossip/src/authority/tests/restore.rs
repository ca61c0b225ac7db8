use crate::tests::farm::{Node, forged, tree};
use crate::tests::{WALL, id};
use crate::{Authority, Instant, Persist, Refusal, RestoreError, Stored};

fn stored() -> Stored {
    let one = Node::founder();
    let mut two = Node::beside(&one, 2);
    two.promote();
    two.publish(tree(2));
    two.change(|document| {
        document.remove_member(&id(4)).unwrap();
    });
    let beat = two.authority.heartbeat(&two.key, 3, WALL).unwrap();
    two.authority.consider_heartbeat(Instant::ZERO, &beat).unwrap();
    two.authority.stored()
}

#[test]
fn all_that_is_stored_comes_back() {
    let authority = Authority::restore(&stored()).unwrap();
    assert_eq!(authority.stored(), stored());
    assert_eq!(authority.head().unwrap().position(), (2, 3));
    assert!(authority.revocations().contains(&id(4)));
    assert_eq!(authority.freshness().newest().unwrap().1, 3);
    assert!(!authority.is_fresh(Instant::ZERO));
}

#[test]
fn a_node_without_a_head_comes_back_too() {
    let node = Node::new(4);
    assert_eq!(Authority::restore(&node.authority.stored()).unwrap(), node.authority);
}

/// What is written piece by piece, as the changes said, is what would be written at once.
#[test]
fn the_changes_add_up_to_the_whole() {
    let mut one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut four = Node::new(4);
    let mut stored = four.authority.stored();
    let take = |stored: &mut Stored, four: &mut Node, from: &Node| {
        let verdict = four.authority.consider_proof(&from.records()).unwrap();
        if let crate::ProofVerdict::Newer { persist, .. } = verdict {
            stored.apply(*persist);
        }
        let (head, document) = (from.signed_head(), from.document_bytes());
        if let Ok(persist) = four.authority.accept(&head, Some(&document)) {
            stored.apply(persist);
        }
        assert_eq!(*stored, four.authority.stored());
    };
    take(&mut stored, &mut four, &one);
    one.publish(tree(2));
    take(&mut stored, &mut four, &one);
    one.change(|document| {
        document.remove_member(&id(5)).unwrap();
    });
    take(&mut stored, &mut four, &one);
    two.learn(&one).unwrap();
    two.promote();
    two.publish(tree(3));
    take(&mut stored, &mut four, &two);
    two.promote();
    take(&mut stored, &mut four, &two);
    two.change(|document| document.excludes.clear());
    take(&mut stored, &mut four, &two);
    let beat = two.authority.heartbeat(&two.key, 3, WALL).unwrap();
    four.authority.consider_heartbeat(Instant::ZERO, &beat).unwrap();
    stored.apply(four.authority.persist_freshness());
    let twin = forged(&two, 2, |head| head.files += 1);
    let Err(Refusal::Equivocation(proof)) = four.authority.consider_head(&twin, None) else {
        panic!("not seen");
    };
    stored.apply(Persist::equivocation(&proof));
    assert_eq!(stored, four.authority.stored());
}

#[test]
fn a_store_that_was_touched_is_not_believed() {
    let sound = stored();
    let other = Node::founder().authority.stored();
    type Damage = fn(&mut Stored, &Stored);
    let cases: [(&str, Damage); 8] = [
        ("no records", |stored, _| stored.records.clear()),
        ("a record missing", |stored, _| {
            stored.records.pop_first();
        }),
        ("no document", |stored, _| stored.document = None),
        ("another document", |stored, other| stored.document.clone_from(&other.document)),
        ("no certificate", |stored, _| stored.head_certificate = None),
        ("another certificate", |stored, other| {
            stored.head_certificate.clone_from(&other.head_certificate);
        }),
        ("no fence", |stored, _| stored.fence.clear()),
        ("no genesis", |stored, _| stored.genesis.clear()),
    ];
    for (case, damage) in cases {
        let mut damaged = sound.clone();
        damage(&mut damaged, &other);
        assert!(Authority::restore(&damaged).is_err(), "{case}");
    }
    let mut damaged = sound.clone();
    damaged.head.clone_from(&other.head);
    assert_eq!(Authority::restore(&damaged), Err(RestoreError::Head));
    // A fence that was lost is not lower than the head that was kept.
    let mut damaged = sound;
    damaged.fence = crate::Fence::open().encode().into();
    let authority = Authority::restore(&damaged).unwrap();
    assert_eq!(authority.fence().seq(), 3);
}

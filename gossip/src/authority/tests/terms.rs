use mirrormesh_merkle::Hash;

use crate::tests::farm::{Node, forged, tree};
use crate::tests::{WALL, id, sorted};
use crate::{
    CertifyError, HeadVerdict, Promotion, ProofError, ProofVerdict, PublishError, Refusal,
};

#[test]
fn a_promotion_reaches_everybody() {
    let one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut four = Node::beside(&one, 4);
    let (term, persist) = two.authority.certify_manual(&two.key, "web1 burnt", WALL).unwrap();
    assert_eq!((term.epoch, term.base, term.voted), (2, (1, 1), false));
    assert_eq!(persist.remove_records_from, Some(2));
    assert_eq!(persist.records.len(), 1);
    assert!(persist.fence.is_some());
    let head = two.publish(tree(2)).signed;
    assert_eq!(four.authority.consider_head(&head, None), Ok(HeadVerdict::NeedProof(2)));
    let records: Vec<_> = two.authority.chain().records_from(2).cloned().collect();
    four.authority.consider_proof(&records).unwrap();
    assert!(!four.authority.has_head_of_term());
    assert!(matches!(four.offer(&head, &[]), Ok(HeadVerdict::Newer(_))));
    assert!(four.authority.has_head_of_term());
    // Whatever the old origin still says is below the fence.
    let mut one = one;
    let late = one.publish(tree(3)).signed;
    assert_eq!(four.offer(&late, &one.document_bytes()), Err(Refusal::BelowFence));
    four.restart();
    assert_eq!(four.offer(&late, &one.document_bytes()), Err(Refusal::BelowFence));
}

/// Before the new term has a head, the old origin's heads are refused already, restarts included.
#[test]
fn the_fence_rises_with_the_proof() {
    let mut one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut four = Node::beside(&one, 4);
    two.promote();
    four.authority.consider_proof(&two.records()).unwrap();
    let late = one.publish(tree(3)).signed;
    assert_eq!(four.offer(&late, &one.document_bytes()), Err(Refusal::BelowFence));
    four.restart();
    assert_eq!(four.offer(&late, &one.document_bytes()), Err(Refusal::BelowFence));
    assert_eq!(four.head().position(), (1, 1));
    assert_eq!(four.authority.fence().seq(), 0);
}

/// Two admins promote two nodes at once: everybody arrives at the same, in whatever order.
#[test]
fn of_two_certificates_one_wins_everywhere() {
    let one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut three = Node::beside(&one, 3);
    two.promote();
    three.promote();
    two.publish(tree(2));
    three.publish(tree(3));
    let (mut winner, mut loser) =
        if two.authority.term() > three.authority.term() { (two, three) } else { (three, two) };
    let (winning, losing) = (winner.records(), loser.records());

    let mut first_loser = Node::beside(&loser, 4);
    let mut first_winner = Node::beside(&winner, 5);
    assert_eq!(
        first_loser.authority.consider_head(&winner.signed_head(), None),
        Ok(HeadVerdict::NeedProof(2))
    );
    let verdict = first_loser.authority.consider_proof(&winning);
    let Ok(ProofVerdict::Newer { persist, .. }) = verdict else { panic!("{verdict:?}") };
    assert_eq!(persist.remove_records_from, Some(2), "the loser's record goes");
    assert_eq!(persist.records.len(), 1);
    assert_eq!(first_winner.authority.consider_proof(&losing), Ok(ProofVerdict::Older));
    first_loser.offer(&winner.signed_head(), &winner.document_bytes()).unwrap();
    assert_eq!(first_loser.authority.term(), first_winner.authority.term());

    // The loser learns it and steps down; what it holds of its own lineage survives a restart.
    loser.authority.consider_proof(&winning).unwrap();
    assert!(matches!(loser.try_publish(tree(4)), Err(PublishError::NotOrigin { .. })));
    let fork = loser.head().clone();
    loser.restart();
    assert_eq!(*loser.head(), fork);
    loser.learn(&winner).unwrap();
    assert_eq!(loser.head(), winner.head());
    winner.publish(tree(5));
    loser.learn(&winner).unwrap();
}

/// A third epoch goes on from the lineage that lost: the chain follows it.
#[test]
fn a_chain_changes_to_another_branch() {
    let one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut three = Node::beside(&one, 3);
    two.promote();
    three.promote();
    two.publish(tree(2));
    three.publish(tree(3));
    let (winner, mut loser) =
        if two.authority.term() > three.authority.term() { (two, three) } else { (three, two) };
    let mut four = Node::beside(&winner, 4);
    loser.promote();
    loser.publish(tree(7));
    assert_eq!(
        four.authority.consider_head(&loser.signed_head(), None),
        Ok(HeadVerdict::NeedProof(3))
    );
    let short: Vec<_> = loser.authority.chain().records_from(3).cloned().collect();
    assert_eq!(four.authority.consider_proof(&short), Err(ProofError::Detached { epoch: 3 }));
    let verdict = four.authority.consider_proof(&loser.records());
    let Ok(ProofVerdict::Newer { persist, .. }) = verdict else { panic!("{verdict:?}") };
    assert_eq!(persist.remove_records_from, Some(2));
    assert_eq!(persist.records.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [2, 3]);
    four.offer(&loser.signed_head(), &loser.document_bytes()).unwrap();
    assert_eq!(four.head().root, Hash::from_bytes([7; 32]));
    four.restart();
}

#[test]
fn not_everybody_may_certify_itself() {
    let one = Node::founder();
    let certify = |number| {
        let mut node = Node::beside(&one, number);
        let held = node.authority.clone();
        let result = node.authority.certify_manual(&node.key, "", WALL);
        assert!(result.is_err() == (held == node.authority));
        result.map(|_| ())
    };
    assert_eq!(certify(2), Ok(()));
    for number in [4, 5, 9] {
        assert!(matches!(
            certify(number),
            Err(CertifyError::Refused(ProofError::NotCandidate { .. }))
        ));
    }
    let mut node = Node::new(2);
    assert_eq!(node.authority.certify_manual(&node.key, "", WALL), Err(CertifyError::NoBase));
    let mut node = Node::beside(&one, 2);
    for reason in ["a\nb", &"a".repeat(201)] {
        assert_eq!(
            node.authority.certify_manual(&node.key, reason, WALL),
            Err(CertifyError::BadReason)
        );
    }
}

#[test]
fn an_origin_that_contradicted_itself_begins_a_new_term() {
    let mut one = Node::founder();
    let mut four = Node::beside(&one, 4);
    let document = one.document_bytes();
    assert_eq!(
        one.authority.renew_after_equivocation(&one.key, WALL),
        Err(CertifyError::NoEquivocation)
    );
    let twin = forged(&one, 1, |head| head.files += 1);
    assert!(matches!(one.offer(&twin, &document), Err(Refusal::Equivocation(_))));
    assert!(matches!(four.offer(&twin, &document), Err(Refusal::Equivocation(_))));
    assert_eq!(one.try_publish(tree(2)), Err(PublishError::Equivocation));
    assert_eq!(
        one.authority.renew_after_equivocation(&four.key, WALL),
        Err(CertifyError::NotOrigin { origin: id(1) })
    );
    let (term, _) = one.authority.renew_after_equivocation(&one.key, WALL).unwrap();
    assert_eq!(term.epoch, 2);
    one.publish(tree(2));
    four.learn(&one).unwrap();
    assert_eq!(four.head().position(), (2, 2));
    assert_eq!(*four.authority.origin(), id(1));
}

/// Where only voters may make an origin, one that contradicted itself waits for them.
#[test]
fn where_policy_forbids_it_there_is_no_renewal() {
    let mut one = Node::founder();
    one.change(|document| {
        document.promotion = Promotion::Automatic;
        document.voters = sorted(&[1, 2, 5]);
    });
    let twin = forged(&one, 1, |head| head.files += 1);
    assert!(one.offer(&twin, &[]).is_err());
    assert_eq!(
        one.authority.renew_after_equivocation(&one.key, WALL),
        Err(CertifyError::Refused(ProofError::PolicyForbids { epoch: 2 }))
    );
}

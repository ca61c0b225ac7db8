use super::{Judge, ProofChain, ProofError, ProofRecord};
use crate::certificate::{Base, Certificate, CertificateKind, SignedCertificate};
use crate::tests::farm::{Node, tree};
use crate::tests::{WALL, genesis, id, key, member, sorted};
use crate::{Genesis, MemberRole, Promotion, ProofVerdict};

/// Three epochs: nodes 1, 2 and 3 one after another, each with heads of its own.
fn three_epochs() -> (Node, Node, Node) {
    let one = Node::founder();
    let mut two = Node::beside(&one, 2);
    two.promote();
    two.publish(tree(2));
    let mut three = Node::beside(&two, 3);
    three.promote();
    three.publish(tree(3));
    (one, two, three)
}

/// The record of a certificate that `number` makes itself on what `node` holds.
fn record_of(node: &Node, number: u8, kind: CertificateKind) -> (Certificate, ProofRecord) {
    let certificate = Certificate {
        cluster: node.authority.cluster(),
        epoch: node.authority.term().epoch + 1,
        origin: id(number),
        kind,
        base: Base {
            epoch: node.head().epoch,
            seq: node.head().seq,
            head: node.authority.head_hash().unwrap(),
        },
        reason: String::new(),
        time: WALL,
    };
    let record = ProofRecord {
        certificate: SignedCertificate::sign(&certificate, &key(number)),
        base_head: Some(node.signed_head()),
        base_document: node.document_bytes(),
    };
    (certificate, record)
}

fn resigned(certificate: &Certificate, number: u8, record: &ProofRecord) -> ProofRecord {
    let certificate = SignedCertificate::sign(certificate, &key(number));
    ProofRecord { certificate, ..record.clone() }
}

#[test]
fn a_chain_is_verified_from_the_genesis() {
    let (_, _, three) = three_epochs();
    let records = three.records();
    assert_eq!(records.len(), 3);
    let chain = ProofChain::verify(genesis(), &records).unwrap();
    assert_eq!(chain.tip().term(), three.authority.term());
    assert_eq!(chain.tip().certificate().origin, id(3));
    for record in &records {
        let bytes = record.encode();
        assert!(bytes.len() <= ProofRecord::MAX_ENCODED);
        assert_eq!(ProofRecord::decode(&bytes).as_ref(), Ok(record));
    }
    // Documents that are the same share their bytes.
    let shared: Vec<_> =
        chain.records_from(2).map(|record| record.base_document.as_ptr()).collect();
    assert_eq!(shared[0], shared[1]);
}

#[test]
fn a_returning_node_continues_from_the_last_epoch_it_knows() {
    let (mut one, _, three) = three_epochs();
    let missing: Vec<_> = three.authority.chain().records_from(2).cloned().collect();
    assert!(matches!(one.authority.consider_proof(&missing), Ok(ProofVerdict::Newer { .. })));
    assert_eq!(one.authority.chain(), three.authority.chain());
    assert_eq!(one.authority.consider_proof(&three.records()), Ok(ProofVerdict::Known));
    assert_eq!(one.authority.consider_proof(&[]), Ok(ProofVerdict::Known));
}

#[test]
fn a_gap_an_end_and_a_foreign_beginning_are_seen() {
    let (one, _, three) = three_epochs();
    let records = three.records();
    let chain = one.authority.chain();
    let extended = |records: &[ProofRecord]| chain.extended(records, &Judge::nobody());
    assert_eq!(extended(&records[2..]), Err(ProofError::Detached { epoch: 3 }));
    assert_eq!(
        extended(&[records[1].clone(), records[1].clone()]),
        Err(ProofError::Detached { epoch: 2 })
    );
    assert_eq!(ProofChain::verify(genesis(), &[]), Err(ProofError::NotFounding));
    assert_eq!(ProofChain::verify(genesis(), &records[1..]), Err(ProofError::NotFounding));
    let other = Genesis { nonce: [0; 16], ..genesis() };
    assert_eq!(ProofChain::verify(other, &records), Err(ProofError::ForeignCluster));
    let usurped = SignedCertificate::sign(
        &Certificate { origin: id(2), ..Certificate::founding(&genesis()) },
        &key(2),
    );
    assert_eq!(
        ProofChain::verify(genesis(), &[ProofRecord::founding(usurped)]),
        Err(ProofError::NotFounding)
    );
}

#[test]
fn every_part_of_a_record_must_fit() {
    let one = Node::founder();
    let chain = one.authority.chain().clone();
    let (certificate, record) = record_of(&one, 2, CertificateKind::Manual);
    let refused = |record: &ProofRecord| {
        chain.extended(std::slice::from_ref(record), &Judge::nobody()).unwrap_err()
    };
    chain.extended(std::slice::from_ref(&record), &Judge::nobody()).unwrap();

    let missing = ProofRecord { base_head: None, ..record.clone() };
    assert_eq!(refused(&missing), ProofError::WrongBase { epoch: 2 });
    let other_document = ProofRecord { base_document: b"x"[..].into(), ..record.clone() };
    assert_eq!(refused(&other_document), ProofError::WrongBase { epoch: 2 });
    for base in [
        Base { seq: 2, ..certificate.base },
        Base { head: mirrormesh_merkle::Hash::ZERO, ..certificate.base },
    ] {
        let changed = Certificate { base, ..certificate.clone() };
        assert_eq!(refused(&resigned(&changed, 2, &record)), ProofError::WrongBase { epoch: 2 });
    }
    let foreign =
        Certificate { cluster: crate::ClusterId::from_bytes([1; 32]), ..certificate.clone() };
    assert_eq!(refused(&resigned(&foreign, 2, &record)), ProofError::ForeignCluster);
    // Signed by somebody else than it names.
    assert!(matches!(refused(&resigned(&certificate, 3, &record)), ProofError::Signed { .. }));
    // A base head that the origin before did not sign.
    let mut forged = record.clone();
    forged.base_head = Some(crate::tests::farm::forged(&one, 2, |_| {}));
    assert!(matches!(refused(&forged), ProofError::Signed { epoch: 2, .. }));
    // An epoch beyond all reason.
    let far = Certificate { epoch: 2 + Certificate::MAX_STEP, ..certificate };
    assert!(matches!(refused(&resigned(&far, 2, &record)), ProofError::Signed { .. }));
}

#[test]
fn roles_and_policy_are_judged_by_the_base() {
    let one = Node::founder();
    let chain = one.authority.chain();
    let judged = |number, kind| {
        let (_, record) = record_of(&one, number, kind);
        chain.extended(&[record], &Judge::nobody()).map(|_| ())
    };
    assert_eq!(judged(2, CertificateKind::Manual), Ok(()));
    for number in [4, 5, 9] {
        assert_eq!(
            judged(number, CertificateKind::Manual),
            Err(ProofError::NotCandidate { epoch: 2, origin: id(number) })
        );
    }
    assert_eq!(judged(2, CertificateKind::Voted), Err(ProofError::PolicyForbids { epoch: 2 }));
}

#[test]
fn votes_are_counted_by_the_base() {
    let mut one = Node::founder();
    one.change(|document| {
        document.promotion = Promotion::Automatic;
        document.voters = sorted(&[1, 2, 5]);
    });
    let chain = one.authority.chain().clone();
    let no_majority = Err(ProofError::NoMajority { epoch: 2 });
    let (certificate, record) = record_of(&one, 2, CertificateKind::Voted);
    let judged = |votes: &[(u8, u8)], judge: &Judge<'_>| {
        let mut record = record.clone();
        for (voter, signer) in votes {
            let vote = SignedCertificate::vote(&certificate, &key(*signer));
            record.certificate.add_vote(id(*voter), vote);
        }
        chain.extended(&[record], judge).map(|_| ())
    };
    let nobody = Judge::nobody();
    assert_eq!(judged(&[(2, 2), (5, 5)], &nobody), Ok(()));
    assert_eq!(judged(&[(1, 1), (2, 2), (5, 5)], &nobody), Ok(()));
    assert_eq!(judged(&[], &nobody), no_majority);
    assert_eq!(judged(&[(2, 2)], &nobody), no_majority);
    assert_eq!(judged(&[(2, 2), (2, 2)], &nobody), no_majority, "a voter counts once");
    assert_eq!(judged(&[(2, 2), (3, 3)], &nobody), no_majority, "3 is no voter");
    assert_eq!(judged(&[(2, 2), (5, 2)], &nobody), no_majority, "forged");
    let mut revocations = crate::Revocations::new();
    revocations.merge(&[id(5)]);
    let judge = Judge::new(&revocations, None);
    assert_eq!(judged(&[(2, 2), (5, 5)], &judge), no_majority, "a revoked voter");
    let (_, manual) = record_of(&one, 2, CertificateKind::Manual);
    assert_eq!(chain.extended(&[manual], &nobody), Err(ProofError::PolicyForbids { epoch: 2 }));
}

#[test]
fn while_voters_change_both_majorities_are_needed() {
    let mut one = Node::founder();
    one.change(|document| {
        document.promotion = Promotion::Automatic;
        document.voters = sorted(&[1, 2, 5]);
        document.admit(member(6, MemberRole::Candidate)).unwrap();
        document.next_voters = Some(sorted(&[1, 3, 6]));
    });
    let judged = |voters: &[u8]| {
        let (certificate, mut record) = record_of(&one, 2, CertificateKind::Voted);
        for voter in voters {
            let vote = SignedCertificate::vote(&certificate, &key(*voter));
            record.certificate.add_vote(id(*voter), vote);
        }
        one.authority.chain().extended(&[record], &Judge::nobody()).is_ok()
    };
    assert!(!judged(&[2, 5]));
    assert!(!judged(&[3, 6]));
    assert!(!judged(&[2, 5, 3]));
    assert!(judged(&[2, 5, 3, 6]));
    assert!(judged(&[1, 2, 3]));
}

/// A candidate that was demoted after its base must not come back by the old document, whatever it
/// publishes on its own lineage afterwards.
#[test]
fn what_the_judge_holds_is_asked_too() {
    let mut one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut four = Node::beside(&one, 4);
    one.change(|document| document.set_role(&id(2), MemberRole::Replica).unwrap());
    four.learn(&one).unwrap();
    two.promote();
    two.publish(tree(2));
    two.promote();
    assert_eq!(
        four.authority.consider_proof(&two.records()),
        Err(ProofError::NotCandidate { epoch: 2, origin: id(2) })
    );
    // One that never saw the demotion cannot know.
    let mut witness = Node::new(5);
    assert!(matches!(
        witness.authority.consider_proof(&two.records()),
        Ok(ProofVerdict::Newer { .. })
    ));
}

#[test]
fn a_revoked_key_certifies_nothing_whatever_its_base() {
    let mut one = Node::founder();
    let mut two = Node::beside(&one, 2);
    let mut four = Node::beside(&one, 4);
    one.change(|document| {
        document.remove_member(&id(2)).unwrap();
    });
    four.learn(&one).unwrap();
    two.promote();
    two.publish(tree(2));
    assert_eq!(
        four.authority.consider_proof(&two.records()),
        Err(ProofError::Revoked { epoch: 2, origin: id(2) })
    );
}

/// The first origin is removed by the second: the chain that begins with it must still hold, for
/// joiners and after restarts.
#[test]
fn the_chain_outlives_its_origins() {
    let (_, _, mut three) = three_epochs();
    three.change(|document| {
        document.remove_member(&id(1)).unwrap();
        document.remove_member(&id(2)).unwrap();
    });
    three.restart();
    let mut joiner = Node::beside(&three, 4);
    assert!(joiner.authority.revocations().contains(&id(1)));
    joiner.restart();
    assert_eq!(joiner.authority.consider_proof(&three.records()), Ok(ProofVerdict::Known));
}

#[test]
fn a_chain_has_an_end() {
    let mut one = Node::founder();
    let (certificate, record) = record_of(&one, 2, CertificateKind::Manual);
    let many = vec![resigned(&certificate, 2, &record); ProofChain::MAX_RECORDS + 1];
    assert_eq!(
        one.authority.consider_proof(&many),
        Err(ProofError::TooLong { limit: ProofChain::MAX_RECORDS })
    );
}

//! The whole crate at once: found, join, publish, remove, promote.

use mirrormesh_merkle::Hash;

use super::{WALL, document, genesis, id, key, member};
use crate::{
    Authority, HeadVerdict, Instant, MemberRole, Membership, Publish, Sequence, Token, TokenBook,
    TokenRecord, TokenRefusal,
};

fn publish(root: u8) -> Publish {
    Publish {
        root: Hash::from_bytes([root; 32]),
        files: u64::from(root),
        bytes: 0,
        delta: Hash::ZERO,
        document: None,
        confirms_drop: false,
        flags: 0,
        wall: WALL,
    }
}

#[test]
fn a_farm_from_its_founding_to_the_second_origin() {
    // Found.
    let mut origin = Authority::found(genesis(), &key(1)).unwrap();
    let mut sequence = Sequence::new();
    let bound = sequence.reserve_next(Sequence::BLOCK);
    sequence.made_durable(bound);
    let first = Publish { document: Some(document()), ..publish(1) };
    origin.publish(&key(1), first, &mut sequence).unwrap();

    // A token for node 6, as text.
    let mut book = TokenBook::new();
    book.add(WALL, TokenRecord::new(&[9; 16], MemberRole::Candidate, WALL.after(hour()), Some(1)));
    let text = Token {
        cluster: origin.cluster(),
        issuer: id(1),
        addresses: vec!["10.0.0.1:7440".to_owned()],
        secret: [9; 16],
        role: MemberRole::Candidate,
        expires: WALL.after(hour()),
    }
    .to_string();

    // Node 6 joins by it.
    let token: Token = text.parse().unwrap();
    let role = book.redeem(WALL, &token.secret).unwrap();
    assert_eq!(book.redeem(WALL, &token.secret), Err(TokenRefusal::Used));
    let mut draft = origin.document_draft().unwrap();
    draft.admit(member(6, role)).unwrap();
    let joined = Publish { document: Some(draft), ..publish(1) };
    let publication = origin.publish(&key(1), joined, &mut sequence).unwrap();
    let records: Vec<_> = origin.chain().records_from(0).cloned().collect();
    let mut six = Authority::join(token.cluster, origin.genesis().clone(), &records).unwrap();
    let bytes = origin.document_bytes().cloned().unwrap();
    assert!(matches!(
        six.consider_head(&publication.signed, None),
        Ok(HeadVerdict::NeedDocument(_))
    ));
    six.consider_head(&publication.signed, Some(&bytes)).unwrap();
    six.accept(&publication.signed, None).unwrap();
    assert!(matches!(six.membership(&id(6)), Membership::Member(_)));

    // The origin beats, then dies; node 6 takes over and removes it.
    let beat = origin.heartbeat(&key(1), 1, WALL).unwrap();
    six.consider_heartbeat(Instant::ZERO, &beat).unwrap();
    assert!(six.is_fresh(Instant::ZERO));
    six.certify_manual(&key(6), "web1 burnt", WALL).unwrap();
    assert!(!six.is_fresh(Instant::ZERO));
    let mut draft = six.document_draft().unwrap();
    draft.remove_member(&id(1)).unwrap();
    let mut sequence = Sequence::new();
    let change = Publish { document: Some(draft), ..publish(2) };
    sequence.raise_above(six.head().unwrap().seq);
    let bound = sequence.reserve_next(Sequence::BLOCK);
    sequence.made_durable(bound);
    let publication = six.publish(&key(6), change, &mut sequence).unwrap();
    assert_eq!(publication.head.position(), (2, 3));

    // The old origin comes back: it learns the new term, and that it was removed.
    assert_eq!(origin.consider_head(&publication.signed, None), Ok(HeadVerdict::NeedProof(2)));
    let records: Vec<_> = six.chain().records_from(2).cloned().collect();
    origin.consider_proof(&records).unwrap();
    let bytes = six.document_bytes().cloned().unwrap();
    origin.accept(&publication.signed, Some(&bytes)).unwrap();
    assert_eq!(origin.membership(&id(1)), Membership::Revoked);
    assert!(origin.publish(&key(1), publish(3), &mut sequence).is_err());
}

const fn hour() -> std::time::Duration {
    std::time::Duration::from_secs(3_600)
}

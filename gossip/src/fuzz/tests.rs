//! The fuzz bodies, on raw bytes and on sound values with something changed.

use bytes::Bytes;
use mirrormesh_merkle::Hash;
use proptest::prelude::*;

use super::{CANONICAL, document_text, token, token_book};
use crate::document::tests::full;
use crate::tests::{WALL, document, genesis, id, key, sorted};
use crate::{
    AddressRecord, Base, Certificate, CertificateKind, EquivocationProof, Fence, Freshness, Head,
    Heartbeat, Instant, MemberRole, ProofRecord, Revocations, Signable, SignedCertificate,
    SignedHead, Token, TokenBook, TokenRecord,
};

fn head(root: u8) -> Head {
    Head {
        cluster: genesis().cluster_id(),
        epoch: 300,
        seq: 70_000,
        root: Hash::from_bytes([root; 32]),
        files: 1_000_000,
        bytes: u64::MAX,
        document: document().hash(),
        certificate: Certificate::founding(&genesis()).hash(),
        delta: Hash::ZERO,
        previous: Hash::from_bytes([3; 32]),
        confirmed_drop: Some((299, 5)),
        flags: Head::SEALED,
        time: WALL,
        origin: id(1),
    }
}

fn certificate() -> Certificate {
    Certificate {
        cluster: genesis().cluster_id(),
        epoch: 301,
        origin: id(2),
        kind: CertificateKind::Voted,
        base: Base { epoch: 300, seq: 70_000, head: SignedHead::sign(&head(1), &key(1)).hash() },
        reason: "web1 burnt".to_owned(),
        time: WALL,
    }
}

/// One sound value for each canonical decoder, in the order of [`CANONICAL`].
fn sound() -> Vec<Vec<u8>> {
    let signed_head = SignedHead::sign(&head(1), &key(1));
    let other_head = SignedHead::sign(&head(2), &key(1));
    let mut signed_certificate = SignedCertificate::sign(&certificate(), &key(2));
    for voter in [2, 3, 5] {
        let vote = SignedCertificate::vote(&certificate(), &key(voter));
        assert!(signed_certificate.add_vote(id(voter), vote));
    }
    let term = certificate().term();
    let heartbeat = Heartbeat {
        cluster: genesis().cluster_id(),
        epoch: 300,
        certificate: term.certificate,
        number: 129,
        seq: 5,
        head: Hash::ZERO,
        time: WALL,
        origin: id(1),
    };
    let address = AddressRecord {
        cluster: genesis().cluster_id(),
        member: id(1),
        number: 3,
        addresses: vec!["web1:7440".to_owned(), "[::1]:7440".to_owned()],
    };
    let mut revocations = Revocations::new();
    revocations.merge(&sorted(&[7, 8, 9]));
    let mut freshness = Freshness::new();
    freshness.receive(Instant::ZERO, term, 900);
    vec![
        genesis().encode(),
        full().encode(),
        head(1).encode(),
        heartbeat.encode(),
        address.encode(),
        signed_head.encode(),
        certificate().encode(),
        signed_certificate.encode(),
        ProofRecord {
            certificate: signed_certificate,
            base_head: Some(signed_head.clone()),
            base_document: Bytes::from(document().encode()),
        }
        .encode(),
        EquivocationProof::of(&signed_head, &other_head).unwrap().encode(),
        Fence::at(term, 70_000).encode(),
        revocations.encode(),
        freshness.stored(),
    ]
}

/// A sound value is accepted, no beginning of it is, and nothing may follow it.
#[test]
fn sound_values_pass_and_nothing_shorter_or_longer() {
    let sound = sound();
    assert_eq!(sound.len(), CANONICAL.len());
    for (bytes, decoder) in sound.iter().zip(CANONICAL) {
        (decoder.run)(bytes);
        assert!((decoder.accepts)(bytes), "{}", decoder.name);
        for length in 0..bytes.len() {
            assert!(!(decoder.accepts)(&bytes[..length]), "{} cut at {length}", decoder.name);
        }
        assert!(!(decoder.accepts)(&[&bytes[..], &[0]].concat()), "{}", decoder.name);
    }
}

/// Whatever one byte is changed to: refused, or another value with its own encoding.
#[test]
fn every_changed_byte_is_another_value_or_none() {
    for (bytes, decoder) in sound().iter().zip(CANONICAL) {
        for index in 0..bytes.len() {
            for flip in [1, 2, 0x40, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[index] ^= flip;
                (decoder.run)(&changed);
            }
        }
    }
}

fn any_token() -> String {
    Token {
        cluster: genesis().cluster_id(),
        issuer: id(1),
        addresses: vec!["web1:7440".to_owned()],
        secret: [1; 16],
        role: MemberRole::Witness,
        expires: WALL,
    }
    .to_string()
}

#[derive(Debug, Clone)]
enum Mutation {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Truncate(usize),
    Repeat(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = 0_usize..4_096;
    prop_oneof![
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        place.clone().prop_map(Mutation::Remove),
        place.clone().prop_map(Mutation::Truncate),
        (place, 1_usize..64).prop_map(|(at, length)| Mutation::Repeat(at, length)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        let length = bytes.len().max(1);
        match *mutation {
            Mutation::Set(at, byte) if !bytes.is_empty() => bytes[at % length] = byte,
            Mutation::Insert(at, byte) => bytes.insert(at % (bytes.len() + 1), byte),
            Mutation::Remove(at) if !bytes.is_empty() => {
                bytes.remove(at % length);
            }
            Mutation::Truncate(at) => bytes.truncate(at % length),
            Mutation::Repeat(at, count) if !bytes.is_empty() => {
                let start = at % length;
                let piece = bytes[start..bytes.len().min(start + count)].to_vec();
                bytes.splice(start..start, piece);
            }
            Mutation::Set(..) | Mutation::Remove(_) | Mutation::Repeat(..) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn raw_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for decoder in CANONICAL {
            (decoder.run)(&bytes);
        }
        token_book(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        token(&text);
        token(&format!("mm1-{text}"));
        document_text(&text);
    }

    /// A first byte that passes the version check reaches further.
    #[test]
    fn raw_bytes_of_the_right_version(bytes in prop::collection::vec(0_u8..4, 0..200)) {
        let bytes = [&[1], &bytes[..]].concat();
        for decoder in CANONICAL {
            (decoder.run)(&bytes);
        }
    }

    #[test]
    fn mutated_values(kind in 0..CANONICAL.len(),
                      mutations in prop::collection::vec(mutation(), 1..5)) {
        let mut bytes = sound().swap_remove(kind);
        mutate(&mut bytes, &mutations);
        (CANONICAL[kind].run)(&bytes);
    }

    #[test]
    fn mutated_texts(mutations in prop::collection::vec(mutation(), 1..5)) {
        let mut bytes = any_token().into_bytes();
        mutate(&mut bytes, &mutations);
        token(&String::from_utf8_lossy(&bytes));
        let mut bytes = full().to_text().into_bytes();
        mutate(&mut bytes, &mutations);
        document_text(&String::from_utf8_lossy(&bytes));
        let mut book = TokenBook::new();
        book.add(WALL, TokenRecord::new(&[1; 16], MemberRole::Replica, WALL, Some(1)));
        let mut bytes = book.encode().unwrap();
        mutate(&mut bytes, &mutations);
        token_book(&bytes);
    }
}

use proptest::prelude::*;

use super::{KeyError, NodeId, SecretKey, Signature};
use crate::message;
use crate::tests::{id, key};

const KIND: &str = "mirrormesh test kind v1";
const OTHER_KIND: &str = "mirrormesh test kind v2";

#[test]
fn a_signature_holds_for_its_kind_message_and_key_alone() {
    let signature = key(1).sign(KIND, b"message");
    assert_eq!(id(1).verify(KIND, b"message", &signature), Ok(()));
    for refused in [
        id(1).verify(OTHER_KIND, b"message", &signature),
        id(1).verify(KIND, b"massage", &signature),
        id(2).verify(KIND, b"message", &signature),
    ] {
        assert_eq!(refused, Err(KeyError::BadSignature));
    }
}

/// The known encodings of points of small order, and second spellings of points (RFC 8032 wants
/// y below 2^255 - 19): ed25519 libraries disagree about them.
#[test]
fn unusable_public_keys_are_refused() {
    let mut largest = [0xff; 32];
    largest[31] = 0x7f;
    let field = |low: u8| {
        let mut bytes = largest;
        bytes[0] = low;
        bytes
    };
    let mut one = [0; 32];
    one[0] = 1;
    let order_eight = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    for bytes in [[0; 32], one, field(0xec), field(0xed), field(0xee), field(0xf0), [0xff; 32]] {
        assert_eq!(NodeId::from_bytes(bytes), Err(KeyError::BadPublicKey), "{bytes:x?}");
        let signature = Signature::from_bytes([0; 64]);
        assert!(NodeId::unchecked(bytes).verify(KIND, b"anything", &signature).is_err());
    }
    assert_eq!(order_eight.parse::<NodeId>(), Err(KeyError::BadPublicKey));
    assert_eq!("12".parse::<NodeId>(), Err(KeyError::BadText));
    assert_eq!(id(1).to_string().to_uppercase().parse::<NodeId>(), Err(KeyError::BadText));
}

#[test]
fn ids_are_hex_for_people_and_bytes_for_machines() {
    assert_eq!(id(1).to_string().parse(), Ok(id(1)));
    assert_eq!(id(1).short(), id(1).to_string()[..16]);
    let bytes = message::to_bytes_named(&id(1)).unwrap();
    assert_eq!(bytes.len(), 34);
    assert_eq!(message::from_bytes_bounded(&bytes, 34), Ok(id(1)));
    let weak = message::to_bytes_named(&NodeId::unchecked([0; 32])).unwrap();
    assert!(message::from_bytes_bounded::<NodeId>(&weak, 34).is_err());
}

/// The prefix of the example in RFC 8410, section 10.3 (a key without attributes).
#[test]
fn the_der_form_is_that_of_the_standard() {
    let der = SecretKey::from_seed([0xab; 32]).to_pkcs8_der();
    let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    assert_eq!(der[..16], prefix);
    assert_eq!(der[16..], [0xab; 32]);
}

#[test]
fn the_secret_is_not_shown() {
    let shown = format!("{:?}", SecretKey::from_seed([0xab; 32]));
    assert!(!shown.contains("abab"), "{shown}");
    assert_ne!(key(1).derive(KIND), key(1).derive(OTHER_KIND));
    assert_ne!(&key(1).derive(KIND), key(1).seed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_bit_verifies(message: Vec<u8>, bit in 0_usize..512) {
        let signature = key(1).sign(KIND, &message);
        let mut bytes = *signature.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(id(1).verify(KIND, &message, &Signature::from_bytes(bytes)).is_err());
    }

    #[test]
    fn bytes_never_make_it_panic(bytes: [u8; 32], signature: [[u8; 32]; 2]) {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&signature[0]);
        both[32..].copy_from_slice(&signature[1]);
        let node = NodeId::unchecked(bytes);
        prop_assert!(node.verify(KIND, b"m", &Signature::from_bytes(both)).is_err());
    }
}

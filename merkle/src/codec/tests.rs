use proptest::prelude::*;

use super::{Reader, varint_length, write_signed, write_varint};
use crate::DecodeError;

proptest! {
    #[test]
    fn varints_come_back(value in any::<u64>(), shift in 0..64u32) {
        let value = value >> shift;
        let mut out = Vec::new();
        write_varint(&mut out, value);
        prop_assert_eq!(out.len(), varint_length(value));
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.varint(), Ok(value));
        prop_assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn signed_numbers_come_back(value in any::<i64>(), shift in 0..64u32) {
        let value = value >> shift;
        let mut out = Vec::new();
        write_signed(&mut out, value);
        prop_assert_eq!(Reader::new(&out).signed(), Ok(value));
    }

    /// Whatever is accepted is the one encoding of its value.
    #[test]
    fn only_shortest_varints_are_accepted(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        let mut reader = Reader::new(&bytes);
        if let Ok(value) = reader.varint() {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            prop_assert!(bytes.starts_with(&out));
            prop_assert_eq!(reader.take(bytes.len() - out.len()).unwrap(), &bytes[out.len()..]);
        }
    }
}

#[test]
fn long_varints_are_refused() {
    let refused = |bytes: &[u8]| Reader::new(bytes).varint().unwrap_err();
    assert_eq!(refused(&[0x80, 0x00]), DecodeError::Varint);
    assert_eq!(refused(&[0xff, 0x80, 0x00]), DecodeError::Varint);
    assert_eq!(
        refused(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
        DecodeError::Varint
    );
    assert_eq!(refused(&[0x80]), DecodeError::Truncated);
    assert_eq!(refused(&[]), DecodeError::Truncated);
    let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert_eq!(Reader::new(&largest).varint(), Ok(u64::MAX));
}

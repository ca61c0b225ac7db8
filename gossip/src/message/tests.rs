use serde::{Deserialize, Serialize};

use super::{MessageError, from_bytes_bounded, to_bytes_named};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Old {
    number: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct New {
    number: u64,
    #[serde(default)]
    text: String,
    #[serde(default)]
    list: Vec<u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nested(Option<Box<Nested>>, Vec<Nested>);

#[test]
fn older_and_newer_readers_understand_each_other() {
    let new = New { number: 1, text: "later".to_owned(), list: vec![1, 2] };
    let bytes = to_bytes_named(&new).unwrap();
    assert_eq!(from_bytes_bounded(&bytes, 100), Ok(Old { number: 1 }));
    let bytes = to_bytes_named(&Old { number: 2 }).unwrap();
    let expected = New { number: 2, text: String::new(), list: Vec::new() };
    assert_eq!(from_bytes_bounded(&bytes, 100), Ok(expected));
}

#[test]
fn limits_ends_and_rests_are_seen() {
    let bytes = to_bytes_named(&Old { number: 1 }).unwrap();
    let read = |bytes: &[u8], max| from_bytes_bounded::<Old>(bytes, max);
    let length = bytes.len();
    assert_eq!(read(&bytes, length - 1), Err(MessageError::TooLong { length, limit: length - 1 }));
    assert_eq!(read(&bytes[..length - 1], 100), Err(MessageError::EndsEarly));
    assert_eq!(read(&[], 100), Err(MessageError::EndsEarly));
    assert_eq!(
        read(&[&bytes[..], &[0xc0]].concat(), 100),
        Err(MessageError::Trailing { count: 1 })
    );
}

#[test]
fn a_claimed_length_is_not_believed() {
    for bytes in [
        &[0xdd, 0xff, 0xff, 0xff, 0xff][..],
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0xc6, 0xff, 0xff, 0xff, 0xff],
        &[0xdb, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert!(from_bytes_bounded::<Vec<u64>>(bytes, 100).is_err());
        assert!(from_bytes_bounded::<serde_bytes::ByteBuf>(bytes, 100).is_err());
        assert!(from_bytes_bounded::<String>(bytes, 100).is_err());
    }
}

#[test]
fn nesting_stops() {
    let bytes = vec![0x91; 10_000];
    assert!(matches!(
        from_bytes_bounded::<serde::de::IgnoredAny>(&bytes, 10_000),
        Err(MessageError::Malformed { .. })
    ));
    let bytes = vec![0x92; 10_000];
    assert!(from_bytes_bounded::<Nested>(&bytes, 10_000).is_err());
}

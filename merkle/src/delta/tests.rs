use proptest::prelude::*;

use super::*;
use crate::MemoryNodes;
use crate::limits::{MAX_DELTA_CHANGES, MAX_DELTA_PATH_BYTES};
use crate::tests::support::{build, directory, file, pairs, path};

pub(crate) fn delta(changes: Vec<DeltaChange>) -> Delta {
    let (base, target) = (Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32]));
    Delta { base, target, moves: Vec::new(), changes }
}

fn added(text: &str) -> DeltaChange {
    DeltaChange { path: path(text), old: None, new: Some(file(1)) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn deltas_come_back((old, new) in pairs()) {
        let mut store = MemoryNodes::new();
        let (left, right) = (build(&mut store, &old).root, build(&mut store, &new).root);
        let delta = Delta::between(&store, &left, &right).unwrap().unwrap();
        let bytes = delta.encode().unwrap();
        prop_assert_eq!(Delta::decode(&bytes), Ok(delta.clone()));
        let bound: usize = delta.changes.iter().map(DeltaChange::encoded_bound).sum();
        prop_assert!(bytes.len() <= 2 + 64 + 1 + 2 + bound);
    }
}

#[test]
fn a_delta_is_encoded_as_described() {
    let mut described = delta(vec![
        DeltaChange { path: path("blog"), old: None, new: Some(directory()) },
        DeltaChange { path: path("blog/a"), old: Some(directory()), new: None },
    ]);
    described.moves = vec![Move { from: path("x"), to: path("y") }];
    let mut expected = vec![b'D', 1];
    expected.extend([1; 32]);
    expected.extend([2; 32]);
    expected.extend([1, 1, b'x', 1, b'y', 2]);
    // Nothing shared, four bytes, new alone: a directory of mode 0755.
    expected.extend([0, 4, b'b', b'l', b'o', b'g', 2, 2, 0xed, 1]);
    expected.extend([4, 2, b'/', b'a', 1, 2, 0xed, 1]);
    let bytes = described.encode().unwrap();
    assert_eq!(bytes, expected);
    assert_eq!(delta_hash(&bytes), Hash::derive("mirrormesh 2026-11 delta v1", &bytes));
}

#[test]
fn what_is_not_canonical_is_neither_encoded_nor_decoded() {
    let refused = |changes| delta(changes).encode().unwrap_err();
    assert_eq!(refused(vec![added("b"), added("a")]), DeltaError::Order);
    assert_eq!(refused(vec![added("a"), added("a")]), DeltaError::Order);
    let same = DeltaChange { path: path("a"), old: Some(file(1)), new: Some(file(1)) };
    assert_eq!(refused(vec![same]), DeltaError::Redundant);
    let root = DeltaChange { path: Path::root(), old: None, new: Some(directory()) };
    assert_eq!(refused(vec![root]), DeltaError::Path);
    assert_eq!(refused(vec![added(".mirrormesh-x")]), DeltaError::Path);
    let mut moving = delta(Vec::new());
    moving.moves = vec![Move { from: path("a"), to: path("a") }];
    assert_eq!(moving.encode(), Err(DeltaError::Redundant));

    let decode = |tail: &[u8]| {
        let head = delta(Vec::new()).encode().unwrap();
        // Without the two counts of nothing.
        Delta::decode(&[&head[..head.len() - 2], tail].concat())
    };
    let record = [2, 0xed, 1];
    let change =
        |shared: u8, rest: &[u8]| [&[shared, rest.len() as u8], rest, &[2], &record[..]].concat();
    let two = |first: Vec<u8>, second: Vec<u8>| decode(&[&[0, 2], &first[..], &second].concat());
    assert!(two(change(0, b"aa"), change(1, b"b")).is_ok());
    assert_eq!(two(change(0, b"aa"), change(0, b"ab")), Err(DecodeError::Redundant));
    assert_eq!(two(change(0, b"ab"), change(1, b"a")), Err(DecodeError::Order));
    assert_eq!(two(change(0, b"ab"), change(2, b"")), Err(DecodeError::Order));
    assert_eq!(two(change(0, b"ab"), change(3, b"c")), Err(DecodeError::TooLarge));
    assert_eq!(decode(&[&[0, 1], &change(0, b"")[..]].concat()), Err(DecodeError::Reserved));
    assert_eq!(
        decode(&[&[0, 1], &change(0, b".mirrormesh")[..]].concat()),
        Err(DecodeError::Reserved)
    );
    assert_eq!(decode(&[0, 1, 0, 1, b'a', 0]), Err(DecodeError::Flags(0)));
    assert_eq!(decode(&[1, 1, b'a', 1, b'a', 0]), Err(DecodeError::Redundant));
    assert_eq!(decode(&[0, 0, 0]), Err(DecodeError::TrailingBytes));
    assert_eq!(decode(&[0, 0x81, 0x20]), Err(DecodeError::TooLarge));
    assert_eq!(decode(&[0x81, 2]), Err(DecodeError::TooLarge));
}

#[test]
fn limits_bind_on_both_sides() {
    let many = |count: usize| delta((0..count).map(|n| added(&format!("{n:05}"))).collect());
    assert!(many(MAX_DELTA_CHANGES).encode().is_ok());
    assert_eq!(many(MAX_DELTA_CHANGES + 1).encode(), Err(DeltaError::TooLarge));
    // Long paths with a long shared prefix: short when encoded, long when decoded.
    let prefix = vec!["x".repeat(200); 20].join("/");
    let count = MAX_DELTA_PATH_BYTES / (prefix.len() + 5);
    let long =
        |count: usize| delta((0..count).map(|n| added(&format!("{prefix}/{n:04}"))).collect());
    let fits = long(count).encode().unwrap();
    assert!(Delta::decode(&fits).is_ok());
    assert_eq!(long(count + 1).encode(), Err(DeltaError::TooLarge));
    // The same by hand: one more change than the paths' limit takes.
    let mut bytes = fits[..67].to_vec();
    write_varint(&mut bytes, count as u64 + 1);
    let mut previous: Vec<u8> = Vec::new();
    for change in &long(count + 1).changes {
        change.encode(&previous, &mut bytes);
        previous = change.path.as_bytes().to_vec();
    }
    assert_eq!(Delta::decode(&bytes), Err(DecodeError::TooLarge));
    // Large attributes: few changes, many bytes.
    let value = Bytes::from(vec![0; 65_000]);
    let attributes = crate::Attributes::new(None, None, vec![("n".into(), value)]).unwrap();
    let heavy = |n| DeltaChange {
        path: path(&format!("{n:02}")),
        old: None,
        new: Some(Record::Directory { mode: 0, attributes: attributes.clone() }),
    };
    assert!(delta((0..16).map(heavy).collect()).encode().is_ok());
    assert_eq!(delta((0..17).map(heavy).collect()).encode(), Err(DeltaError::TooLarge));
    assert_eq!(Delta::decode(&vec![b'D'; MAX_DELTA_BYTES + 1]), Err(DecodeError::TooLarge));
}

use bytes::Bytes;

use super::*;
use crate::tests::support::{bare, file, name};
use crate::{Attributes, Directory, EntryError, NameError, Record, Symlink};

/// A leaf with one entry from raw parts.
fn leaf(flags: u8, name: &[u8], body: &[u8]) -> Vec<u8> {
    [&[b'L', 1, 1, flags, name.len() as u8], name, body].concat()
}

fn refused(bytes: &[u8]) -> DecodeError {
    Node::decode(bytes, &Position::ROOT).unwrap_err()
}

fn file_body() -> Vec<u8> {
    let mut out = Vec::new();
    bare(&file(1)).encode(&mut out);
    out
}

#[test]
fn the_empty_directory_is_a_leaf_of_nothing() {
    let (hash, bytes) = empty_node();
    assert_eq!(bytes, &b"L\x01\x00"[..]);
    assert_eq!(hash, node_hash(&bytes));
    assert_eq!(Node::decode(&bytes, &Position::ROOT).unwrap().totals().unwrap(), Totals::default());
    // Below the first node of a directory nothing is empty.
    let below = Position::from_nibbles(&[0]).unwrap();
    assert_eq!(Node::decode(&bytes, &below), Err(DecodeError::Shape));
}

#[test]
fn headers_are_checked() {
    assert_eq!(refused(b""), DecodeError::Truncated);
    assert_eq!(refused(b"X\x01\x00"), DecodeError::Tag(b'X'));
    assert_eq!(refused(b"L\x02\x00"), DecodeError::Version(2));
    assert_eq!(refused(b"L\x01\x80\x00"), DecodeError::Varint);
    assert_eq!(refused(b"L\x01\x00\x00"), DecodeError::TrailingBytes);
    assert_eq!(refused(b"L\x01\x81\x01"), DecodeError::TooLarge);
    assert_eq!(refused(&vec![b'L'; MAX_NODE_BYTES + 1]), DecodeError::TooLarge);
}

#[test]
fn entries_are_checked() {
    let body = file_body();
    assert!(Node::decode(&leaf(1, b"a", &body), &Position::ROOT).is_ok());
    assert_eq!(refused(&leaf(0, b"a", &body)), DecodeError::Flags(0));
    assert_eq!(refused(&leaf(4, b"a", &body)), DecodeError::Flags(4));
    assert_eq!(refused(&leaf(0x11, b"a", &body)), DecodeError::Flags(0x11));
    assert_eq!(refused(&leaf(0x82, b"a", &body)), DecodeError::Flags(0x82));
    assert_eq!(refused(&leaf(0x83, b"a", &body)), DecodeError::Flags(0x83));
    assert_eq!(refused(&leaf(1, b"", &body)), DecodeError::Name(NameError::Empty));
    assert_eq!(refused(&leaf(1, b"..", &body)), DecodeError::Name(NameError::Dots));
    assert_eq!(refused(&leaf(1, b"a/b", &body)), DecodeError::Name(NameError::Forbidden));
    assert_eq!(refused(&leaf(1, b".mirrormesh.tmp-1", &body)), DecodeError::Reserved);
    assert_eq!(refused(&leaf(1, b"a", &body[..body.len() - 1])), DecodeError::Truncated);
    // A mode of 010000 and nanoseconds of a whole second.
    let mut wrong = body.clone();
    wrong[1] = 0x10;
    assert_eq!(refused(&leaf(1, b"a", &wrong)), DecodeError::Entry(EntryError::Mode));
    assert_eq!(refused(&leaf(3, b"a", &[0])), DecodeError::Entry(EntryError::Target));
    assert_eq!(refused(&leaf(3, b"a", &[2, b'x', 0])), DecodeError::Entry(EntryError::Target));
    assert_eq!(refused(&leaf(3, b"a", &[0x80, 0x20])), DecodeError::TooLarge);
}

#[test]
fn names_are_strictly_ascending() {
    let body = file_body();
    let two = |first: &[u8], second: &[u8]| {
        let entry = |name: &[u8]| [&[1, name.len() as u8], name, &body].concat();
        [&b"L\x01\x02"[..], &entry(first), &entry(second)].concat()
    };
    assert!(Node::decode(&two(b"a", b"b"), &Position::ROOT).is_ok());
    assert_eq!(refused(&two(b"b", b"a")), DecodeError::Order);
    assert_eq!(refused(&two(b"a", b"a")), DecodeError::Order);
}

#[test]
fn attributes_are_checked() {
    // What follows a symlink's body `x`, with the flag set: length, presence, parts.
    let with = |attributes: &[u8]| leaf(0x43, b"a", &[&[1, b'x'], attributes].concat());
    assert!(Node::decode(&with(&[3, 1, 1, b'u']), &Position::ROOT).is_ok());
    assert!(Node::decode(&with(&[6, 4, 1, 1, b'n', 1, b'v']), &Position::ROOT).is_ok());
    assert_eq!(refused(&with(&[1, 0])), DecodeError::Flags(0));
    assert_eq!(refused(&with(&[1, 8])), DecodeError::Flags(8));
    assert_eq!(refused(&with(&[2, 4, 0])), DecodeError::Flags(4));
    assert_eq!(refused(&with(&[4, 1, 1, b'u', 0])), DecodeError::TrailingBytes);
    assert_eq!(refused(&with(&[2, 1, 0])), DecodeError::Attributes(crate::AttributesError::Owner));
    let unsorted = [10, 4, 2, 1, b'n', 1, b'v', 1, b'm', 1, b'v'];
    assert_eq!(
        refused(&with(&unsorted)),
        DecodeError::Attributes(crate::AttributesError::XattrOrder)
    );
}

#[test]
fn attributes_beyond_their_limits_cannot_be_made() {
    use crate::AttributesError::*;
    let text = |length: usize| Some(Bytes::from(vec![b'x'; length]));
    let xattr = |name: usize, value: usize| {
        Attributes::new(None, None, vec![(vec![b'n'; name].into(), vec![0; value].into())])
    };
    assert_eq!(Attributes::new(None, None, Vec::new()), Ok(None));
    assert!(Attributes::new(text(255), text(1), Vec::new()).unwrap().is_some());
    assert_eq!(Attributes::new(text(256), None, Vec::new()), Err(Owner));
    assert_eq!(Attributes::new(None, text(0), Vec::new()), Err(Owner));
    assert_eq!(xattr(0, 1), Err(XattrName));
    assert_eq!(xattr(256, 1), Err(XattrName));
    assert_eq!(xattr(1, 65_537), Err(XattrValue));
    assert_eq!(xattr(1, 65_536), Err(TooLarge));
    // Presence, count, name with its length, value with its length: eight bytes beside the value.
    assert!(xattr(2, 65_536 - 8).is_ok());
    assert_eq!(xattr(2, 65_536 - 7), Err(TooLarge));
    let twice = vec![(Bytes::from("n"), Bytes::from("1")), (Bytes::from("n"), Bytes::from("2"))];
    assert_eq!(Attributes::new(None, None, twice), Err(XattrOrder));
}

fn interior(depth: u8, children: &[(u8, u64, u64)]) -> Vec<u8> {
    let child = |&(nibble, entries, files): &(u8, u64, u64)| {
        let totals = Totals { entries, files, bytes: 0 };
        (nibble, Child { hash: Hash::ZERO, totals })
    };
    Interior { depth, children: children.iter().map(child).collect() }.encode().to_vec()
}

#[test]
fn interior_nodes_are_checked() {
    assert!(Node::decode(&interior(0, &[(3, 129, 0)]), &Position::ROOT).is_ok());
    assert_eq!(refused(&interior(0, &[(3, 64, 0), (9, 64, 0)])), DecodeError::Shape);
    assert_eq!(refused(&interior(0, &[])), DecodeError::Shape);
    assert_eq!(refused(&interior(0, &[(3, 0, 0), (9, 129, 0)])), DecodeError::Shape);
    assert_eq!(refused(&interior(1, &[(3, 129, 0)])), DecodeError::Position);
    let overflow = interior(0, &[(3, 129, u64::MAX), (4, 129, 1)]);
    assert_eq!(refused(&overflow), DecodeError::Overflow);
    let mut long = interior(0, &[(3, 129, 0)]);
    long.push(0);
    assert_eq!(refused(&long), DecodeError::TrailingBytes);
}

#[test]
fn a_leaf_belongs_where_its_names_do() {
    let bytes = encode_leaf(&[(name("a"), bare(&file(1)))]);
    let slot = name("a").slot();
    let (first, second) = (slot[0] >> 4, slot[0] & 15);
    let at = |nibbles: &[u8]| Node::decode(&bytes, &Position::from_nibbles(nibbles).unwrap());
    assert!(at(&[]).is_ok() && at(&[first]).is_ok() && at(&[first, second]).is_ok());
    assert_eq!(at(&[first ^ 1]), Err(DecodeError::Position));
    assert_eq!(at(&[first, second ^ 8]), Err(DecodeError::Position));
}

#[test]
fn sizes_beyond_64_bits_are_refused() {
    let huge = |node| Directory { mode: 0, node, files: 0, bytes: u64::MAX, attributes: None };
    let entries = ["a", "b"].map(|text| (name(text), Entry::Directory(huge(Hash::ZERO))));
    assert_eq!(refused(&encode_leaf(&entries)), DecodeError::Overflow);
}

#[test]
fn the_largest_node_is_as_large_as_stated() {
    // The largest attributes: 65,536 bytes of which eight are not the value.
    let xattr = (Bytes::from("nn"), Bytes::from(vec![0; 65_536 - 8]));
    let attributes = Attributes::new(None, None, vec![xattr]).unwrap();
    let symlink = Record::Symlink(Symlink { target: vec![b'x'; 4095].into(), attributes });
    let entries: Vec<_> =
        (0..128).map(|number| (name(&format!("{number:0255}")), bare(&symlink))).collect();
    let bytes = encode_leaf(&entries);
    assert_eq!(bytes.len(), MAX_NODE_BYTES);
    assert!(Node::decode(&bytes, &Position::ROOT).is_ok());
}

#[test]
fn domains_are_apart() {
    let bytes = b"L\x01\x00";
    assert_eq!(node_hash(bytes), Hash::derive("mirrormesh 2026-11 directory leaf v1", bytes));
    let bytes = b"I\x01\x00";
    assert_eq!(node_hash(bytes), Hash::derive("mirrormesh 2026-11 directory interior v1", bytes));
    assert_ne!(crate::content_hash(b"L\x01\x00"), node_hash(b"L\x01\x00"));
}

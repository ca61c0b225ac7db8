use proptest::prelude::*;

use crate::tests::support::{name, path, paths};
use crate::{MAX_DEPTH, MAX_PATH_BYTES, Name, NameError, Path, PathError};

#[test]
fn paths_are_names_within_limits() {
    assert!(Path::from_bytes(b"").unwrap().is_root());
    for bad in ["/", "/a", "a/", "a//b"] {
        assert_eq!(Path::from_bytes(bad.as_bytes()), Err(PathError::Name(NameError::Empty)));
    }
    assert_eq!(Path::from_bytes(b"a/../b"), Err(PathError::Name(NameError::Dots)));
    assert_eq!(Path::from_bytes(b"a\0b"), Err(PathError::Name(NameError::Forbidden)));
    let deep = |levels: usize| Path::from_bytes(vec!["d"; levels].join("/").as_bytes());
    assert_eq!(deep(MAX_DEPTH).unwrap().depth(), MAX_DEPTH);
    assert_eq!(deep(MAX_DEPTH + 1), Err(PathError::TooDeep));
    let long = |names: usize| Path::from_bytes(vec!["x".repeat(255); names].join("/").as_bytes());
    assert_eq!(long(512).unwrap().as_bytes().len(), MAX_PATH_BYTES - 1);
    assert_eq!(long(513), Err(PathError::TooLong));
}

#[test]
fn parts_of_a_path() {
    let deep = path("a/bc/d");
    assert_eq!(deep.depth(), 3);
    assert_eq!(deep.name(), Some(name("d")));
    assert_eq!(deep.parent(), Some(path("a/bc")));
    assert_eq!(path("a").parent(), Some(Path::root()));
    assert_eq!(Path::root().parent(), None);
    assert_eq!(Path::root().name(), None);
    assert_eq!(Path::root().depth(), 0);
    assert_eq!(Path::root().components().count(), 0);
    let ancestors: Vec<Path> = (0..5).map(|depth| deep.ancestor(depth)).collect();
    let expected = [Path::root(), path("a"), path("a/bc"), deep.clone(), deep.clone()];
    assert_eq!(ancestors, expected);
}

#[test]
fn starting_with_goes_by_whole_names() {
    assert!(path("a/b").starts_with(&path("a")));
    assert!(path("a").starts_with(&path("a")));
    assert!(path("a").starts_with(&Path::root()));
    assert!(!path("ab").starts_with(&path("a")));
    assert!(!path("a").starts_with(&path("a/b")));
}

#[test]
fn paths_are_shown_on_one_line() {
    assert_eq!(Path::root().to_string(), ".");
    assert_eq!(path("a b/\u{e4}").to_string(), "a b/\u{e4}");
    assert_eq!(path("a\t/b").to_string(), r#""a\t/b""#);
}

#[test]
fn reserved_anywhere_is_reserved() {
    assert!(path("a/.mirrormesh/b").is_reserved());
    assert!(!path("a/b.mirrormesh").is_reserved());
}

proptest! {
    #[test]
    fn order_is_that_of_the_names(left in paths(), right in paths()) {
        let names = |path: &Path| path.components().collect::<Vec<Name>>();
        prop_assert_eq!(left.cmp(&right), names(&left).cmp(&names(&right)));
        prop_assert_eq!(left.starts_with(&right), names(&left).starts_with(&names(&right)));
    }

    #[test]
    fn joining_and_taking_apart_agree(path in paths()) {
        let joined = path.components().fold(Path::root(), |path, name| path.join(&name));
        prop_assert_eq!(&joined, &path);
        prop_assert_eq!(path.parent().unwrap().join(&path.name().unwrap()), path);
    }
}

use crate::{Name, NameError};

#[test]
fn names_are_raw_bytes_within_limits() {
    for good in [&b"a"[..], b"...", b".a", b" ", b"\xff\xfe", b"\n", &[b'x'; 255]] {
        assert_eq!(Name::new(good).unwrap().as_bytes(), good);
    }
    assert_eq!(Name::new(""), Err(NameError::Empty));
    assert_eq!(Name::new("."), Err(NameError::Dots));
    assert_eq!(Name::new(".."), Err(NameError::Dots));
    assert_eq!(Name::new([b'x'; 256]), Err(NameError::TooLong));
    assert_eq!(Name::new("a/b"), Err(NameError::Forbidden));
    assert_eq!(Name::new("a\0"), Err(NameError::Forbidden));
}

#[test]
fn reserved_names_are_told_by_their_prefix() {
    assert!(Name::new(".mirrormesh").unwrap().is_reserved());
    assert!(Name::new(".mirrormesh.tmp-1").unwrap().is_reserved());
    assert!(!Name::new(".mirrormes").unwrap().is_reserved());
    assert!(!Name::new("a.mirrormesh").unwrap().is_reserved());
}

#[test]
fn the_slot_is_the_derived_key_of_the_name() {
    let slot = blake3::derive_key("mirrormesh 2026-11 name slot v1", b"index.html");
    assert_eq!(Name::new("index.html").unwrap().slot(), slot);
}

#[test]
fn names_are_shown_on_one_line() {
    let shown = |bytes: &[u8]| Name::new(bytes).unwrap().to_string();
    assert_eq!(shown(b"a b"), "a b");
    assert_eq!(shown("b\u{e4}r".as_bytes()), "b\u{e4}r");
    assert_eq!(shown(b"a\nb"), r#""a\nb""#);
    assert_eq!(shown(br#"a"b\c"#), r#""a\"b\\c""#);
    assert_eq!(shown(b"a\xffb\x1b"), r#""a\377b\033""#);
    assert_eq!(shown("\u{e4}\x07".as_bytes()), "\"\u{e4}\\a\"");
    // A mark that reverses text would let one name pass for another.
    assert_eq!(shown("a\u{202e}b".as_bytes()), r#""a\342\200\256b""#);
}

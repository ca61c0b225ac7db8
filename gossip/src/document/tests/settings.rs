use crate::tests::document;
use crate::{DocrootSwitch, Document, DocumentError, Promotion};

#[test]
fn settings_are_got_and_set() {
    let mut document = document();
    assert_eq!(document.get("excludes").unwrap(), r#"["*.tmp"]"#);
    assert_eq!(document.get("promotion").unwrap(), r#""manual""#);
    document.set("promotion", "automatic").unwrap();
    document.set("docroot_switch", r#""follow""#).unwrap();
    assert_eq!(document.promotion, Promotion::Automatic);
    assert_eq!(document.docroot_switch, DocrootSwitch::Follow);
    for key in Document::settings() {
        let value = document.get(key).unwrap();
        let before = document.clone();
        document.set(key, &value).unwrap();
        assert_eq!(document, before);
    }
}

#[test]
fn a_list_is_toml_or_one_bare_word() {
    let mut document = document();
    for (value, expected) in [
        (r#"["a", 'b\c']"#, &["a", r"b\c"][..]),
        ("*.bak", &["*.bak"]),
        ("", &[]),
        ("[]", &[]),
        (r#"'[ab]*.tmp'"#, &["[ab]*.tmp"]),
        (r#"["[ab]*.tmp"]"#, &["[ab]*.tmp"]),
    ] {
        document.set("excludes", value).unwrap();
        assert_eq!(document.excludes, expected, "{value}");
    }
}

#[test]
fn what_cannot_be_changes_nothing() {
    for (key, value) in [
        ("excludes", "[ab]*.tmp"),
        ("excludes", r#"["a", 1]"#),
        (
            "excludes",
            r#"["a"] # b
            promotion = "manual""#,
        ),
        ("excludes", "[\"a\\u0000\"]"),
        ("promotion", "sometimes"),
        ("promotion", ""),
        ("docroot_switch", "7"),
        ("members", "web9"),
        ("", ""),
    ] {
        let mut changed = document();
        assert!(changed.set(key, value).is_err(), "{key} {value}");
        assert_eq!(changed, document());
    }
    assert!(matches!(document().get("colour"), Err(DocumentError::NoSuchSetting { .. })));
    let deep = "[".repeat(100_000);
    assert!(document().set("excludes", &deep).is_err());
}

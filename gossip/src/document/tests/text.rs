use proptest::prelude::*;

use super::full;
use crate::tests::document;
use crate::{DocrootSwitch, Document, DocumentText, Policy, Promotion, Writers};

fn parse(text: &str) -> DocumentText {
    DocumentText::parse(text).unwrap()
}

/// Line, column and message of the mistake in a text.
fn mistake(text: &str) -> (usize, usize, String) {
    let error = DocumentText::parse(text).unwrap_err();
    (error.line, error.column, error.message)
}

#[test]
fn what_is_shown_can_be_given_back() {
    for document in [document(), full()] {
        let mut edited = Document { version: 7, ..crate::tests::document() };
        parse(&document.to_text()).apply(&mut edited);
        assert_eq!(edited.excludes, document.excludes);
        assert_eq!(edited.rules, document.rules);
        assert_eq!(edited.promotion, document.promotion);
        assert_eq!(edited.docroot_switch, document.docroot_switch);
        assert_eq!((edited.version, edited.members.len()), (7, 5));
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = parse("");
    assert_eq!((text.promotion, text.docroot_switch), (Promotion::Manual, DocrootSwitch::Hold));
    assert!(text.excludes.is_empty());
    let text = parse("[[rules]]\npath = 'a'\n");
    assert_eq!(text.rules[0].policy, Policy::MasterWins);
    assert_eq!(text.rules[0].writers, Writers::Origin);
}

#[test]
fn mistakes_have_a_place() {
    for (text, line, column) in [
        ("excludes = [\n  \"a\",\n  oops\n]\n", 3, 3),
        ("promotion = \"manual\"\nexclude = []\n", 2, 1),
        ("excludes = [\"ok\",\n  \"ä\", \"\"]\n", 2, 8),
        ("promotion = \"sometimes\"\n", 1, 13),
        ("promotion = 3\n", 1, 13),
        ("[[rules]]\npath = \"a\"\npolicy = \"mine\"\n", 3, 10),
        ("[[rules]]\npath = \"a\\n\"\n", 2, 8),
        ("[[rules]]\npath = \"a\"\ncolour = 1\n", 3, 1),
        ("members = []\n", 1, 1),
        ("excludes = []\nexcludes = []\n", 2, 1),
    ] {
        let (found_line, found_column, message) = mistake(text);
        assert_eq!((found_line, found_column), (line, column), "{text}{message}");
        assert!(!message.is_empty() && !message.contains('\n'), "{message}");
    }
    assert!(mistake("exclude = []").2.contains("excludes"), "the known keys are named");
}

#[test]
fn texts_have_limits() {
    let many = format!("excludes = [{}]", "\"a\",".repeat(1_025));
    assert!(mistake(&many).2.contains("too many"));
    let most = format!("excludes = [{}]", "\"a\",".repeat(1_024));
    assert_eq!(parse(&most).excludes.len(), 1_024);
    assert!(mistake(&format!("excludes = ['{}']", "a".repeat(1_025))).2.contains("1024"));
    mistake(&"[".repeat(500_000));
    mistake(&format!("excludes = {}", "[".repeat(500_000)));
    mistake(&" ".repeat(Document::MAX_ENCODED + 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_pattern_survives(excludes in prop::collection::vec("[^\\p{Cc}]{1,40}", 0..6)) {
        let mut document = document();
        document.excludes = excludes;
        prop_assert_eq!(parse(&document.to_text()).excludes, document.excludes.clone());
        let mut set = crate::tests::document();
        set.set("excludes", &document.get("excludes").unwrap()).unwrap();
        prop_assert_eq!(set.excludes, document.excludes);
    }
}

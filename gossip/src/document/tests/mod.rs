mod change;
mod settings;
mod text;
mod validate;

use proptest::prelude::*;

use crate::tests::{document, id, member, sorted};
use crate::{
    DocrootSwitch, Document, MemberRole, Policy, Promotion, Rule, Writers, is_address,
    is_member_name,
};

/// A document with something in every field.
pub(crate) fn full() -> Document {
    let mut document = document();
    document.version = 300;
    document.voters = sorted(&[1, 2, 5]);
    document.next_voters = Some(sorted(&[1, 2, 3]));
    document.rules.push(Rule {
        path: "uploads/**".to_owned(),
        policy: Policy::KeepBoth,
        writers: Writers::Any,
    });
    document.promotion = Promotion::Automatic;
    document.docroot_switch = DocrootSwitch::Follow;
    document.formats = vec![1, 2, 700];
    document.revoked = sorted(&[8, 9]);
    document
}

#[test]
fn a_document_survives_its_encoding() {
    for document in [document(), full()] {
        document.validate().unwrap();
        assert_eq!(Document::decode(&document.encode()), Ok(document));
    }
}

#[test]
fn the_hash_covers_every_field() {
    let changes: [fn(&mut Document); 12] = [
        |document| document.version += 1,
        |document| document.members[0].name.push('x'),
        |document| document.set_role(&id(3), MemberRole::Witness).unwrap(),
        |document| document.members[0].addresses.clear(),
        |document| document.voters.clear(),
        |document| document.next_voters = None,
        |document| document.excludes.push("b".to_owned()),
        |document| document.rules.clear(),
        |document| document.promotion = Promotion::Manual,
        |document| document.docroot_switch = DocrootSwitch::Hold,
        |document| document.formats.clear(),
        |document| document.revoked.clear(),
    ];
    for change in changes {
        let mut changed = full();
        change(&mut changed);
        assert_ne!(changed.hash(), full().hash());
    }
}

#[test]
fn lists_must_be_in_order() {
    let disorders: [fn(&mut Document); 6] = [
        |document| document.members.swap(0, 1),
        |document| document.members[1] = document.members[0].clone(),
        |document| document.voters.swap(0, 1),
        |document| document.next_voters.as_mut().unwrap().swap(0, 1),
        |document| document.formats.swap(0, 1),
        |document| document.revoked.swap(0, 1),
    ];
    for disorder in disorders {
        let mut document = full();
        disorder(&mut document);
        assert!(Document::decode(&document.encode()).is_err());
        assert!(document.validate().is_err());
    }
}

#[test]
fn what_is_too_large_is_not_even_looked_at() {
    assert!(Document::decode(&vec![1; Document::MAX_ENCODED + 1]).is_err());
}

#[test]
fn members_are_found_by_id_and_by_name() {
    let document = document();
    for number in 1..=5 {
        let name = format!("web{number}");
        assert_eq!(document.member(&id(number)).unwrap().name, name);
        assert_eq!(document.find(&name).unwrap().id, id(number));
        assert_eq!(document.find(&id(number).to_string()).unwrap().name, name);
    }
    assert_eq!(document.find("web9"), None);
    assert_eq!(document.member(&id(9)), None);
    assert!(document.may_publish(&id(1)) && document.may_publish(&id(2)));
    assert!(!document.may_publish(&id(4)) && !document.may_publish(&id(5)));
    assert!(!document.may_publish(&id(9)));
}

#[test]
fn names_and_addresses_have_rules() {
    for name in ["a", "web-1.example.org", "_x", &"a".repeat(63), &"z".repeat(64), "A_b.C-9"] {
        assert!(is_member_name(name), "{name}");
    }
    for name in ["", "-a", "a b", "a/b", "ä", "..", ".", "__", &"z".repeat(65), &"a".repeat(64)] {
        assert!(!is_member_name(name), "{name}");
    }
    for address in
        ["web1:7440", "10.0.0.1:1", "[::1]:65535", "[2001:db8::1]:7440", "a.b-c.example:80"]
    {
        assert!(is_address(address), "{address}");
    }
    for address in [
        "",
        ":",
        "web1",
        "web1:",
        ":7440",
        "web1:0",
        "web1:00080",
        "web1:65536",
        "web1:+80",
        "::1:7440",
        "[::1]",
        "[::1:80",
        "[web1]:80",
        "we b:80",
        "web1:7440\n",
        "a..b:80",
        "-a:80",
        "web1:७",
    ] {
        assert!(!is_address(address), "{address}");
    }
    let long = format!("{}:80", "a.".repeat(130) + "a");
    assert!(!is_address(&long));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_roster_survives(numbers in prop::collection::btree_set(2_u8..60, 0..20),
                           excludes in prop::collection::vec("[a-z*/]{1,20}", 0..10)) {
        let founder = member(1, MemberRole::Candidate);
        let mut document = Document::founding(founder, excludes, vec![1]);
        for number in &numbers {
            document.admit(member(*number, MemberRole::Replica)).unwrap();
        }
        for number in numbers.iter().filter(|number| *number % 3 == 0) {
            document.remove_member(&id(*number)).unwrap();
        }
        prop_assert!(document.validate().is_ok());
        prop_assert_eq!(Document::decode(&document.encode()), Ok(document));
    }
}

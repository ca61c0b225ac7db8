use super::full;
use crate::tests::{document, id, member, sorted};
use crate::{Document, DocumentError, MemberRole, Policy, Promotion, Rule, Writers};

fn fault(change: impl FnOnce(&mut Document)) -> DocumentError {
    let mut document = full();
    change(&mut document);
    document.validate().unwrap_err()
}

#[test]
fn parts_must_agree() {
    use DocumentError as Error;
    assert!(matches!(
        fault(|document| document.revoked = vec![id(4)]),
        Error::MemberRevoked { .. }
    ));
    assert!(matches!(
        fault(|document| document.members[1].name = document.members[0].name.clone()),
        Error::NameInUse { .. }
    ));
    assert!(matches!(
        fault(|document| document.voters = sorted(&[1, 9])),
        Error::VoterNotMember { .. }
    ));
    assert!(matches!(
        fault(|document| document.next_voters = Some(sorted(&[1, 4]))),
        Error::VoterIsReplica { .. }
    ));
    for pattern in [String::new(), "a\nb".to_owned(), "a".repeat(1_025)] {
        assert!(matches!(
            fault(|document| document.excludes.push(pattern.clone())),
            Error::BadPattern { number: 2, .. }
        ));
        assert!(matches!(
            fault(|document| document.rules[0].path = pattern),
            Error::BadPattern { number: 1, .. }
        ));
    }
    assert!(matches!(
        fault(|document| document.excludes = vec!["a".to_owned(); 1_025]),
        Error::TooMany { what: "excludes", .. }
    ));
    assert!(matches!(
        fault(|document| document.excludes = vec!["a".repeat(1_024); 1_024]),
        Error::TooLarge { .. }
    ));
    assert!(matches!(
        fault(|document| document.members[0].addresses = vec!["a:1".to_owned(); 9]),
        Error::TooMany { what: "addresses", .. }
    ));
}

#[test]
fn a_successor_is_the_next_version_and_forgets_no_revocation() {
    let mut previous = document();
    previous.revoked = vec![id(9)];
    previous.draft().validate_successor(&previous).unwrap();
    for version in [0, previous.version, previous.version + 2] {
        let other = Document { version, ..previous.clone() };
        assert!(matches!(
            other.validate_successor(&previous),
            Err(DocumentError::NotNextVersion { .. })
        ));
    }
    let mut forgetful = previous.draft();
    forgetful.revoked.clear();
    assert_eq!(
        forgetful.validate_successor(&previous),
        Err(DocumentError::RevocationLost { id: id(9) })
    );
    let mut careless = previous.draft();
    careless.members.retain(|member| member.id != id(4));
    assert!(matches!(
        careless.validate_successor(&previous),
        Err(DocumentError::RemovedNotRevoked { .. })
    ));
    let mut removing = previous.draft();
    removing.remove_member(&id(4)).unwrap();
    removing.validate_successor(&previous).unwrap();
    let last = Document { version: u64::MAX, ..document() };
    assert!(last.draft().validate_successor(&last).is_err());
}

#[test]
fn an_origin_publishes_only_what_can_be_honoured() {
    let origin = id(1);
    document().validate_publishable(&origin).unwrap();
    let refused = |change: &dyn Fn(&mut Document)| {
        let mut document = document();
        change(&mut document);
        document.validate().unwrap();
        document.validate_publishable(&origin).unwrap_err()
    };
    let with_rule = |policy, writers| {
        move |document: &mut Document| {
            document.rules.push(Rule { path: "a".to_owned(), policy, writers });
        }
    };
    for (policy, writers) in [
        (Policy::MasterWins, Writers::Any),
        (Policy::NewestWins, Writers::Origin),
        (Policy::KeepBoth, Writers::Origin),
        (Policy::Hold, Writers::Origin),
    ] {
        assert_eq!(
            refused(&with_rule(policy, writers)),
            DocumentError::RuleNotSupported { number: 1 }
        );
    }
    let mut plain = document();
    with_rule(Policy::MasterWins, Writers::Origin)(&mut plain);
    plain.validate_publishable(&origin).unwrap();

    for (voters, count) in [(&[][..], 0), (&[1, 2], 2), (&[1, 2, 3, 5], 4)] {
        let automatic = |document: &mut Document| {
            document.promotion = Promotion::Automatic;
            document.voters = sorted(voters);
        };
        assert_eq!(refused(&automatic), DocumentError::TooFewVoters { count });
    }
    let mut document = document();
    document.promotion = Promotion::Automatic;
    document.voters = sorted(&[1, 2, 5]);
    document.validate_publishable(&origin).unwrap();
    document.admit(member(6, MemberRole::Witness)).unwrap();
    document.voters = sorted(&[1, 5, 6]);
    assert_eq!(
        document.validate_publishable(&origin),
        Err(DocumentError::TooFewVoters { count: 1 })
    );
    document.voters = sorted(&[1, 2, 5]);
    document.next_voters = Some(Vec::new());
    assert!(document.validate_publishable(&origin).is_err());

    for number in [4, 5, 9] {
        assert!(matches!(
            document.validate_publishable(&id(number)),
            Err(DocumentError::OriginNotCandidate { .. })
        ));
    }
}

use crate::tests::{document, id, member, sorted};
use crate::{Document, DocumentError, Member, MemberRole};

fn refused(change: impl FnOnce(&mut Document) -> Result<(), DocumentError>) -> DocumentError {
    let mut changed = document();
    let error = change(&mut changed).unwrap_err();
    assert_eq!(changed, document(), "a refused change must leave it alone");
    error
}

#[test]
fn admission_has_conditions() {
    let joiner = || member(6, MemberRole::Replica);
    let named = |name: &str| Member { name: name.to_owned(), ..joiner() };
    let mut admitted = document();
    admitted.admit(joiner()).unwrap();
    assert_eq!(admitted.members.len(), 6);
    assert!(matches!(
        refused(|document| document.admit(member(2, MemberRole::Replica))),
        DocumentError::AlreadyMember { .. }
    ));
    assert!(matches!(
        refused(|document| document.admit(named("web3"))),
        DocumentError::NameInUse { .. }
    ));
    assert!(matches!(
        refused(|document| document.admit(named("-web"))),
        DocumentError::BadName { .. }
    ));
    let nowhere = Member { addresses: vec!["nowhere".to_owned()], ..joiner() };
    assert!(matches!(
        refused(|document| document.admit(nowhere)),
        DocumentError::BadAddress { .. }
    ));
}

#[test]
fn the_roster_has_an_end() {
    let mut document = document();
    let mut number = 0_u32;
    while document.members.len() < Document::MAX_MEMBERS {
        let mut seed = [0xee; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        let id = crate::SecretKey::from_seed(seed).public();
        let name = format!("node{number}");
        // Validation is quadratic over a thousand admissions: put them in directly.
        let index = document.members.partition_point(|member| member.id < id);
        let role = MemberRole::Replica;
        document.members.insert(index, Member { id, name, role, addresses: Vec::new() });
        number += 1;
    }
    document.validate().unwrap();
    assert!(matches!(
        document.admit(member(6, MemberRole::Replica)),
        Err(DocumentError::TooMany { what: "members", .. })
    ));
    assert_eq!(document.members.len(), Document::MAX_MEMBERS);
}

#[test]
fn removal_revokes_for_ever() {
    let mut document = document();
    document.voters = sorted(&[1, 2, 5]);
    document.next_voters = Some(sorted(&[1, 2, 3]));
    assert_eq!(document.remove_member(&id(2)).unwrap().name, "web2");
    assert!(document.revokes(&id(2)));
    assert_eq!(document.voters, sorted(&[1, 5]));
    assert_eq!(document.next_voters, Some(sorted(&[1, 3])));
    assert!(matches!(
        document.admit(member(2, MemberRole::Replica)),
        Err(DocumentError::MemberRevoked { .. })
    ));
    assert!(matches!(document.remove_member(&id(2)), Err(DocumentError::NoSuchMember { .. })));
    document.validate().unwrap();
}

#[test]
fn roles_and_addresses_change_in_place() {
    let mut changed = document();
    changed.set_role(&id(4), MemberRole::Candidate).unwrap();
    changed.set_addresses(&id(4), vec!["web4.example:1".to_owned()]).unwrap();
    assert!(changed.may_publish(&id(4)));
    assert_eq!(changed.member(&id(4)).unwrap().addresses, ["web4.example:1"]);
    refused(|document| document.set_addresses(&id(4), vec!["x".to_owned()]));
    refused(|document| document.set_role(&id(9), MemberRole::Candidate));
    changed.voters = sorted(&[4]);
    assert!(matches!(
        changed.set_role(&id(4), MemberRole::Replica),
        Err(DocumentError::VoterIsReplica { .. })
    ));
    assert!(changed.may_publish(&id(4)));
}

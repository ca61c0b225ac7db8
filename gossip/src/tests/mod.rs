//! Fixtures for the tests of all modules.

pub(crate) mod farm;
mod scenario;

use crate::{Document, Genesis, Member, MemberRole, NodeId, SecretKey, Wall};

pub(crate) const WALL: Wall = Wall(1_795_561_200_000_000_000);

/// The key number `number`.
pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

pub(crate) fn id(number: u8) -> NodeId {
    key(number).public()
}

pub(crate) fn genesis() -> Genesis {
    Genesis { name: "farm".to_owned(), founder: id(1), nonce: [7; 16], created: WALL }
}

pub(crate) fn member(number: u8, role: MemberRole) -> Member {
    Member {
        id: id(number),
        name: format!("web{number}"),
        role,
        addresses: vec![format!("10.0.0.{number}:7440")],
    }
}

/// The founder, two more candidates, a replica and a witness: keys 1 to 5.
pub(crate) fn document() -> Document {
    let founder = member(1, MemberRole::Candidate);
    let mut document = Document::founding(founder, vec!["*.tmp".to_owned()], vec![1]);
    for (number, role) in [
        (2, MemberRole::Candidate),
        (3, MemberRole::Candidate),
        (4, MemberRole::Replica),
        (5, MemberRole::Witness),
    ] {
        document.admit(member(number, role)).unwrap();
    }
    document
}

/// Ids ascending.
pub(crate) fn sorted(numbers: &[u8]) -> Vec<NodeId> {
    let mut ids: Vec<NodeId> = numbers.iter().map(|number| id(*number)).collect();
    ids.sort();
    ids
}

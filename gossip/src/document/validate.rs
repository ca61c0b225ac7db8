//! Whether a document's parts agree, follow from the document before, and can be honoured.

use std::collections::BTreeSet;

use super::{Document, DocumentError, MemberRole, Policy, Promotion, Writers};
use super::{is_address, is_member_name};
use crate::codec::{DecodeError, ascending};
use crate::key::NodeId;
use crate::{Member, document::Rule};

impl Document {
    /// Whether the parts agree and keep their limits. Every node asks this of every document.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), DocumentError> {
        self.validate_sizes()?;
        self.validate_order()?;
        self.validate_members()?;
        self.validate_voters(&self.voters)?;
        self.validate_voters(self.next_voters.as_deref().unwrap_or_default())?;
        for (index, pattern) in self.excludes.iter().enumerate() {
            validate_pattern(index + 1, pattern)?;
        }
        for (index, Rule { path, .. }) in self.rules.iter().enumerate() {
            validate_pattern(index + 1, path)?;
        }
        let length = self.encode().len();
        if length > Document::MAX_ENCODED {
            return Err(DocumentError::TooLarge { length, limit: Document::MAX_ENCODED });
        }
        Ok(())
    }

    /// Whether this may follow `previous` on one lineage: the next version, every revocation kept,
    /// and the key of every member that is gone revoked.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate_successor(&self, previous: &Document) -> Result<(), DocumentError> {
        if previous.version.checked_add(1) != Some(self.version) {
            let (previous, given) = (previous.version, self.version);
            return Err(DocumentError::NotNextVersion { previous, given });
        }
        if let Some(id) = previous.revoked.iter().find(|id| !self.revokes(id)) {
            return Err(DocumentError::RevocationLost { id: *id });
        }
        let unrevoked =
            |member: &&Member| self.member(&member.id).is_none() && !self.revokes(&member.id);
        match previous.members.iter().find(unrevoked) {
            Some(member) => Err(DocumentError::RemovedNotRevoked { name: member.name.clone() }),
            None => Ok(()),
        }
    }

    /// Whether `origin` may publish this with this version of mirrormesh. Only an origin about to
    /// publish asks.
    ///
    /// # Errors
    /// The first thing that cannot be honoured.
    pub fn validate_publishable(&self, origin: &NodeId) -> Result<(), DocumentError> {
        if !self.may_publish(origin) {
            return Err(DocumentError::OriginNotCandidate { id: *origin });
        }
        if self.promotion == Promotion::Automatic {
            self.validate_majority(&self.voters)?;
            if let Some(voters) = &self.next_voters {
                self.validate_majority(voters)?;
            }
        }
        let is_default =
            |rule: &Rule| rule.policy == Policy::MasterWins && rule.writers == Writers::Origin;
        match self.rules.iter().position(|rule| !is_default(rule)) {
            Some(index) => Err(DocumentError::RuleNotSupported { number: index + 1 }),
            None => Ok(()),
        }
    }

    fn validate_sizes(&self) -> Result<(), DocumentError> {
        let next_voters = self.next_voters.as_ref().map_or(0, Vec::len);
        for (what, count, limit) in [
            ("members", self.members.len(), Document::MAX_MEMBERS),
            ("voters", self.voters.len().max(next_voters), Document::MAX_VOTERS),
            ("excludes", self.excludes.len(), Document::MAX_EXCLUDES),
            ("rules", self.rules.len(), Document::MAX_RULES),
            ("formats", self.formats.len(), Document::MAX_FORMATS),
            ("revoked keys", self.revoked.len(), Document::MAX_REVOKED),
        ] {
            if count > limit {
                return Err(DocumentError::TooMany { what, limit });
            }
        }
        Ok(())
    }

    fn validate_order(&self) -> Result<(), DocumentError> {
        let next_voters = self.next_voters.as_deref().unwrap_or_default();
        ascending("members", &self.members, |member| member.id)
            .and_then(|()| ascending("voters", &self.voters, |voter| *voter))
            .and_then(|()| ascending("next voters", next_voters, |voter| *voter))
            .and_then(|()| ascending("formats", &self.formats, |format| *format))
            .and_then(|()| ascending("revoked keys", &self.revoked, |key| *key))
            .map_err(|error| match error {
                DecodeError::NotInOrder { what } => DocumentError::NotInOrder { what },
                other => DocumentError::Malformed(other),
            })
    }

    fn validate_members(&self) -> Result<(), DocumentError> {
        let mut names = BTreeSet::new();
        for member in &self.members {
            let name = member.name.clone();
            if !is_member_name(&name) {
                return Err(DocumentError::BadName { name });
            }
            if self.revokes(&member.id) {
                return Err(DocumentError::MemberRevoked { name });
            }
            if member.addresses.len() > Member::MAX_ADDRESSES {
                let limit = Member::MAX_ADDRESSES;
                return Err(DocumentError::TooMany { what: "addresses", limit });
            }
            if let Some(address) = member.addresses.iter().find(|address| !is_address(address)) {
                return Err(DocumentError::BadAddress { address: address.clone() });
            }
            if !names.insert(name) {
                return Err(DocumentError::NameInUse { name: member.name.clone() });
            }
        }
        Ok(())
    }

    fn validate_voters(&self, voters: &[NodeId]) -> Result<(), DocumentError> {
        for id in voters {
            match self.member(id) {
                None => return Err(DocumentError::VoterNotMember { id: *id }),
                Some(Member { name, role: MemberRole::Replica, .. }) => {
                    return Err(DocumentError::VoterIsReplica { name: name.clone() });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Three or five voters, at least two with a docroot.
    fn validate_majority(&self, voters: &[NodeId]) -> Result<(), DocumentError> {
        if !matches!(voters.len(), 3 | 5) {
            return Err(DocumentError::TooFewVoters { count: voters.len() });
        }
        let with_docroot =
            |id: &&NodeId| self.member(id).is_some_and(|member| member.role.has_docroot());
        match voters.iter().filter(with_docroot).count() {
            count @ 0..=1 => Err(DocumentError::TooFewVoters { count }),
            _ => Ok(()),
        }
    }
}

fn validate_pattern(number: usize, pattern: &str) -> Result<(), DocumentError> {
    match pattern_fault(pattern) {
        Some(reason) => Err(DocumentError::BadPattern { number, reason }),
        None => Ok(()),
    }
}

/// What is wrong with a pattern, its meaning apart (which the node's matcher knows).
pub(super) fn pattern_fault(pattern: &str) -> Option<&'static str> {
    if pattern.is_empty() {
        Some("it is empty")
    } else if pattern.len() > Document::MAX_PATTERN {
        Some("it is longer than 1024 bytes")
    } else if pattern.chars().any(char::is_control) {
        Some("it has control characters")
    } else {
        None
    }
}

//! The cluster document: roster, roles, rules, excludes, policies, formats in use.
//!
//! Purpose: everything that all members must agree on beyond the tree itself. The origin publishes
//! it with the heads: a head names its hash, so the document is exactly as trusted as the head.
//!
//! Invariants: members, voters, formats and revoked keys are sorted and free of repetitions, so
//! that one document has one encoding and one hash; a member is never also revoked; a later
//! document of one lineage revokes at least what the earlier one did.
//!
//! Three questions, three functions: what [`Document::decode`] accepts has the right *shape*;
//! [`Document::validate`] says whether its parts agree (every node asks that);
//! [`Document::validate_publishable`] says whether this version of mirrormesh can honour it (only
//! an origin about to publish asks that: no node refuses to run because of a document).
//!
//! Never holds what concerns one node alone: that is its own `mirrormesh.toml`.

mod change;
mod error;
mod member;
mod rule;
mod settings;
mod text;
mod validate;

pub use error::DocumentError;
pub use member::{Member, MemberRole, is_address, is_member_name};
pub(crate) use member::{read_addresses, write_addresses};
pub use rule::{DocrootSwitch, Policy, Promotion, Rule, Writers};
pub use text::{DocumentText, TextError};

use mirrormesh_merkle::Hash;

use crate::codec::{DecodeError, Reader, Writer, ascending};
use crate::key::NodeId;

/// The cluster document. See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Rises by one with every published change; 1 is the first.
    pub version: u64,
    /// The roster, ascending by id.
    pub members: Vec<Member>,
    /// Who votes, ascending. Empty: nobody is elected.
    pub voters: Vec<NodeId>,
    /// While voters change: the new ones, ascending.
    pub next_voters: Option<Vec<NodeId>>,
    /// Patterns of paths that are not mirrored, in the order given.
    pub excludes: Vec<String>,
    /// Who wins and who may write, by path; the first that matches counts.
    pub rules: Vec<Rule>,
    /// How a dead origin is replaced.
    pub promotion: Promotion,
    /// What happens when another directory stands at the docroot's path.
    pub docroot_switch: DocrootSwitch,
    /// Formats in use, ascending.
    pub formats: Vec<u16>,
    /// Keys that are never believed again, ascending. Only grows.
    pub revoked: Vec<NodeId>,
}

impl Document {
    /// Longest encoding in bytes. It rules where the other limits together would allow more.
    pub const MAX_ENCODED: usize = 1 << 20;
    /// Most members.
    pub const MAX_MEMBERS: usize = 1_024;
    /// Most voters.
    pub const MAX_VOTERS: usize = 7;
    /// Most excludes.
    pub const MAX_EXCLUDES: usize = 1_024;
    /// Most rules.
    pub const MAX_RULES: usize = 1_024;
    /// Longest pattern of an exclude or a rule, in bytes.
    pub const MAX_PATTERN: usize = 1_024;
    /// Most formats.
    pub const MAX_FORMATS: usize = 64;
    /// Most revoked keys.
    pub const MAX_REVOKED: usize = 65_536;

    /// A cluster's first document: the founder alone.
    pub fn founding(founder: Member, excludes: Vec<String>, formats: Vec<u16>) -> Document {
        Document {
            version: 1,
            members: vec![founder],
            voters: Vec::new(),
            next_voters: None,
            excludes,
            rules: Vec::new(),
            promotion: Promotion::Manual,
            docroot_switch: DocrootSwitch::Hold,
            formats,
            revoked: Vec::new(),
        }
    }

    /// The hash that heads carry.
    pub fn hash(&self) -> Hash {
        Document::hash_of(&self.encode())
    }

    /// The hash of a document's encoding.
    pub fn hash_of(encoded: &[u8]) -> Hash {
        Hash::derive("mirrormesh document v1", encoded)
    }

    /// The member with this id.
    pub fn member(&self, id: &NodeId) -> Option<&Member> {
        let index = self.members.binary_search_by(|member| member.id.cmp(id)).ok()?;
        self.members.get(index)
    }

    /// The member that an operator names, by name or by id.
    pub fn find(&self, name_or_id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name_or_id).or_else(|| {
            let id = name_or_id.parse().ok()?;
            self.member(&id)
        })
    }

    /// Whether this document revokes the key.
    pub fn revokes(&self, id: &NodeId) -> bool {
        self.revoked.binary_search(id).is_ok()
    }

    /// Whether a node may become origin by this document: a candidate that is not revoked.
    pub fn may_publish(&self, id: &NodeId) -> bool {
        !self.revokes(id)
            && self.member(id).is_some_and(|member| member.role == MemberRole::Candidate)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        writer.number(self.version);
        writer.list(&self.members, |writer, member| member.write(writer));
        writer.list(&self.voters, Writer::node);
        writer.optional(self.next_voters.as_ref(), |writer, voters| {
            writer.list(voters, Writer::node);
        });
        writer.list(&self.excludes, |writer, pattern| writer.text(pattern));
        writer.list(&self.rules, |writer, rule| rule.write(writer));
        self.promotion.write(&mut writer);
        self.docroot_switch.write(&mut writer);
        writer.list(&self.formats, |writer, format| writer.fixed(&format.to_be_bytes()));
        writer.list(&self.revoked, Writer::node);
        writer.finish()
    }

    /// Reads the canonical encoding. Its parts may still contradict each other: see
    /// [`Document::validate`].
    ///
    /// # Errors
    /// Any bytes but those of [`Document::encode`], and anything beyond the limits above.
    pub fn decode(bytes: &[u8]) -> Result<Document, DecodeError> {
        if bytes.len() > Document::MAX_ENCODED {
            return Err(DecodeError::TooLong { what: "document", limit: Document::MAX_ENCODED });
        }
        let mut reader = Reader::new(bytes);
        reader.version("document", 1)?;
        let document = Document {
            version: reader.number()?,
            members: reader.list("members", Document::MAX_MEMBERS, Member::read)?,
            voters: read_voters(&mut reader)?,
            next_voters: reader.optional("next voters", read_voters)?,
            excludes: reader.list("excludes", Document::MAX_EXCLUDES, |reader| {
                reader.text("exclude", Document::MAX_PATTERN).map(str::to_owned)
            })?,
            rules: reader.list("rules", Document::MAX_RULES, Rule::read)?,
            promotion: Promotion::read(&mut reader)?,
            docroot_switch: DocrootSwitch::read(&mut reader)?,
            formats: reader.list("formats", Document::MAX_FORMATS, |reader| {
                reader.fixed().map(u16::from_be_bytes)
            })?,
            revoked: reader.list("revoked keys", Document::MAX_REVOKED, Reader::unchecked_node)?,
        };
        reader.finish()?;
        ascending("members", &document.members, |member| member.id)?;
        ascending("formats", &document.formats, |format| *format)?;
        ascending("revoked keys", &document.revoked, |key| *key)?;
        Ok(document)
    }
}

fn read_voters(reader: &mut Reader<'_>) -> Result<Vec<NodeId>, DecodeError> {
    let voters = reader.list("voters", Document::MAX_VOTERS, |reader| reader.node("voter"))?;
    ascending("voters", &voters, |voter| *voter)?;
    Ok(voters)
}

#[cfg(test)]
pub(crate) mod tests;

//! Changes to a document. Each leaves it valid or leaves it alone.

use super::{Document, DocumentError, Member, MemberRole};
use crate::key::NodeId;

impl Document {
    /// A copy with the next version, to be changed and published.
    pub fn draft(&self) -> Document {
        Document { version: self.version.saturating_add(1), ..self.clone() }
    }

    /// Takes a member in.
    ///
    /// # Errors
    /// A name in use, a key that is a member or revoked, a bad name or address, a full roster. The
    /// document is unchanged then.
    pub fn admit(&mut self, member: Member) -> Result<(), DocumentError> {
        let (id, name) = (member.id, member.name.clone());
        if self.revokes(&id) {
            return Err(DocumentError::MemberRevoked { name });
        }
        if self.members.iter().any(|other| other.name == name && other.id != id) {
            return Err(DocumentError::NameInUse { name });
        }
        match self.members.binary_search_by(|other| other.id.cmp(&id)) {
            Ok(_) => Err(DocumentError::AlreadyMember { id }),
            Err(index) => {
                self.members.insert(index, member);
                self.validate().inspect_err(|_| {
                    self.members.remove(index);
                })
            }
        }
    }

    /// Takes a member out and revokes its key: a removed node that could come back by its old key
    /// could not be told from the one that was meant to be gone.
    ///
    /// # Errors
    /// [`DocumentError::NoSuchMember`]; the document is unchanged then.
    pub fn remove_member(&mut self, id: &NodeId) -> Result<Member, DocumentError> {
        let found = self.members.binary_search_by(|member| member.id.cmp(id));
        let index = found.map_err(|_| DocumentError::NoSuchMember { name: id.to_string() })?;
        let member = self.members.remove(index);
        self.revoke(*id);
        Ok(member)
    }

    /// Revokes a key, whoever holds it; a member that holds it is gone, as voter too.
    pub fn revoke(&mut self, id: NodeId) {
        self.members.retain(|member| member.id != id);
        self.voters.retain(|voter| *voter != id);
        if let Some(voters) = &mut self.next_voters {
            voters.retain(|voter| *voter != id);
        }
        if let Err(index) = self.revoked.binary_search(&id) {
            self.revoked.insert(index, id);
        }
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// Unknown member, or a voter that would become a replica. The document is unchanged then.
    pub fn set_role(&mut self, id: &NodeId, role: MemberRole) -> Result<(), DocumentError> {
        self.change_member(id, |member| member.role = role)
    }

    /// Gives a member other addresses.
    ///
    /// # Errors
    /// Unknown member, a bad address or too many. The document is unchanged then.
    pub fn set_addresses(
        &mut self,
        id: &NodeId,
        addresses: Vec<String>,
    ) -> Result<(), DocumentError> {
        self.change_member(id, |member| member.addresses = addresses)
    }

    fn change_member(
        &mut self,
        id: &NodeId,
        change: impl FnOnce(&mut Member),
    ) -> Result<(), DocumentError> {
        let found = self.members.binary_search_by(|member| member.id.cmp(id));
        let index = found.map_err(|_| DocumentError::NoSuchMember { name: id.to_string() })?;
        let before = self.members[index].clone();
        change(&mut self.members[index]);
        self.validate().inspect_err(|_| self.members[index] = before)
    }
}

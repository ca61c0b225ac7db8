//! One line of the roster.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Reader, Writer};
use crate::key::NodeId;

/// What the roster lets a member be. Origin is no role: it follows from the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Follows.
    Replica,
    /// Follows, and may become origin.
    Candidate,
    /// Has no docroot; votes and remembers heads.
    Witness,
}

impl MemberRole {
    /// The word for it in configuration and output.
    pub const fn word(self) -> &'static str {
        match self {
            MemberRole::Replica => "replica",
            MemberRole::Candidate => "candidate",
            MemberRole::Witness => "witness",
        }
    }

    /// Whether such a member has a docroot.
    pub const fn has_docroot(self) -> bool {
        !matches!(self, MemberRole::Witness)
    }

    fn write(self, writer: &mut Writer) {
        writer.byte(match self {
            MemberRole::Replica => 0,
            MemberRole::Candidate => 1,
            MemberRole::Witness => 2,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<MemberRole, DecodeError> {
        match reader.byte()? {
            0 => Ok(MemberRole::Replica),
            1 => Ok(MemberRole::Candidate),
            2 => Ok(MemberRole::Witness),
            value => Err(DecodeError::UnknownKind { what: "role", value }),
        }
    }
}

impl std::fmt::Display for MemberRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// A node in the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its key.
    pub id: NodeId,
    /// Its name, unique in the cluster: see [`is_member_name`].
    pub name: String,
    /// What it may be.
    pub role: MemberRole,
    /// Where it can be reached, the best first: see [`is_address`]. Newer ones are in the member's
    /// own address record.
    pub addresses: Vec<String>,
}

impl Member {
    /// Longest name in bytes.
    pub const MAX_NAME: usize = 64;
    /// Most addresses.
    pub const MAX_ADDRESSES: usize = 8;
    /// Longest address in bytes.
    pub const MAX_ADDRESS: usize = 255;

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.node(&self.id);
        writer.text(&self.name);
        self.role.write(writer);
        write_addresses(writer, &self.addresses);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Member, DecodeError> {
        Ok(Member {
            id: reader.node("member")?,
            name: reader.text("member name", Member::MAX_NAME)?.to_owned(),
            role: MemberRole::read(reader)?,
            addresses: read_addresses(reader)?,
        })
    }
}

pub(crate) fn write_addresses(writer: &mut Writer, addresses: &[String]) {
    writer.list(addresses, |writer, address| writer.text(address));
}

pub(crate) fn read_addresses(reader: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    reader.list("addresses", Member::MAX_ADDRESSES, |reader| {
        reader.text("address", Member::MAX_ADDRESS).map(str::to_owned)
    })
}

/// Whether a member may have this name: 1 to 64 of `A-Z a-z 0-9 . _ -` with at least one letter or
/// digit, not beginning with `-` (it would be an option), and not what an id looks like.
pub fn is_member_name(name: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (1..=Member::MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && !name.starts_with('-')
        && !(name.len() == 64 && name.bytes().all(is_hex))
}

/// Whether this is an address to dial: `host:port` with a host name or IPv4 address, or an IPv6
/// address in brackets, and a port from 1 to 65535 without leading zeros.
pub fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let is_port = !port.starts_with('0')
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok();
    let is_host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()),
        None => host.parse::<Ipv4Addr>().is_ok() || is_host_name(host),
    };
    address.len() <= Member::MAX_ADDRESS && is_port && is_host
}

fn is_host_name(host: &str) -> bool {
    host.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
    })
}

//! Where a member says it can be reached.
//!
//! Purpose: the roster's addresses are those of the day a member joined. A member that moves signs
//! where it is now; the record spreads by gossip, and the document need not change for it.
//!
//! Invariants: of two records of one member the one with the higher number counts.
//!
//! Never makes anybody a member.

use crate::codec::{DecodeError, Reader, Writer};
use crate::document::{is_address, read_addresses, write_addresses};
use crate::genesis::ClusterId;
use crate::key::NodeId;
use crate::signed::{Signable, Signed};

/// A member's current addresses, by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRecord {
    /// The cluster.
    pub cluster: ClusterId,
    /// The member, who signs it.
    pub member: NodeId,
    /// Rises with every record of the member, restarts included.
    pub number: u64,
    /// At most 8, the best first.
    pub addresses: Vec<String>,
}

/// An address record as it travels.
pub type SignedAddressRecord = Signed<AddressRecord>;

impl Signable for AddressRecord {
    const WHAT: &'static str = "address record";
    const SIGNATURE_CONTEXT: &'static str = "mirrormesh address record signature v1";
    const HASH_CONTEXT: &'static str = "mirrormesh address record v1";
    const MAX_ENCODED: usize = 2_560;

    fn signer(&self) -> &NodeId {
        &self.member
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        writer.fixed(self.cluster.as_bytes());
        writer.node(&self.member);
        writer.number(self.number);
        write_addresses(&mut writer, &self.addresses);
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<AddressRecord, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("address record", 1)?;
        let record = AddressRecord {
            cluster: ClusterId::from_bytes(reader.fixed()?),
            member: reader.unchecked_node()?,
            number: reader.number()?,
            addresses: read_addresses(&mut reader)?,
        };
        reader.finish()?;
        if record.addresses.iter().all(|address| is_address(address)) {
            Ok(record)
        } else {
            Err(DecodeError::NotValid { what: "address" })
        }
    }
}

//! The first document of a cluster, and the cluster's id.
//!
//! Purpose: everything a node believes hangs on one hash, the cluster id, which a join token pins.
//!
//! Invariants: the encoding is canonical; the id is its hash; the founder is the only key that may
//! publish in epoch 1.
//!
//! Never changes after `init`.

use std::fmt;
use std::str::FromStr;

use mirrormesh_merkle::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::{DecodeError, Reader, Writer};
use crate::key::NodeId;
use crate::message;
use crate::time::Wall;

/// A cluster's id: the hash of its genesis, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(Hash);

impl ClusterId {
    /// Wraps 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> ClusterId {
        ClusterId(Hash::from_bytes(bytes))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The first 16 hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for ClusterId {
    type Err = <Hash as FromStr>::Err;

    fn from_str(text: &str) -> Result<ClusterId, Self::Err> {
        text.parse().map(ClusterId)
    }
}

impl Serialize for ClusterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        message::hash::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for ClusterId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ClusterId, D::Error> {
        message::hash::deserialize(deserializer).map(ClusterId)
    }
}

/// What `init` decides for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The cluster's name: 1 to 64 bytes without control characters.
    pub name: String,
    /// The node that publishes in epoch 1.
    pub founder: NodeId,
    /// Random, so that two clusters of one name and founder differ.
    pub nonce: [u8; 16],
    /// When, by the founder's clock.
    pub created: Wall,
}

impl Genesis {
    /// Longest name in bytes.
    pub const MAX_NAME: usize = 64;
    /// Longest encoding in bytes.
    pub const MAX_ENCODED: usize = 256;

    /// Whether a cluster may have this name.
    pub fn is_name(name: &str) -> bool {
        (1..=Genesis::MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control)
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> ClusterId {
        ClusterId(Hash::derive("mirrormesh genesis v1", &self.encode()))
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        writer.text(&self.name);
        writer.node(&self.founder);
        writer.fixed(&self.nonce);
        writer.wall(self.created);
        writer.finish()
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// Any bytes but those of [`Genesis::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Genesis, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("genesis", 1)?;
        let name = reader.text("cluster name", Genesis::MAX_NAME)?.to_owned();
        if !Genesis::is_name(&name) {
            return Err(DecodeError::NotValid { what: "cluster name" });
        }
        let founder = reader.node("founder")?;
        let genesis = Genesis { name, founder, nonce: reader.fixed()?, created: reader.wall()? };
        reader.finish()?;
        Ok(genesis)
    }
}

#[cfg(test)]
mod tests;

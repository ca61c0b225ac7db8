//! Join tokens.
//!
//! Purpose: one line of text that lets a machine become a member: it pins the cluster and the
//! member that issued it, says where to dial, and carries a secret that the issuer accepts once.
//!
//! State: the issuer keeps a [`TokenBook`] of hashes; the secret itself is nowhere but in the
//! token.
//!
//! Invariants: a secret is accepted at most as often as was said, never after it expired by the
//! issuer's own clock; the book holds at most [`TokenBook::MAX`] records. The caller makes the book
//! durable before it tells the joiner that it is in.
//!
//! Never makes a secret up: 16 random bytes come from the driver.

mod book;
mod text;

pub use book::{TokenBook, TokenRecord, TokenRefusal};
pub use text::TokenError;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::document::MemberRole;
use crate::genesis::ClusterId;
use crate::key::NodeId;
use crate::time::Wall;

/// What a join token says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The cluster to join.
    #[serde(rename = "c")]
    pub cluster: ClusterId,
    /// The member that issued it and will redeem it.
    #[serde(rename = "i")]
    pub issuer: NodeId,
    /// Where the issuer can be reached: 1 to 8, the best first.
    #[serde(rename = "a")]
    pub addresses: Vec<String>,
    /// What the issuer recognises.
    #[serde(rename = "s", with = "serde_bytes")]
    pub secret: [u8; 16],
    /// What the joiner becomes.
    #[serde(rename = "r")]
    pub role: MemberRole,
    /// When it expires, by the issuer's clock.
    #[serde(rename = "e")]
    pub expires: Wall,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("cluster", &self.cluster)
            .field("issuer", &self.issuer)
            .field("addresses", &self.addresses)
            .field("role", &self.role)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

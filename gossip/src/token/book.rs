//! What the issuer remembers of its tokens.

use mirrormesh_merkle::Hash;
use serde::{Deserialize, Serialize};

use crate::document::MemberRole;
use crate::message::{self, MessageError};
use crate::time::Wall;

/// Why a token is not accepted. The book is unchanged. The operator makes a new token with
/// `mirrormesh token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenRefusal {
    /// This node never issued it, or dropped it long after it expired.
    #[error("the token is unknown to the node that should have issued it")]
    Unknown,
    /// It was used as often as was allowed.
    #[error("the token was used already")]
    Used,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// What the issuer keeps of one token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Hash of the secret.
    #[serde(with = "crate::message::hash")]
    pub secret_hash: Hash,
    /// What a joiner becomes.
    pub role: MemberRole,
    /// When it expires, by this node's clock.
    pub expires: Wall,
    /// How often it can still be used; none: any number of times.
    pub uses_left: Option<u32>,
}

impl TokenRecord {
    /// A record of a new token.
    pub fn new(
        secret: &[u8; 16],
        role: MemberRole,
        expires: Wall,
        uses_left: Option<u32>,
    ) -> TokenRecord {
        TokenRecord { secret_hash: hash_secret(secret), role, expires, uses_left }
    }

    /// Uses the token once: what the joiner becomes.
    ///
    /// # Errors
    /// See [`TokenRefusal`]; nothing is used up then.
    pub fn redeem(&mut self, now: Wall, secret: &[u8; 16]) -> Result<MemberRole, TokenRefusal> {
        // Hashes are compared, so the time this takes tells nothing about the secret.
        if hash_secret(secret) != self.secret_hash {
            return Err(TokenRefusal::Unknown);
        }
        if self.uses_left == Some(0) {
            return Err(TokenRefusal::Used);
        }
        if self.expires.is_past(now) {
            return Err(TokenRefusal::Expired);
        }
        self.uses_left = self.uses_left.map(|left| left - 1);
        Ok(self.role)
    }
}

/// All records of an issuer, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenBook {
    records: Vec<TokenRecord>,
}

impl TokenBook {
    /// Most records; with one more, the oldest is dropped.
    pub const MAX: usize = 1_024;
    /// Longest encoding in bytes.
    pub const MAX_ENCODED: usize = 256 << 10;

    /// No tokens.
    pub fn new() -> TokenBook {
        TokenBook::default()
    }

    /// The records.
    pub fn records(&self) -> &[TokenRecord] {
        &self.records
    }

    /// Remembers a token. Expired and used ones stay until room is needed, so that who comes with
    /// one is told what is the matter.
    pub fn add(&mut self, now: Wall, record: TokenRecord) {
        while self.records.len() >= TokenBook::MAX {
            let is_spent =
                |record: &TokenRecord| record.uses_left == Some(0) || record.expires.is_past(now);
            let oldest = self.records.iter().position(is_spent).unwrap_or(0);
            self.records.remove(oldest);
        }
        self.records.push(record);
    }

    /// Uses the token with this secret once: what the joiner becomes.
    ///
    /// # Errors
    /// See [`TokenRefusal`]; nothing is used up then.
    pub fn redeem(&mut self, now: Wall, secret: &[u8; 16]) -> Result<MemberRole, TokenRefusal> {
        let hash = hash_secret(secret);
        match self.records.iter_mut().find(|record| record.secret_hash == hash) {
            Some(record) => record.redeem(now, secret),
            None => Err(TokenRefusal::Unknown),
        }
    }

    /// What to store.
    ///
    /// # Errors
    /// None that a book can have.
    pub fn encode(&self) -> Result<Vec<u8>, MessageError> {
        message::to_bytes_named(self)
    }

    /// What was stored.
    ///
    /// # Errors
    /// Anything that is no book, or one with too many records.
    pub fn decode(bytes: &[u8]) -> Result<TokenBook, MessageError> {
        let book: TokenBook = message::from_bytes_bounded(bytes, TokenBook::MAX_ENCODED)?;
        if book.records.len() > TokenBook::MAX {
            return Err(MessageError::TooLong {
                length: book.records.len(),
                limit: TokenBook::MAX,
            });
        }
        Ok(book)
    }
}

fn hash_secret(secret: &[u8; 16]) -> Hash {
    Hash::derive("mirrormesh token secret v1", secret)
}

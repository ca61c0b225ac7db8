//! A token as text: `mm1-` and base64url of the MessagePack map and a checksum.
//!
//! Tokens are copied by hand from one terminal to another: what goes wrong is that the end is
//! missing or that it was something else altogether, and the error says which.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mirrormesh_merkle::Hash;

use super::Token;
use crate::document::{Member, is_address};
use crate::message;

const PREFIX: &str = "mm1-";
const CHECKSUM: usize = 4;

/// Why a text is no token. Nothing changed; copy the token again, or make a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin like one.
    #[error("not a join token: one begins with mm1-")]
    NotAToken,
    /// The end is missing.
    #[error("the join token is cut off; copy all of it")]
    Truncated,
    /// Characters were changed.
    #[error("the join token is damaged; copy it again")]
    Damaged,
    /// Longer than any token.
    #[error("longer than any join token")]
    TooLong,
    /// Whole, but of a version of mirrormesh that this one does not understand, or senseless.
    #[error("the join token says what this version does not understand")]
    NotUnderstood,
}

impl Token {
    /// Longest text in bytes.
    pub const MAX_TEXT: usize = 4_096;

    fn is_sound(&self) -> bool {
        (1..=Member::MAX_ADDRESSES).contains(&self.addresses.len())
            && self.addresses.iter().all(|address| is_address(address))
    }
}

impl fmt::Display for Token {
    /// The text that is passed to `join`. It contains the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = message::to_bytes_named(self).map_err(|_| fmt::Error)?;
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Token, TokenError> {
        let text = text.trim();
        if text.len() > Token::MAX_TEXT {
            return Err(TokenError::TooLong);
        }
        let body = text.strip_prefix(PREFIX).ok_or(TokenError::NotAToken)?;
        let bytes = match URL_SAFE_NO_PAD.decode(body) {
            Ok(bytes) => bytes,
            Err(base64::DecodeError::InvalidByte(..)) => return Err(TokenError::Damaged),
            // A cut in the middle of a group of four leaves bits that no encoder writes.
            Err(_) => return Err(cut_or_damaged(body)),
        };
        let intact = bytes
            .split_last_chunk::<CHECKSUM>()
            .filter(|(content, sum)| checksum(content) == **sum);
        let Some((content, _)) = intact else { return Err(cut_or_damaged(body)) };
        let token: Token = message::from_bytes_bounded(content, Token::MAX_TEXT)
            .map_err(|_| TokenError::NotUnderstood)?;
        if token.is_sound() { Ok(token) } else { Err(TokenError::NotUnderstood) }
    }
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM] {
    let hash = Hash::derive("mirrormesh token checksum v1", content);
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

/// What is wrong with a text whose checksum does not hold. The map says itself where it ends: if
/// what is there could be the beginning of a longer token, it was cut.
fn cut_or_damaged(body: &str) -> TokenError {
    let whole_groups = body.get(..body.len() / 4 * 4).unwrap_or_default();
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(whole_groups) else { return TokenError::Damaged };
    match message::from_bytes_prefix::<Token>(&bytes) {
        Ok((_, end)) if bytes.len() < end + CHECKSUM => TokenError::Truncated,
        Ok(_) => TokenError::Damaged,
        Err(message::MessageError::EndsEarly) => TokenError::Truncated,
        Err(_) => TokenError::Damaged,
    }
}

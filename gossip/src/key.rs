//! Keys, ids and signatures.
//!
//! Purpose: a node is its ed25519 key; its id is the public half. One key signs different kinds of
//! things, so every signature covers the name of its kind first.
//!
//! State: [`SecretKey`] holds the secret and wipes it when dropped.
//!
//! Invariants: a [`NodeId`] made by [`NodeId::from_bytes`] is a point of large order in its only
//! encoding; verification is strict (RFC 8032 with small orders and non-canonical encodings
//! refused), so that all nodes agree on what verifies. A secret is never shown by `Debug`.
//!
//! Never makes a key out of nothing: the seed comes from the driver.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use mirrormesh_merkle::Hash;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands before the 32 seed bytes in a PKCS#8 (version 1, RFC 8410) ed25519 private key.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Why a key or signature is refused. No state changes; a member with such a key must be given
/// another one (remove its state directory and join again).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The 32 bytes are no public key, one of small order, or a second spelling of one.
    #[error("not a usable public key")]
    BadPublicKey,
    /// The signature does not hold for this key, kind and message.
    #[error("the signature does not hold")]
    BadSignature,
    /// The text is not 64 lower-case hex digits.
    #[error("an id is 64 lower-case hex digits")]
    BadText,
}

/// A node's secret key. Wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key that a 32-byte seed decides.
    pub fn from_seed(seed: [u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(&seed))
    }

    /// The seed, to be stored with mode 0600. The caller keeps no other copy.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The id of the node that holds this key.
    pub fn public(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` as a thing of the kind `context`, a constant of the program.
    pub fn sign(&self, context: &'static str, message: &[u8]) -> Signature {
        Signature(self.0.sign(&with_context(context, message)).to_bytes())
    }

    /// A secret of its own for one purpose (the stateless-reset key, for example).
    pub fn derive(&self, context: &'static str) -> [u8; 32] {
        *Hash::derive(context, self.seed()).as_bytes()
    }

    /// The key as PKCS#8 DER, for TLS. It contains the secret.
    pub fn to_pkcs8_der(&self) -> Vec<u8> {
        [&PKCS8_PREFIX[..], self.seed()].concat()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public().short())
    }
}

/// A node's id: its ed25519 public key, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

impl NodeId {
    /// The id with these bytes.
    ///
    /// # Errors
    /// [`KeyError::BadPublicKey`] if they are no point of the curve, one of small order, or not in
    /// the only encoding of theirs.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<NodeId, KeyError> {
        NodeId::unchecked(bytes).verifying_key()?;
        Ok(NodeId(bytes))
    }

    /// The id with these bytes, for places where nothing trusts it before a signature by it is
    /// verified: decompressing 10^4 revoked keys would cost 50 ms for nothing.
    pub(crate) const fn unchecked(bytes: [u8; 32]) -> NodeId {
        NodeId(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 16 hex digits, for people.
    pub fn short(&self) -> String {
        Hash::from_bytes(self.0).to_string()[..16].to_owned()
    }

    /// Verifies that this node signed `message` as a thing of the kind `context`.
    ///
    /// # Errors
    /// [`KeyError::BadPublicKey`] or [`KeyError::BadSignature`].
    pub fn verify(
        &self,
        context: &'static str,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), KeyError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.verifying_key()?
            .verify_strict(&with_context(context, message), &signature)
            .map_err(|_| KeyError::BadSignature)
    }

    fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::BadPublicKey)?;
        let canonical = key.to_edwards().compress().to_bytes() == self.0;
        if canonical && !key.is_weak() { Ok(key) } else { Err(KeyError::BadPublicKey) }
    }
}

/// The kind, a zero byte (no kind contains one), the message.
fn with_context(context: &'static str, message: &[u8]) -> Vec<u8> {
    debug_assert!(context.starts_with("mirrormesh ") && !context.contains('\0'));
    [context.as_bytes(), &[0], message].concat()
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hash::from_bytes(self.0), f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for NodeId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<NodeId, KeyError> {
        let hash: Hash = text.parse().map_err(|_| KeyError::BadText)?;
        NodeId::from_bytes(*hash.as_bytes())
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NodeId, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        } else {
            let bytes = deserializer.deserialize_bytes(FixedBytes::<32>)?;
            NodeId::from_bytes(bytes).map_err(D::Error::custom)
        }
    }
}

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps 64 bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Signature {
        Signature(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        deserializer.deserialize_bytes(FixedBytes::<64>).map(Signature)
    }
}

/// Takes exactly `N` bytes from a serde format.
pub(crate) struct FixedBytes<const N: usize>;

impl<const N: usize> Visitor<'_> for FixedBytes<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
        <[u8; N]>::try_from(bytes).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[cfg(test)]
mod tests;

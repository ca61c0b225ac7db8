//! A value with one signature, as the exact bytes that were signed.
//!
//! Purpose: heads, heartbeats and address records are signed by one node, relayed by any. They
//! travel as opaque bytes: nobody re-encodes what somebody else signed.
//!
//! Invariants: [`Signed::verify`] returns a value only if the signature holds for the bytes, the
//! bytes are canonical, and the value names the key as its signer.
//!
//! Never verifies by itself: a [`Signed`] may be anything until `verify` said otherwise.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use mirrormesh_merkle::Hash;

use crate::codec::{DecodeError, Reader, Writer};
use crate::key::{KeyError, NodeId, SecretKey, Signature};

/// A kind of thing that one node signs.
pub trait Signable: Sized {
    /// Its name in messages.
    const WHAT: &'static str;
    /// What its signature covers first.
    const SIGNATURE_CONTEXT: &'static str;
    /// The domain of its hash.
    const HASH_CONTEXT: &'static str;
    /// Longest encoding in bytes.
    const MAX_ENCODED: usize;

    /// Who must have signed it.
    fn signer(&self) -> &NodeId;
    /// Its canonical encoding.
    fn encode(&self) -> Vec<u8>;
    /// Reads exactly what [`Signable::encode`] writes.
    ///
    /// # Errors
    /// Any other bytes.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// Why a signed thing is not believed. No state changes. A peer that relays such a thing is broken
/// or hostile; nothing is to be done on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// The bytes are not canonical.
    #[error("malformed {what}: {error}")]
    Malformed {
        /// The kind of thing.
        what: &'static str,
        /// What is wrong.
        error: DecodeError,
    },
    /// The signature does not hold, or the key is unusable.
    #[error("{what}: {error}")]
    BadSignature {
        /// The kind of thing.
        what: &'static str,
        /// What is wrong.
        error: KeyError,
    },
    /// It is signed, but names somebody else as its signer.
    #[error("{what}: names another signer")]
    OtherSigner {
        /// The kind of thing.
        what: &'static str,
    },
}

/// A signed thing that nobody has verified yet. See the module's head.
pub struct Signed<T> {
    /// Exactly what was signed.
    pub bytes: Bytes,
    /// The signature.
    pub signature: Signature,
    kind: PhantomData<fn() -> T>,
}

impl<T: Signable> Signed<T> {
    /// Longest envelope in bytes.
    pub const MAX_ENVELOPE: usize = T::MAX_ENCODED + 2 + 64;

    /// Signs a value. The key must be that of [`Signable::signer`], else nobody will believe it.
    pub fn sign(value: &T, key: &SecretKey) -> Signed<T> {
        let bytes = value.encode();
        let signature = key.sign(T::SIGNATURE_CONTEXT, &bytes);
        Signed::from_parts(Bytes::from(bytes), signature)
    }

    /// Puts together what was stored or sent apart.
    pub const fn from_parts(bytes: Bytes, signature: Signature) -> Signed<T> {
        Signed { bytes, signature, kind: PhantomData }
    }

    /// The value, if `key` signed it.
    ///
    /// # Errors
    /// See [`SignedError`].
    pub fn verify(&self, key: &NodeId) -> Result<T, SignedError> {
        let value = self.peek()?;
        if value.signer() != key {
            return Err(SignedError::OtherSigner { what: T::WHAT });
        }
        key.verify(T::SIGNATURE_CONTEXT, &self.bytes, &self.signature)
            .map_err(|error| SignedError::BadSignature { what: T::WHAT, error })?;
        Ok(value)
    }

    /// The value as it claims to be: good for deciding whom to ask, for nothing else.
    ///
    /// # Errors
    /// [`SignedError::Malformed`].
    pub fn peek(&self) -> Result<T, SignedError> {
        T::decode(&self.bytes).map_err(|error| SignedError::Malformed { what: T::WHAT, error })
    }

    /// The hash of the signed bytes. The signature is not in it.
    pub fn hash(&self) -> Hash {
        Hash::derive(T::HASH_CONTEXT, &self.bytes)
    }

    /// The envelope: the signed bytes with their length, and the signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads an envelope; the bytes in it are not looked at.
    ///
    /// # Errors
    /// Anything but what [`Signed::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Signed<T>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let signed = Signed::read(&mut reader)?;
        reader.finish()?;
        Ok(signed)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.bytes);
        writer.signature(&self.signature);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Signed<T>, DecodeError> {
        let bytes = Bytes::copy_from_slice(reader.bytes(T::WHAT, T::MAX_ENCODED)?);
        Ok(Signed::from_parts(bytes, reader.signature()?))
    }
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Signed<T> {
        Signed { bytes: self.bytes.clone(), signature: self.signature, kind: PhantomData }
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Signed<T>) -> bool {
        self.bytes == other.bytes && self.signature == other.signature
    }
}

impl<T> Eq for Signed<T> {}

impl<T: Signable + fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peek() {
            Ok(value) => write!(f, "Signed({value:?})"),
            Err(error) => write!(f, "Signed({error})"),
        }
    }
}

#[cfg(test)]
mod tests;

//! How a restarted node ends the connections of its former life.
//!
//! Purpose: a node that restarts knows nothing of its old connections, but can prove that it is
//! the one they led to: reset tokens and connection ids are derived from the node's key, so that a
//! peer's next packet on an old connection is answered with a reset it believes.
//!
//! State: two keys, derived once.
//!
//! Invariants: the keys are the same in every life of a node, and tell nothing of its secret.
//!
//! Never answers packets whose connection id this node cannot have given out.

use std::sync::Arc;

use mirrormesh_gossip::SecretKey;
use quinn::crypto::{CryptoError, HmacKey};
use quinn_proto::HashedConnectionIdGenerator;

/// Bytes of a keyed hash.
const HASH_BYTES: usize = 32;

/// A keyed hash (BLAKE3) for stateless resets.
pub(super) struct ResetKey([u8; HASH_BYTES]);

impl ResetKey {
    /// The reset key of the node that holds `secret`.
    pub(super) fn new(secret: &SecretKey) -> Arc<ResetKey> {
        Arc::new(ResetKey(secret.derive("mirrormesh stateless reset v1")))
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(blake3::keyed_hash(&self.0, data).as_bytes());
    }

    fn signature_len(&self) -> usize {
        HASH_BYTES
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let signature: [u8; HASH_BYTES] = signature.try_into().map_err(|_| CryptoError)?;
        // The comparison of two `blake3::Hash` takes the same time whatever they are.
        if blake3::keyed_hash(&self.0, data) == blake3::Hash::from_bytes(signature) {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}

/// Makes and recognises the connection ids of the node that holds `secret`.
pub(super) fn connection_ids(secret: &SecretKey) -> HashedConnectionIdGenerator {
    let derived = secret.derive("mirrormesh connection ids v1");
    let mut key = [0; 8];
    key.copy_from_slice(&derived[..8]);
    HashedConnectionIdGenerator::from_key(u64::from_le_bytes(key))
}

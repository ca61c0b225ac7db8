//! A node's key as TLS knows it.
//!
//! Purpose: makes the self-signed certificate that carries a node's public key, and finds the key
//! in a certificate of somebody else.
//!
//! Invariants: the certificate says nothing but the key; names and dates in it are never read.
//!
//! Never decides whether a key is welcome.

use mirrormesh_gossip::{NodeId, SecretKey};
use quinn::rustls;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;

/// What stands before the 32 key bytes in the SubjectPublicKeyInfo of an ed25519 key (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// A certificate and its private key.
pub(super) struct Identity {
    /// The certificate.
    pub(super) certificate: CertificateDer<'static>,
    /// The key in PKCS#8.
    pub(super) key: PrivatePkcs8KeyDer<'static>,
}

impl Identity {
    /// The identity of the node that holds `secret`.
    ///
    /// # Errors
    /// What rcgen says; it does not happen with a key that the program made.
    pub(super) fn new(secret: &SecretKey) -> Result<Identity, rcgen::Error> {
        let key = PrivatePkcs8KeyDer::from(secret.to_pkcs8_der());
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ED25519)?;
        let mut parameters = rcgen::CertificateParams::new(Vec::new())?;
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        let certificate = parameters.self_signed(&pair)?.der().clone();
        Ok(Identity { certificate, key })
    }
}

/// The node whose key a certificate carries; `None` if it is malformed or of another kind of key.
pub(super) fn node_of(certificate: &CertificateDer<'_>) -> Option<NodeId> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let info = parsed.subject_public_key_info();
    let key = info.as_ref().strip_prefix(&SPKI_PREFIX)?;
    NodeId::from_bytes(key.try_into().ok()?).ok()
}

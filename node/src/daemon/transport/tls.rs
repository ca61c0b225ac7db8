//! TLS for QUIC: version 1.3 alone, both sides proved, nothing remembered.
//!
//! Purpose: builds the rustls configurations.
//!
//! Invariants: the provider is aws-lc-rs, given explicitly, never the process's default; no
//! tickets, no resumption (a resumed handshake would not ask for the certificate again, and a
//! removed node would come back), no early data (it can be replayed); AES-128-GCM first.
//!
//! Never holds a key for longer than it takes to build a configuration.

use std::sync::Arc;

use mirrormesh_gossip::{NodeId, SecretKey};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::rustls;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;

use super::identity::Identity;
use super::tuning::PROTOCOL;
use super::verify::Verifier;

/// Why no TLS configuration can be made of a key. Nothing was changed; it is a fault of the
/// program or of a damaged key file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate.
    #[error("no certificate can be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// No configuration.
    #[error("TLS refuses its settings: {0}")]
    Settings(#[from] rustls::Error),
    /// No cipher for QUIC's first packets.
    #[error("TLS lacks the cipher for QUIC: {0}")]
    Cipher(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

/// What both directions are built from.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    certified: Arc<CertifiedKey>,
}

impl Tls {
    /// TLS in the name of the node that holds `secret`.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn new(secret: &SecretKey) -> Result<Tls, TlsError> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![
                cipher_suite::TLS13_AES_128_GCM_SHA256,
                cipher_suite::TLS13_AES_256_GCM_SHA384,
                cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            ],
            kx_groups: vec![kx_group::X25519],
            ..default_provider()
        });
        let identity = Identity::new(secret)?;
        let chain = vec![identity.certificate];
        let certified = CertifiedKey::from_der(chain, identity.key.into(), &provider)?;
        Ok(Tls { provider, certified: Arc::new(certified) })
    }

    /// For connections that others dial.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn server(&self) -> Result<QuicServerConfig, TlsError> {
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Verifier::any(self.provider.clone()))
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(
                self.certified.clone(),
            )));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.ignore_client_order = true;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(QuicServerConfig::try_from(config)?)
    }

    /// For dialling `peer`, and nobody else.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn client(&self, peer: NodeId) -> Result<QuicClientConfig, TlsError> {
        let mut config = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Verifier::pinned(self.provider.clone(), peer))
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(
                self.certified.clone(),
            )));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        Ok(QuicClientConfig::try_from(config)?)
    }
}

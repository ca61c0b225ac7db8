//! A peer that says what it is told to: QUIC and the wire as an outsider writes them, with nothing
//! of the daemon's own transport or frames.
//!
//! Invariants: nothing here waits longer than [`PATIENCE`].

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use mirrormesh_gossip::{SecretKey, to_bytes_named};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::rustls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::farm_command::PATIENCE;

/// Kinds of frames.
pub(super) mod kind {
    pub(in super::super) const HELLO: u16 = 1;
    pub(in super::super) const PUSH: u16 = 2;
    pub(in super::super) const HEARTBEAT: u16 = 3;
    pub(in super::super) const REPORT: u16 = 4;
    pub(in super::super) const ROWS: u16 = 5;
    pub(in super::super) const ASK_HEAD: u16 = 6;
    pub(in super::super) const PROOF: u16 = 7;
    pub(in super::super) const JOIN: u16 = 8;
    pub(in super::super) const LEAVE: u16 = 11;
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Hello {
    pub(super) oldest: u16,
    pub(super) newest: u16,
    pub(super) features: Vec<u16>,
    pub(super) cluster: ByteArray<32>,
    pub(super) instance: u64,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) stranger: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Push {
    pub(super) head: ByteBuf,
    pub(super) document: Option<ByteBuf>,
    pub(super) delta: Option<ByteBuf>,
    pub(super) inline: Vec<Inline>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Inline {
    pub(super) content: ByteArray<32>,
    pub(super) bytes: ByteBuf,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct AskHead {
    pub(super) proof_from: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Heartbeat {
    pub(super) heartbeat: ByteBuf,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) epoch: u64,
    pub(super) seq: Option<u64>,
    pub(super) tried_seq: Option<u64>,
    pub(super) root: ByteArray<32>,
    pub(super) in_sync: bool,
    pub(super) fresh: bool,
    pub(super) lag_milliseconds: u64,
    pub(super) errors: u64,
    pub(super) error_list: Vec<(ByteBuf, String)>,
    pub(super) held: Option<(String, u64)>,
}

/// A frame as it travels, without its length.
pub(super) fn frame(kind: u16, body: &impl Serialize) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &to_bytes_named(body).unwrap()].concat()
}

/// One connection to a daemon.
pub(super) struct Peer {
    quic: quinn::Connection,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    /// Requests that the daemon made.
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    endpoint: quinn::Endpoint,
    runtime: Runtime,
}

impl Peer {
    /// Dials a daemon with this key and opens the control stream.
    pub(super) fn dial(secret: &SecretKey, address: &str) -> Peer {
        let mut building = tokio::runtime::Builder::new_multi_thread();
        let runtime = building.worker_threads(1).enable_all().build().unwrap();
        let address: SocketAddr = address.parse().unwrap();
        let (endpoint, quic, send, receive) = runtime.block_on(async {
            let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let connecting = endpoint.connect_with(settings(secret), address, "mirrormesh");
            let quic = timeout(PATIENCE, connecting.unwrap()).await.unwrap().unwrap();
            let (mut send, receive) = quic.open_bi().await.unwrap();
            send.write_all(&[0; 4]).await.unwrap();
            (endpoint, quic, send, receive)
        });
        Peer { quic, send, receive, asked: Arc::default(), endpoint, runtime }
    }

    /// Shakes hands with a daemon, opens nothing, and leaves.
    pub(super) fn knock(secret: &SecretKey, address: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let address = address.parse().unwrap();
            let connecting = endpoint.connect_with(settings(secret), address, "mirrormesh");
            let quic = timeout(PATIENCE, connecting.unwrap()).await.unwrap().unwrap();
            quic.close(0u32.into(), b"");
            endpoint.wait_idle().await;
        });
    }

    /// Writes bytes into the control stream as they are; `false` if the daemon has closed it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        let send = &mut self.send;
        let writing = async { timeout(PATIENCE, send.write_all(bytes)).await };
        matches!(self.runtime.block_on(writing), Ok(Ok(())))
    }

    /// Sends a frame.
    pub(super) fn send(&mut self, frame: &[u8]) -> bool {
        let length = u32::try_from(frame.len()).unwrap();
        self.write(&[&length.to_be_bytes()[..], frame].concat())
    }

    /// The next frame: kind and body. `None` if the connection has ended.
    pub(super) fn next(&mut self) -> Option<(u16, Vec<u8>)> {
        let receive = &mut self.receive;
        let reading = async {
            let mut length = [0; 4];
            receive.read_exact(&mut length).await.ok()?;
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            receive.read_exact(&mut frame).await.ok()?;
            let body = frame.split_off(2);
            Some((u16::from_be_bytes([frame[0], frame[1]]), body))
        };
        let reading = async { timeout(PATIENCE, reading).await };
        self.runtime.block_on(reading).expect("a frame, or the end")
    }

    /// The next push that fulfils a condition.
    pub(super) fn push(&mut self, condition: impl Fn(&Push) -> bool) -> Push {
        loop {
            let (kind, body) = self.next().expect("a push");
            if kind == kind::PUSH {
                let push = mirrormesh_gossip::from_bytes_bounded(&body, 8 << 20).unwrap();
                if condition(&push) {
                    return push;
                }
            }
        }
    }

    /// Waits until the daemon closes the connection; why.
    pub(super) fn closed(&mut self) -> String {
        let quic = &self.quic;
        let closing = async { timeout(PATIENCE, quic.closed()).await };
        match self.runtime.block_on(closing).expect("the daemon closes the connection") {
            quinn::ConnectionError::ApplicationClosed(close) => {
                String::from_utf8_lossy(&close.reason).into_owned()
            }
            other => other.to_string(),
        }
    }

    /// Opens a stream with a request; the answer, at most `most` bytes of it.
    pub(super) fn ask(&mut self, request: &[u8], most: usize) -> Result<Vec<u8>, String> {
        let quic = &self.quic;
        let asking = async {
            let opened = quic.open_bi().await;
            let (mut send, mut receive) = opened.map_err(|error| error.to_string())?;
            // A daemon that has heard enough stops the stream: its answer says why.
            let _ = send.write_all(request).await;
            let _ = send.finish();
            receive.read_to_end(most).await.map_err(|error| error.to_string())
        };
        let asking = async { timeout(PATIENCE, asking).await };
        self.runtime.block_on(asking).expect("an answer, or its end")
    }

    /// Opens streams with a request and never reads what comes; how many could be opened.
    pub(super) fn ask_and_forget(&mut self, request: &[u8], streams: usize) -> usize {
        let quic = self.quic.clone();
        let request = request.to_vec();
        self.runtime.block_on(async move {
            for number in 0..streams {
                let opening = timeout(std::time::Duration::from_millis(500), quic.open_bi());
                let Ok(Ok((mut send, receive))) = opening.await else { return number };
                let _ = send.write_all(&request).await;
                let _ = send.finish();
                // Dropping it would tell the daemon to stop.
                std::mem::forget(receive);
            }
            streams
        })
    }

    /// Opens streams, writes the beginning of a request on each and never its end; how many could be
    /// opened.
    pub(super) fn begin_and_wait(&mut self, streams: usize) -> usize {
        let quic = self.quic.clone();
        self.runtime.block_on(async move {
            for number in 0..streams {
                let opening = timeout(std::time::Duration::from_millis(500), quic.open_bi());
                let Ok(Ok((mut send, receive))) = opening.await else { return number };
                let _ = send.write_all(&[0x82]).await;
                // Dropping them would end them.
                std::mem::forget((send, receive));
            }
            streams
        })
    }

    /// From now on answers every request with what `answer` makes of it.
    pub(super) fn serve(&self, answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) {
        let (quic, asked) = (self.quic.clone(), Arc::clone(&self.asked));
        self.runtime.spawn(async move {
            while let Ok((mut send, mut receive)) = quic.accept_bi().await {
                let Ok(request) = receive.read_to_end(1 << 20).await else { continue };
                asked.lock().unwrap().push(request.clone());
                let _ = send.write_all(&answer(&request)).await;
                let _ = send.finish();
            }
        });
    }

    /// From now on answers every request with a byte now and then, for ever.
    pub(super) fn trickle(&self) {
        let (quic, asked) = (self.quic.clone(), Arc::clone(&self.asked));
        self.runtime.spawn(async move {
            while let Ok((mut send, mut receive)) = quic.accept_bi().await {
                let asked = Arc::clone(&asked);
                tokio::spawn(async move {
                    let Ok(request) = receive.read_to_end(1 << 20).await else { return };
                    asked.lock().unwrap().push(request);
                    let mut tick = tokio::time::interval(std::time::Duration::from_millis(200));
                    while send.write_all(&[0]).await.is_ok() {
                        tick.tick().await;
                    }
                });
            }
        });
    }

    /// How many requests the daemon made.
    pub(super) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The daemon is told: silence would look like a dead peer, which it bears for a while.
        self.quic.close(0u32.into(), b"the liar leaves");
        let idle = async { timeout(PATIENCE, self.endpoint.wait_idle()).await };
        // One that does not acknowledge is left alone.
        let _ = self.runtime.block_on(idle);
    }
}

fn settings(secret: &SecretKey) -> quinn::ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivatePkcs8KeyDer::from(secret.to_pkcs8_der());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ED25519).unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["liar".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&pair).unwrap().der().clone();
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_client_auth_cert(vec![certificate], key.into())
        .unwrap();
    tls.alpn_protocols = vec![b"mirrormesh/1".to_vec()];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

/// Takes every certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

//! The endpoint: one UDP port, connections in both directions.
//!
//! Purpose: dials whom the core names, takes who dials, each with its key proved.
//!
//! State: the socket, TLS settings, counters of who is coming in.
//!
//! Invariants: the key of every connection is read from the finished handshake, not only checked
//! during it; what strangers may cost is bounded (`admission`); dialling ends with a connection or
//! with `DialFailed`, within [`DIAL_TIME`].
//!
//! Never retries: when to dial again is the core's decision.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mirrormesh_gossip::{NodeId, SecretKey};
use quinn::rustls::pki_types::CertificateDer;
use quinn::{ClientConfig, EndpointConfig, Incoming, ServerConfig, TransportConfig, VarInt};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::admission::{Admission, HandshakePlace, Verdict};
use super::connection::{self, Connection, Numbers, describe};
use super::frames::{OPENING, STRANGER_BYTES};
use super::identity::node_of;
use super::reset::{ResetKey, connection_ids};
use super::socket;
use super::tls::{Tls, TlsError};
use super::tuning::{LARGEST_PAYLOAD, Tuning};
use crate::core::Event;
use crate::daemon::input::{Inbox, Input};

/// One address must answer within this time.
const ADDRESS_TIME: Duration = Duration::from_secs(2);
/// All addresses together must answer within this time.
const DIAL_TIME: Duration = Duration::from_secs(10);
/// Most addresses tried.
const ADDRESSES: usize = 16;
/// Dials under way at once; further ones wait.
const DIALS: usize = 64;
/// Who dials must finish the handshake, and open the control stream, within this time each.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Bytes that wait for handshakes to be taken up, of all sources.
const WAITING_BYTES: u64 = 8 * 1024 * 1024;
/// First packets that wait to be looked at.
const WAITING: usize = 1_024;
/// At the end, peers are told within this time.
const GOODBYE: Duration = Duration::from_millis(100);
/// QUIC wants a name; nobody reads it.
const SERVER_NAME: &str = "mirrormesh";

/// Why the endpoint cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address cannot be bound; another process may have it.
    #[error("cannot listen on {address} (UDP): {source}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// One UDP port.
#[derive(Clone)]
pub struct Endpoint {
    quic: quinn::Endpoint,
    shared: Arc<Shared>,
}

struct Shared {
    tls: Tls,
    transport: Arc<TransportConfig>,
    numbers: Arc<Numbers>,
    admission: Arc<Admission>,
    stranger_bytes: Arc<Semaphore>,
    dials: Semaphore,
    inbox: Inbox,
}

impl Endpoint {
    /// Opens the port and takes connections; what happens goes into `inbox`. Called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub(crate) fn open(
        secret: &SecretKey,
        address: SocketAddr,
        tuning: Tuning,
        inbox: Inbox,
    ) -> Result<Endpoint, EndpointError> {
        let tls = Tls::new(secret)?;
        let transport = tuning.transport();
        let mut server = ServerConfig::with_crypto(Arc::new(tls.server()?));
        server
            .transport_config(transport.clone())
            .max_incoming(WAITING)
            .incoming_buffer_size_total(WAITING_BYTES)
            .migration(false);
        let bind = |source| EndpointError::Bind { address, source };
        let socket = socket::bind(address).map_err(bind)?;
        let runtime = Arc::new(quinn::TokioRuntime);
        let config = endpoint_config(secret);
        let quic = quinn::Endpoint::new(config, Some(server), socket, runtime).map_err(bind)?;
        let shared = Arc::new(Shared {
            tls,
            transport,
            numbers: Arc::default(),
            admission: Arc::default(),
            stranger_bytes: Arc::new(Semaphore::new(STRANGER_BYTES)),
            dials: Semaphore::new(DIALS),
            inbox,
        });
        let endpoint = Endpoint { quic, shared };
        tokio::spawn(endpoint.clone().take_connections());
        Ok(endpoint)
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.quic.local_addr()
    }

    /// How many came and did not become a connection.
    pub fn turned_away(&self) -> u64 {
        self.shared.admission.turned_away()
    }

    /// Dials `peer` at one of `addresses`, in turn.
    pub fn dial(&self, peer: NodeId, addresses: Vec<String>) {
        let endpoint = self.clone();
        tokio::spawn(async move {
            let dialling = async {
                let _place = endpoint.shared.dials.acquire().await;
                endpoint.dial_addresses(peer, addresses).await
            };
            let reason = match timeout(DIAL_TIME, dialling).await {
                Ok(Ok(())) => return,
                Ok(Err(reason)) => reason,
                Err(_) => "no answer".to_owned(),
            };
            endpoint.shared.inbox.send(Input::Event(Event::DialFailed { peer, reason })).await;
        });
    }

    /// Ends every connection, telling the peers, and closes the port.
    pub async fn close(&self) {
        self.quic.close(VarInt::from_u32(0), b"the node stops");
        let _ = timeout(GOODBYE, self.quic.wait_idle()).await;
    }

    async fn dial_addresses(&self, peer: NodeId, addresses: Vec<String>) -> Result<(), String> {
        let mut reasons = Vec::new();
        let mut tried = 0;
        for name in addresses {
            let resolved = match tokio::net::lookup_host(&name).await {
                Ok(resolved) => resolved,
                Err(error) => {
                    reasons.push(format!("{name}: {error}"));
                    continue;
                }
            };
            for address in resolved {
                if tried == ADDRESSES {
                    break;
                }
                tried += 1;
                match self.dial_address(peer, address).await {
                    Ok(()) => return Ok(()),
                    Err(reason) => reasons.push(format!("{address}: {reason}")),
                }
            }
        }
        Err(if reasons.is_empty() { "no address is known".to_owned() } else { reasons.join("; ") })
    }

    async fn dial_address(&self, peer: NodeId, address: SocketAddr) -> Result<(), String> {
        let client = self.shared.tls.client(peer).map_err(|error| error.to_string())?;
        let mut config = ClientConfig::new(Arc::new(client));
        config.transport_config(self.shared.transport.clone());
        let connecting = self
            .quic
            .connect_with(config, address, SERVER_NAME)
            .map_err(|error| error.to_string())?;
        let quic = match timeout(ADDRESS_TIME, connecting).await {
            Ok(Ok(quic)) => quic,
            Ok(Err(error)) => return Err(describe(&error)),
            Err(_) => return Err("no answer".to_owned()),
        };
        if peer_of(&quic) != Some(peer) {
            return Err("another key than expected".to_owned());
        }
        let opened = async {
            let (mut send, receive) = quic.open_bi().await.map_err(|error| describe(&error))?;
            send.write_all(&OPENING).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((send, receive))
        };
        let control = timeout(ADDRESS_TIME, opened).await.map_err(|_| "no answer".to_owned())??;
        let connection = Connection::new(quic, peer, true, self.shared.numbers.clone(), None);
        self.serve(connection, control);
        Ok(())
    }

    async fn take_connections(self) {
        while let Some(incoming) = self.quic.accept().await {
            let source = incoming.remote_address().ip();
            let proved = incoming.remote_address_validated();
            match self.shared.admission.handshake(source, proved) {
                Verdict::Welcome(place) => {
                    tokio::spawn(self.clone().shake_hands(incoming, place));
                }
                Verdict::Prove if incoming.may_retry() => {
                    let _ = incoming.retry();
                }
                Verdict::Prove | Verdict::Full => {
                    self.shared.admission.turn_away(source, "too many come at once");
                    incoming.refuse();
                }
            }
        }
    }

    async fn shake_hands(self, incoming: Incoming, place: HandshakePlace) {
        let source = incoming.remote_address().ip();
        if let Err(why) = self.try_to_shake_hands(incoming, place).await {
            self.shared.admission.turn_away(source, why);
        }
    }

    async fn try_to_shake_hands(
        &self,
        incoming: Incoming,
        place: HandshakePlace,
    ) -> Result<(), &'static str> {
        let connecting = incoming.accept().map_err(|_| "its first packet is damaged")?;
        let Ok(Ok(quic)) = timeout(HANDSHAKE_TIME, connecting).await else {
            return Err("its handshake failed");
        };
        let Some(peer) = peer_of(&quic) else {
            quic.close(VarInt::from_u32(1), b"no key");
            return Err("it showed no key");
        };
        let control = timeout(HANDSHAKE_TIME, async {
            let (send, mut receive) = quic.accept_bi().await.ok()?;
            let mut opening = [0xff; 4];
            receive.read_exact(&mut opening).await.ok()?;
            (opening == OPENING).then_some((send, receive))
        });
        let Ok(Some(control)) = control.await else {
            quic.close(VarInt::from_u32(1), b"no control stream");
            return Err("it opened no control stream");
        };
        let places = Some(place.connected());
        let connection = Connection::new(quic, peer, false, self.shared.numbers.clone(), places);
        self.serve(connection, control);
        Ok(())
    }

    fn serve(&self, connection: Arc<Connection>, control: (quinn::SendStream, quinn::RecvStream)) {
        let inbox = self.shared.inbox.clone();
        let stranger_bytes = self.shared.stranger_bytes.clone();
        tokio::spawn(connection::serve(connection, control, inbox, stranger_bytes));
    }
}

fn endpoint_config(secret: &SecretKey) -> EndpointConfig {
    let mut config = EndpointConfig::new(ResetKey::new(secret));
    let secret = secret.clone();
    config.cid_generator(move || Box::new(connection_ids(&secret)));
    // A restarted node meets all its peers' old connections at once.
    config.min_reset_interval(Duration::from_millis(1));
    if let Err(error) = config.max_udp_payload_size(LARGEST_PAYLOAD) {
        tracing::error!("packet size: {error}");
    }
    config
}

/// The key at the other end of a finished handshake.
fn peer_of(quic: &quinn::Connection) -> Option<NodeId> {
    let identity = quic.peer_identity()?;
    let chain = identity.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    match chain.as_slice() {
        [certificate] => node_of(certificate),
        _ => None,
    }
}

//! Two endpoints on loopback.

mod connections;
mod flow;
mod restart;
mod speed;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mirrormesh_gossip::{NodeId, SecretKey};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Connection, Endpoint, Stream, Tuning};
use crate::core::{ConnectionId, StreamEvent, StreamId};
use crate::daemon::input::{Inbox, Input};

/// Long enough for a loaded machine; no test waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// One end.
struct End {
    id: NodeId,
    endpoint: Endpoint,
    inbox: Inbox,
    inputs: mpsc::Receiver<Input>,
}

impl End {
    fn new(seed: u8) -> End {
        End::on(seed, (Ipv4Addr::LOCALHOST, 0).into())
    }

    fn on(seed: u8, address: SocketAddr) -> End {
        let secret = SecretKey::from_seed([seed; 32]);
        let (inbox, inputs) = Inbox::new();
        let endpoint = Endpoint::open(&secret, address, Tuning::default(), inbox.clone()).unwrap();
        End { id: secret.public(), endpoint, inbox, inputs }
    }

    fn address(&self) -> SocketAddr {
        self.endpoint.local_address().unwrap()
    }

    fn dial(&self, peer: &End) {
        self.endpoint.dial(peer.id, vec![peer.address().to_string()]);
    }

    async fn next(&mut self) -> Input {
        timeout(PATIENCE, self.inputs.recv()).await.expect("something happens").unwrap()
    }

    async fn connected(&mut self) -> Arc<Connection> {
        match self.next().await {
            Input::Connected(connection) => connection,
            other => panic!("{other:?}"),
        }
    }

    async fn frame(&mut self) -> Bytes {
        match self.next().await {
            Input::Frame { bytes, .. } => bytes,
            other => panic!("{other:?}"),
        }
    }

    async fn opened(&mut self) -> (Arc<Stream>, Bytes) {
        match self.next().await {
            Input::Opened { stream, request } => (stream, request),
            other => panic!("{other:?}"),
        }
    }

    async fn stream(&mut self) -> (StreamId, StreamEvent) {
        match self.next().await {
            Input::Stream { stream, event } => (stream, event),
            other => panic!("{other:?}"),
        }
    }

    async fn chunk(&mut self) -> Bytes {
        match self.stream().await.1 {
            StreamEvent::Chunk(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    async fn disconnected(&mut self) -> (ConnectionId, String) {
        loop {
            if let Input::Disconnected { connection, reason } = self.next().await {
                return (connection, reason);
            }
        }
    }
}

/// Two ends, the first has dialled the second.
async fn pair() -> (End, Arc<Connection>, End, Arc<Connection>) {
    let (mut left, mut right) = (End::new(1), End::new(2));
    left.dial(&right);
    let to_right = left.connected().await;
    let to_left = right.connected().await;
    (left, to_right, right, to_left)
}

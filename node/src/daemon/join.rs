//! Joining a cluster: the stranger's side.
//!
//! Purpose: dials the issuer of a token, shows the token, and waits until the origin has published
//! a roster that lists this node; returns what is to be committed to the ordered store.
//!
//! State: one endpoint on a port of its own, for as long as it takes.
//!
//! Invariants: only the key that the token names is spoken to; nothing is stored here.
//!
//! Never starts a daemon.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use mirrormesh_gossip::{SecretKey, Token};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::input::{Inbox, Input};
use super::system;
use super::transport::{Endpoint, EndpointError, Tuning};
use crate::core::Event;
use crate::core::join::{JoinStep, accept, request};
use crate::store::Batch;

/// After a failure, how long until the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// Who joins, and how.
#[derive(Debug)]
pub struct JoinOptions {
    /// The token.
    pub token: Token,
    /// This node's key.
    pub secret: SecretKey,
    /// The name it wants.
    pub name: String,
    /// Where others reach it, `host:port`.
    pub addresses: Vec<String>,
    /// Give up after this time; `None`: never.
    pub timeout: Option<Duration>,
}

/// Why a node is no member. Nothing was stored; if the answer was lost on the way, the origin may
/// list it all the same, and joining again with the same key is answered.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The origin refused, or proved nothing.
    #[error("{0}")]
    Refused(String),
    /// Nobody answered, or no answer came in time; the last reason.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// The transport cannot be opened.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The system has no entropy.
    #[error("no entropy: {0}")]
    Entropy(std::io::Error),
}

/// Joins. `progress` gets a sentence when there is news; the same sentence is not repeated.
///
/// # Errors
/// [`JoinError`].
pub async fn join(
    options: &JoinOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<Batch, JoinError> {
    let instance = system::entropy().map_err(JoinError::Entropy)?.next_u64();
    let (inbox, inputs) = Inbox::new();
    let endpoint = open(options, inbox)?;
    let mut joining = Joining {
        options,
        endpoint,
        inputs,
        instance,
        progress,
        told: String::new(),
        reason: "no answer".to_owned(),
    };
    let outcome = match options.timeout {
        None => joining.go().await,
        Some(limit) => {
            let until = Instant::now() + limit;
            match timeout_at(until, joining.go()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(JoinError::TimedOut(joining.reason.clone())),
            }
        }
    };
    joining.endpoint.close().await;
    outcome
}

/// A port that is free, for both families where the system has both.
fn open(options: &JoinOptions, inbox: Inbox) -> Result<Endpoint, EndpointError> {
    let every = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let four = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Endpoint::open(&options.secret, every, Tuning::default(), inbox.clone())
        .or_else(|_| Endpoint::open(&options.secret, four, Tuning::default(), inbox))
}

struct Joining<'a> {
    options: &'a JoinOptions,
    endpoint: Endpoint,
    inputs: mpsc::Receiver<Input>,
    instance: u64,
    progress: &'a mut dyn FnMut(&str),
    told: String,
    reason: String,
}

impl Joining<'_> {
    async fn go(&mut self) -> Result<Batch, JoinError> {
        let token = &self.options.token;
        let own = self.options.secret.public();
        let mut current = None;
        self.endpoint.dial(token.issuer, token.addresses.clone());
        loop {
            // The endpoint holds an inbox itself: the queue does not end.
            let Some(input) = self.inputs.recv().await else { return Err(self.lost()) };
            match input {
                Input::Connected(connection) if connection.dialled => {
                    let (name, addresses) = (&self.options.name, &self.options.addresses);
                    for frame in request(token, name, addresses, self.instance) {
                        connection.send_frame(frame);
                    }
                    current = Some(connection);
                }
                // A stranger has no business with who dials it.
                Input::Connected(connection) => connection.close("this node is about to join"),
                Input::Frame { connection, bytes } => {
                    let Some(open) = current.as_ref().filter(|open| open.id == connection) else {
                        continue;
                    };
                    open.grant_frames(1);
                    match accept(token, &own, &bytes) {
                        JoinStep::Nothing => {}
                        JoinStep::Wait(sentence) => self.tell(&sentence),
                        JoinStep::Joined(batch) => return Ok(batch),
                        JoinStep::Refused(sentence) => return Err(JoinError::Refused(sentence)),
                    }
                }
                Input::Disconnected { connection, reason }
                    if current.as_ref().is_some_and(|open| open.id == connection) =>
                {
                    current = None;
                    self.again(reason).await;
                }
                Input::Event(Event::DialFailed { reason, .. }) => self.again(reason).await,
                _ => {}
            }
        }
    }

    async fn again(&mut self, reason: String) {
        self.tell(&format!("no answer from the issuer of the token yet: {reason}"));
        self.reason = reason;
        sleep(PAUSE).await;
        let token = &self.options.token;
        self.endpoint.dial(token.issuer, token.addresses.clone());
    }

    fn tell(&mut self, sentence: &str) {
        if self.told != sentence {
            (self.progress)(sentence);
            sentence.clone_into(&mut self.told);
        }
        sentence.clone_into(&mut self.reason);
    }

    fn lost(&self) -> JoinError {
        JoinError::TimedOut(self.reason.clone())
    }
}

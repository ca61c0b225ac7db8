//! Heartbeats and freshness.
//!
//! Purpose: a replica that hears nothing cannot know whether nothing changed or somebody keeps the
//! heads from it. The origin signs a heartbeat every two seconds; relays cannot make one, and old
//! ones do not count.
//!
//! State: [`Freshness`] remembers the newest (term, number) ever seen, which the caller stores at
//! least once a minute, and when it was received in this run.
//!
//! Invariants: (term, number) rises strictly, restarts included; a node is fresh only if such a
//! heartbeat was received less than [`Freshness::WINDOW`] ago by its own boot-time clock.
//!
//! Never compares the times that heartbeats carry.

use std::time::Duration;

use mirrormesh_merkle::Hash;

use crate::codec::{DecodeError, Reader, Writer};
use crate::genesis::ClusterId;
use crate::key::NodeId;
use crate::signed::{Signable, Signed};
use crate::term::Term;
use crate::time::{Instant, Wall};

/// What the origin says every two seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The cluster.
    pub cluster: ClusterId,
    /// The term's epoch.
    pub epoch: u64,
    /// Hash of the term's certificate.
    pub certificate: Hash,
    /// Rises strictly in the term, restarts included.
    pub number: u64,
    /// Number of the newest head; 0 before the first.
    pub seq: u64,
    /// Hash of the newest head; [`Hash::ZERO`] before the first.
    pub head: Hash,
    /// When, by the origin's clock. For display.
    pub time: Wall,
    /// Who signs it.
    pub origin: NodeId,
}

/// A heartbeat as it travels.
pub type SignedHeartbeat = Signed<Heartbeat>;

impl Heartbeat {
    /// How often the origin signs one.
    pub const INTERVAL: Duration = Duration::from_secs(2);
    /// Longest encoding in bytes.
    pub const MAX_ENCODED: usize = 192;
}

impl Signable for Heartbeat {
    const WHAT: &'static str = "heartbeat";
    const SIGNATURE_CONTEXT: &'static str = "mirrormesh heartbeat signature v1";
    const HASH_CONTEXT: &'static str = "mirrormesh heartbeat v1";
    const MAX_ENCODED: usize = Heartbeat::MAX_ENCODED;

    fn signer(&self) -> &NodeId {
        &self.origin
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        writer.fixed(self.cluster.as_bytes());
        writer.number(self.epoch);
        writer.hash(&self.certificate);
        writer.number(self.number);
        writer.number(self.seq);
        writer.hash(&self.head);
        writer.wall(self.time);
        writer.node(&self.origin);
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Heartbeat, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("heartbeat", 1)?;
        let heartbeat = Heartbeat {
            cluster: ClusterId::from_bytes(reader.fixed()?),
            epoch: reader.number()?,
            certificate: reader.hash()?,
            number: reader.number()?,
            seq: reader.number()?,
            head: reader.hash()?,
            time: reader.wall()?,
            origin: reader.unchecked_node()?,
        };
        reader.finish()?;
        if heartbeat.epoch == 0 {
            return Err(DecodeError::NotValid { what: "heartbeat epoch" });
        }
        Ok(heartbeat)
    }
}

/// What a node knows of the origin being alive. See the module's head.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Freshness {
    newest: Option<(Term, u64)>,
    received: Option<Instant>,
}

impl Freshness {
    /// How long a heartbeat keeps a node fresh.
    pub const WINDOW: Duration = Duration::from_secs(10);
    /// How often the newest (term, number) is to be stored at least.
    pub const STORE_INTERVAL: Duration = Duration::from_secs(60);

    /// A node that never heard one.
    pub fn new() -> Freshness {
        Freshness::default()
    }

    /// A heartbeat that was verified arrived. False, and nothing changes, if its (term, number) is
    /// not above every one before.
    pub fn receive(&mut self, now: Instant, term: Term, number: u64) -> bool {
        let is_above = Some((term, number)) > self.newest;
        if is_above {
            self.newest = Some((term, number));
            self.received = Some(now);
        }
        is_above
    }

    /// A new term has begun: what was heard of the old one proves nothing of the new one's origin.
    pub fn begin_term(&mut self) {
        self.received = None;
    }

    /// Whether a heartbeat was received less than [`Freshness::WINDOW`] ago.
    pub fn is_fresh(&self, now: Instant) -> bool {
        self.received.is_some_and(|received| {
            // A clock that went backwards would make an old heartbeat look new for ever.
            received <= now && now.saturating_since(received) < Freshness::WINDOW
        })
    }

    /// When the newest heartbeat of this run and term was received.
    pub const fn received(&self) -> Option<Instant> {
        self.received
    }

    /// The newest (term, number) ever seen.
    pub const fn newest(&self) -> Option<&(Term, u64)> {
        self.newest.as_ref()
    }

    /// What to store, canonically encoded.
    pub fn stored(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        writer.optional(self.newest.as_ref(), |writer, (term, number)| {
            term.write(writer);
            writer.number(*number);
        });
        writer.finish()
    }

    /// What was stored. The node is not fresh until it hears a heartbeat again.
    ///
    /// # Errors
    /// Any bytes but those of [`Freshness::stored`].
    pub fn restore(bytes: &[u8]) -> Result<Freshness, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("freshness", 1)?;
        let newest =
            reader.optional("freshness", |reader| Ok((Term::read(reader)?, reader.number()?)))?;
        reader.finish()?;
        Ok(Freshness { newest, received: None })
    }
}

#[cfg(test)]
mod tests;

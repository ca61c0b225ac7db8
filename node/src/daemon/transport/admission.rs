//! How many may come at once.
//!
//! Purpose: bounds what connections from outside cost before the core knows who they are:
//! handshakes in all and from one address, connections in all, and connections of those who may
//! be strangers.
//!
//! State: counters; each place that was given is a guard that gives it back when dropped; how many
//! were turned away, who of them is named in the log once a minute.
//!
//! Invariants: a connection dialled by this node is never counted, so that strangers cannot keep it
//! from reaching its peers.
//!
//! Never looks at keys.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mirrormesh_gossip::Instant;

use crate::daemon::system;

/// Most handshakes at once.
const HANDSHAKES: usize = 256;
/// Most handshakes at once from one address.
const HANDSHAKES_OF_ONE: usize = 64;
/// From this many handshakes on, a source has to show that it receives what is sent to it.
const HANDSHAKES_UNPROVED: usize = 64;
/// Most connections that others dialled.
const CONNECTIONS: usize = 2_048;
/// Most of them that have not shown themselves to be members: all of a farm that starts at once.
const STRANGERS: usize = 512;

/// One of those who were turned away is named this often.
const NAMED_EVERY: Duration = Duration::from_secs(60);

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Admission {
    counts: Mutex<Counts>,
    turned_away: Mutex<TurnedAway>,
}

#[derive(Debug, Default)]
struct TurnedAway {
    count: u64,
    named: Option<(Instant, u64)>,
}

#[derive(Debug, Default)]
struct Counts {
    handshakes: usize,
    sources: BTreeMap<IpAddr, usize>,
    connections: usize,
    strangers: usize,
}

/// What to do with a first packet.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Go on with the handshake while holding this.
    Welcome(HandshakePlace),
    /// Ask the source to show that it receives.
    Prove,
    /// No room.
    Full,
}

impl Admission {
    /// Whether a handshake with `source` may begin; `proved`: it has shown that it receives.
    pub(super) fn handshake(self: &Arc<Admission>, source: IpAddr, proved: bool) -> Verdict {
        let source = source.to_canonical();
        let mut counts = self.counts();
        let of_one = counts.sources.get(&source).copied().unwrap_or_default();
        if counts.handshakes >= HANDSHAKES
            || counts.connections >= CONNECTIONS
            || counts.strangers >= STRANGERS
        {
            return Verdict::Full;
        }
        if !proved && counts.handshakes >= HANDSHAKES_UNPROVED {
            return Verdict::Prove;
        }
        // An unproved source may be anybody's: its count would punish the innocent.
        if of_one >= HANDSHAKES_OF_ONE {
            return if proved { Verdict::Full } else { Verdict::Prove };
        }
        counts.handshakes += 1;
        *counts.sources.entry(source).or_default() += 1;
        Verdict::Welcome(HandshakePlace { admission: self.clone(), source })
    }

    /// Somebody did not become a connection: no room, or a handshake that came to nothing.
    pub(super) fn turn_away(&self, source: IpAddr, why: &str) {
        if let Some(count) = self.turned_away_now(system::moment().now) {
            let source = source.to_canonical();
            tracing::warn!("turned away {source}: {why} ({count} since the last such line)");
        }
    }

    /// Counts one; `Some` with the number since the last line if there is to be one.
    fn turned_away_now(&self, now: Instant) -> Option<u64> {
        let mut turned_away = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        turned_away.count += 1;
        let count = turned_away.count;
        match turned_away.named {
            Some((at, _)) if now.saturating_since(at) < NAMED_EVERY => None,
            named => {
                turned_away.named = Some((now, count));
                Some(count - named.map_or(0, |(_, before)| before))
            }
        }
    }

    /// How many were turned away.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for one handshake.
#[derive(Debug)]
pub(super) struct HandshakePlace {
    admission: Arc<Admission>,
    source: IpAddr,
}

impl HandshakePlace {
    /// The handshake has succeeded: places for the connection, and for the stranger at its end.
    pub(super) fn connected(self) -> (ConnectionPlace, StrangerPlace) {
        let mut counts = self.admission.counts();
        counts.connections += 1;
        counts.strangers += 1;
        drop(counts);
        (ConnectionPlace(self.admission.clone()), StrangerPlace(self.admission.clone()))
    }
}

impl Drop for HandshakePlace {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.handshakes -= 1;
        if let Some(count) = counts.sources.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.sources.remove(&self.source);
            }
        }
    }
}

/// A place for one connection.
#[derive(Debug)]
pub(super) struct ConnectionPlace(Arc<Admission>);

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.0.counts().connections -= 1;
    }
}

/// A place for one stranger; given back when it turns out to be a member.
#[derive(Debug)]
pub(super) struct StrangerPlace(Arc<Admission>);

impl Drop for StrangerPlace {
    fn drop(&mut self) {
        self.0.counts().strangers -= 1;
    }
}

#[cfg(test)]
mod tests;

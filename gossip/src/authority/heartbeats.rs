//! Heartbeats, received and signed.

use mirrormesh_merkle::Hash;

use super::{Authority, PublishError, Refusal};
use crate::heartbeat::{Heartbeat, SignedHeartbeat};
use crate::key::SecretKey;
use crate::time::{Instant, Wall};

/// What a heartbeat that is not refused means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeartbeatVerdict {
    /// Proven and above all before. Pass it on; if its head is newer than the one held, ask for it.
    Newer(Heartbeat),
    /// Of a certificate not known here: ask who sent it for the records from this epoch on.
    NeedProof(u64),
}

impl Authority {
    /// Judges a heartbeat that arrived at `now`. The caller stores
    /// [`Authority::persist_freshness`] at least once a minute.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing changes.
    pub fn consider_heartbeat(
        &mut self,
        now: Instant,
        signed: &SignedHeartbeat,
    ) -> Result<HeartbeatVerdict, Refusal> {
        let claimed = signed.peek()?;
        if claimed.cluster != self.cluster() {
            return Err(Refusal::ForeignCluster);
        }
        let term = *self.term();
        if claimed.certificate != term.certificate {
            let is_former = self.chain.find(&claimed.certificate).is_some();
            return if is_former || claimed.epoch < term.epoch {
                Err(Refusal::BelowFence)
            } else if claimed.epoch == term.epoch {
                Ok(HeartbeatVerdict::NeedProof(claimed.epoch))
            } else {
                Ok(HeartbeatVerdict::NeedProof(term.epoch + 1))
            };
        }
        if claimed.epoch != term.epoch || claimed.origin != *self.origin() {
            return Err(Refusal::WrongOrigin { signer: claimed.origin });
        }
        if self.revocations.contains(&claimed.origin) {
            return Err(Refusal::Revoked { key: claimed.origin });
        }
        // Cheap before dear: most heartbeats arrive several times, by several ways.
        if self.freshness.newest() >= Some(&(term, claimed.number)) {
            return Err(Refusal::Replayed);
        }
        let heartbeat = signed.verify(&claimed.origin)?;
        self.freshness.receive(now, term, heartbeat.number);
        self.announced = Some((heartbeat.seq, heartbeat.head));
        Ok(HeartbeatVerdict::Newer(heartbeat))
    }

    /// Whether this node is fresh at `now`.
    pub fn is_fresh(&self, now: Instant) -> bool {
        self.freshness.is_fresh(now)
    }

    /// Number and hash of the origin's newest head, by its newest heartbeat of this term.
    pub const fn announced(&self) -> Option<(u64, Hash)> {
        self.announced
    }

    /// A heartbeat by this node as origin. `number` comes from a [`crate::Sequence`] of the
    /// heartbeats' own, so that no restart repeats one. The origin hears it itself by
    /// [`Authority::consider_heartbeat`].
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn heartbeat(
        &self,
        key: &SecretKey,
        number: u64,
        wall: Wall,
    ) -> Result<SignedHeartbeat, PublishError> {
        self.check_origin(key)?;
        let term = *self.term();
        let heard = self.freshness.newest().filter(|(heard_term, _)| *heard_term == term);
        if let Some((_, newest)) = heard.filter(|(_, newest)| number <= *newest) {
            return Err(PublishError::NumberNotAbove { newest: *newest, given: number });
        }
        let newest = self.newest.as_ref().filter(|held| held.term == term);
        let heartbeat = Heartbeat {
            cluster: self.cluster(),
            epoch: term.epoch,
            certificate: term.certificate,
            number,
            seq: newest.map_or(0, |held| held.head.seq),
            head: newest.map_or(Hash::ZERO, |held| held.hash),
            time: wall,
            origin: *self.origin(),
        };
        Ok(SignedHeartbeat::sign(&heartbeat, key))
    }
}

//! What the core keeps in the ordered store, and under which names.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use mirrormesh_gossip::{Authority, Persist, Stored, TokenBook};

use crate::store::{Batch, Table};

pub(crate) const GENESIS: &str = "core/genesis";
pub(crate) const RECORD: &str = "core/record/";
pub(crate) const HEAD: &str = "core/head";
pub(crate) const HEAD_CERTIFICATE: &str = "core/head-certificate";
pub(crate) const DOCUMENT: &str = "core/document";
pub(crate) const FENCE: &str = "core/fence";
pub(crate) const REVOCATIONS: &str = "core/revocations";
pub(crate) const FRESHNESS: &str = "core/freshness";
pub(crate) const EQUIVOCATION: &str = "core/equivocation";
/// Upper bound of the sequence numbers that may be in use (8 bytes, big-endian).
pub(crate) const SEQUENCE: &str = "core/sequence";
/// The same for heartbeats.
pub(crate) const HEARTBEATS: &str = "core/heartbeats";
/// `init` or `join` has begun here and has not ended.
pub(crate) const BEGUN: &str = "core/begun";
/// Join tokens that are out.
pub(crate) const TOKENS: &str = "core/tokens";
/// The document of a cluster that has no head yet.
pub(crate) const DRAFT: &str = "core/draft";
/// The head whose root the docroot last equalled.
pub(crate) const APPLIED: &str = "core/applied";
/// Birth and inode number of the docroot (8 bytes each, big-endian).
pub(crate) const DOCROOT: &str = "core/docroot";
/// A moment (wall time in nanoseconds, or all ones while the brake holds) and the files with which
/// the brake compares (8 bytes each, big-endian).
pub(crate) const BRAKE: &str = "core/brake";
/// The docroot is being looked through with other excludes than those of the document.
pub(crate) const REVIEW: &str = "core/review";
/// Identity of the boot in which this node last ran; removed by a clean stop, when the docroot is
/// durable.
pub(crate) const BOOT: &str = "core/boot";
/// Bounds of what power cuts may have damaged, until all of it was looked at and taken back.
pub(crate) const DAMAGE: &str = "core/damage";
/// Everything published up to this wall time is durable (8 bytes, big-endian).
pub(crate) const DURABLE_UNTIL: &str = "core/durable-until";
/// What an origin has in common with all it published, while members are unheard or a head is regained.
pub(crate) const LINEAGE: &str = "core/lineage";

/// Sets a value of the state.
pub(crate) fn put(batch: &mut Batch, name: &str, value: impl Into<Bytes>) {
    batch.put(Table::State, Bytes::copy_from_slice(name.as_bytes()), value);
}

/// Removes a value of the state.
pub(crate) fn remove(batch: &mut Batch, name: &str) {
    batch.remove(Table::State, Bytes::copy_from_slice(name.as_bytes()));
}

fn record_key(epoch: u64) -> String {
    format!("{RECORD}{epoch:020}")
}

/// Writes what a change of the authority makes necessary. `records` are the epochs held before.
pub(crate) fn put_persist(batch: &mut Batch, persist: Persist, newest_epoch: u64) {
    if let Some(from) = persist.remove_records_from {
        for epoch in from..=newest_epoch {
            remove(batch, &record_key(epoch));
        }
    }
    for (epoch, record) in persist.records {
        put(batch, &record_key(epoch), record);
    }
    let values = [
        (HEAD, persist.head),
        (HEAD_CERTIFICATE, persist.head_certificate),
        (DOCUMENT, persist.document),
        (FENCE, persist.fence),
        (REVOCATIONS, persist.revocations),
        (EQUIVOCATION, persist.equivocation),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            put(batch, name, value);
        }
    }
}

/// Writes a whole authority, for the first time.
pub(crate) fn put_authority(batch: &mut Batch, authority: &Authority) {
    let stored = authority.stored();
    put(batch, GENESIS, stored.genesis);
    for link in authority.chain().links() {
        put(batch, &record_key(link.term().epoch), Bytes::from(link.record().encode()));
    }
    put(batch, FENCE, stored.fence);
    put(batch, REVOCATIONS, stored.revocations);
    put(batch, FRESHNESS, stored.freshness);
    let values = [
        (HEAD, stored.head),
        (HEAD_CERTIFICATE, stored.head_certificate),
        (DOCUMENT, stored.document),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            put(batch, name, value);
        }
    }
}

/// The stored state, by name.
pub(crate) struct State<'a>(pub(crate) &'a BTreeMap<Bytes, Bytes>);

impl State<'_> {
    /// A value.
    pub(crate) fn get(&self, name: &str) -> Option<Bytes> {
        self.0.get(name.as_bytes()).cloned()
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.get(name).and_then(|bytes| bytes[..].try_into().ok()).map_or(0, u64::from_be_bytes)
    }

    /// The stored authority, if there is a genesis.
    pub(crate) fn authority(&self) -> Option<Stored> {
        let records = self
            .0
            .range(Bytes::from_static(RECORD.as_bytes())..)
            .take_while(|(key, _)| key.starts_with(RECORD.as_bytes()))
            .filter_map(|(key, record)| {
                let epoch = std::str::from_utf8(&key[RECORD.len()..]).ok()?.parse().ok()?;
                Some((epoch, record.clone()))
            })
            .collect();
        Some(Stored {
            genesis: self.get(GENESIS)?,
            records,
            head: self.get(HEAD),
            head_certificate: self.get(HEAD_CERTIFICATE),
            document: self.get(DOCUMENT),
            fence: self.get(FENCE).unwrap_or_default(),
            revocations: self.get(REVOCATIONS).unwrap_or_default(),
            freshness: self.get(FRESHNESS).unwrap_or_default(),
            equivocation: self.get(EQUIVOCATION),
        })
    }

    /// Join tokens that are out.
    pub(crate) fn tokens(&self) -> TokenBook {
        self.get(TOKENS).and_then(|bytes| TokenBook::decode(&bytes).ok()).unwrap_or_default()
    }
}

/// Two numbers as one value.
pub(crate) fn pair(first: u64, second: u64) -> Bytes {
    let mut bytes = BytesMut::with_capacity(16);
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&second.to_be_bytes());
    bytes.freeze()
}

/// Two numbers of one value.
pub(crate) fn unpair(bytes: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = bytes.split_at_checked(8)?;
    Some((u64::from_be_bytes(first.try_into().ok()?), u64::from_be_bytes(second.try_into().ok()?)))
}

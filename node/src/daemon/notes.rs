//! Notes become log lines and counters.
//!
//! Purpose: one note is one line and one count. What peers can bring about is limited, because
//! whoever sends rubbish could fill the disk with lines: refusals of one kind by one peer are a line
//! a minute with their number, and its comings and goings a few.
//!
//! State: a counter for each kind of note; when each peer's refusals were last named.
//!
//! Invariants: bounded: kinds are fixed lists, and at most [`PEERS_REMEMBERED`] pairs of peer and
//! kind are remembered.
//!
//! Never shows a path or name with control characters in it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mirrormesh_gossip::{Instant, NodeId};

use super::system;
use crate::core::{Level, Note};

/// Pairs of peer and kind whose last line is remembered.
const PEERS_REMEMBERED: usize = 1_024;
/// Lines are counted over this time.
const REFUSED_EVERY: Duration = Duration::from_secs(60);
/// How many refusals are shown in that time. Keys cost a stranger nothing.
const REFUSALS: Limit = Limit { lines: 1, peers: 64 };
/// How many comings and goings of members.
const CONNECTIONS: Limit = Limit { lines: 6, peers: 1_024 };
/// Longest text of one line.
const LINE_CHARACTERS: usize = 2_000;

/// Counters and memory of the log.
pub(crate) struct Notes {
    counts: Vec<AtomicU64>,
    refused: Mutex<Refusals>,
}

#[derive(Default)]
struct Refusals {
    lines: BTreeMap<(NodeId, &'static str), Line>,
    kinds: BTreeMap<&'static str, (Instant, u32)>,
}

/// Lines of one kind that are shown: about one peer, and about how many peers.
#[derive(Clone, Copy)]
struct Limit {
    lines: u32,
    peers: u32,
}

struct Line {
    since: Instant,
    shown: u32,
    hidden: u64,
}

impl Notes {
    /// All counters at zero.
    pub(crate) fn new() -> Notes {
        let counts = Note::NAMES.iter().map(|_| AtomicU64::new(0)).collect();
        Notes { counts, refused: Mutex::default() }
    }

    /// Counts and logs a note.
    pub(crate) fn take(&self, note: &Note) {
        let index = Note::NAMES.iter().position(|name| *name == note.name());
        if let Some(count) = index.and_then(|index| self.counts.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let hidden = match note {
            Note::Refused { peer, what, .. } => self.refusal(*peer, what, system::moment().now),
            Note::Connected { peer }
            | Note::Disconnected { peer, .. }
            | Note::DialFailed { peer, .. } => {
                let now = system::moment().now;
                self.refusals().show(*peer, note.name(), CONNECTIONS, now)
            }
            _ => Some(0),
        };
        if let Some(hidden) = hidden {
            log(note, hidden);
        }
    }

    /// How often each kind of note came.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Note::NAMES.iter().copied().zip(counts)
    }

    /// Whether a refusal is to be shown: `Some` with the number of lines left out since the last.
    fn refusal(&self, peer: NodeId, what: &'static str, now: Instant) -> Option<u64> {
        self.refusals().show(peer, what, REFUSALS, now)
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusals {
    /// Whether a line of this kind about a peer may be shown: `Some` with the number of lines left
    /// out since the last.
    fn show(
        &mut self,
        peer: NodeId,
        what: &'static str,
        limit: Limit,
        now: Instant,
    ) -> Option<u64> {
        if let Some(line) = self.lines.get_mut(&(peer, what)) {
            if now.saturating_since(line.since) >= REFUSED_EVERY {
                (line.since, line.shown) = (now, 1);
            } else if line.shown < limit.lines {
                line.shown += 1;
            } else {
                line.hidden += 1;
                return None;
            }
            return Some(std::mem::take(&mut line.hidden));
        }
        if self.lines.len() >= PEERS_REMEMBERED {
            self.lines.retain(|_, line| now.saturating_since(line.since) < REFUSED_EVERY);
        }
        let (since, peers) = self.kinds.entry(what).or_insert((now, 0));
        if now.saturating_since(*since) >= REFUSED_EVERY {
            (*since, *peers) = (now, 0);
        }
        // So many peers within a minute: not one of them is worth a line of its own.
        if self.lines.len() >= PEERS_REMEMBERED || *peers >= limit.peers {
            return None;
        }
        *peers += 1;
        self.lines.insert((peer, what), Line { since: now, shown: 1, hidden: 0 });
        Some(0)
    }
}

fn log(note: &Note, hidden: u64) {
    let mut text = sentence(note);
    if hidden > 0 {
        text.push_str(&format!(" ({hidden} more like this were not shown)"));
    }
    let name = note.name();
    match note.level() {
        Level::Debug => tracing::debug!(note = name, "{text}"),
        Level::Info => tracing::info!(note = name, "{text}"),
        Level::Warning => tracing::warn!(note = name, "{text}"),
    }
}

/// A note for people.
fn sentence(note: &Note) -> String {
    let text = match note {
        Note::Started { files } => format!("started with {files} files in the current tree"),
        Note::Connected { peer } => format!("connected to {peer:?}"),
        Note::Disconnected { peer, reason } => format!("disconnected from {peer:?}: {reason}"),
        Note::DialFailed { peer, reason } => format!("{peer:?} cannot be reached: {reason}"),
        Note::Refused { peer, what, detail } => format!("refused from {peer:?}: {what}: {detail}"),
        Note::Scanned { files } => format!("scanned the docroot: {files} files"),
        Note::Published { seq, root, changes } => {
            format!("published {seq}: {changes} changes, root {root}")
        }
        Note::InSync { seq, root } => format!("in sync with {seq}, root {root}"),
        Note::PathFailed { path, reason } => format!("{path:?} failed: {reason}"),
        Note::SetAside { count, bytes } => format!("set {count} aside ({bytes} bytes)"),
        Note::LocalEdits { count } => format!("{count} names were edited here"),
        Note::Held { reason, deletes } => format!("held ({deletes} files would go): {reason}"),
        Note::Released { by } => format!("released by {by}"),
        Note::DocrootChanged { reason } => format!("the docroot is not what it was: {reason}"),
        Note::DocumentChanged { version } => format!("cluster document {version}"),
        Note::Joined { member, name } => format!("{name} joined ({member:?})"),
        Note::Removed { member } => format!("{member:?} was removed"),
        Note::WasRemoved {} => "this node was removed from the cluster".to_owned(),
        Note::Equivocation { seq } => format!("two heads bear the number {seq} of one term"),
        Note::JobFailed { reason } => format!("a job failed: {reason}"),
        Note::Rescan { reason } => format!("scanning everything again: {reason}"),
        Note::RolledBack { seq } => {
            format!("the disk was rolled back: head {seq} is known elsewhere")
        }
        Note::TakenUp { seq } => {
            format!("took head {seq} up again, published before the last stop")
        }
        Note::Damaged { count } => format!("{count} files were damaged by a power cut"),
        Note::Stopping {} => "stopping".to_owned(),
        other => format!("{other:?}"),
    };
    text.chars()
        .take(LINE_CHARACTERS)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}

#[cfg(test)]
mod tests;

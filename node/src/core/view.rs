//! What a node says of itself: the one answer that status page, simulator and tests read.
//!
//! Field names are those of `status --json` and stay.

use serde::{Deserialize, Serialize};

/// The state of things.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct View {
    /// This node.
    pub node: NodeView,
    /// The cluster.
    pub cluster: ClusterView,
}

/// This node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeView {
    /// Name.
    pub name: String,
    /// Identifier, 64 hex digits.
    pub id: String,
    /// `origin`, `candidate`, `replica` or `witness`.
    pub role: String,
    /// First advertised address.
    pub address: String,
    /// The docroot as configured.
    pub docroot: String,
    /// What is being done: `starting`, `scanning`, `fetching`, `applying`, `following`,
    /// `publishing`, `held`, `removed`.
    pub activity: String,
    /// How the docroot is watched.
    pub watch: WatchView,
    /// Epoch of the newest head this node can prove.
    pub epoch: u64,
    /// Its term, short hex.
    pub term: String,
    /// Sequence number of the head that is applied here; null before the first.
    pub seq: Option<u64>,
    /// Root of the current tree; null before the first head.
    pub root: Option<String>,
    /// Root of the newest head this node can prove.
    pub newest_root: Option<String>,
    /// Sequence number of the newest head this node can prove.
    pub newest_seq: Option<u64>,
    /// Applied root = root of the newest provable head, and no path in error.
    pub in_sync: bool,
    /// Heard from the origin less than 10 s ago.
    pub fresh: bool,
    /// Seconds since the origin was heard; null if never.
    pub heard_seconds: Option<f64>,
    /// Seconds since this node first heard of the oldest change it has not applied, or else since it
    /// has not been in sync; 0 in sync.
    pub lag_seconds: f64,
    /// Whether it lags by no more: it has been in sync since its start. What it lacks may be older
    /// before that.
    #[serde(default)]
    pub lag_known: bool,
    /// Files in the current tree.
    pub files: u64,
    /// Bytes in the current tree.
    pub bytes: u64,
    /// Files known to be missing or changed here and not yet applied.
    pub pending_files: u64,
    /// Bytes of them.
    pub pending_bytes: u64,
    /// Files that somebody has open for writing and that are therefore not published.
    pub open_for_writing: Vec<PathView>,
    /// Names that are not mirrored.
    pub skipped: Vec<SkippedView>,
    /// Files the origin cannot read.
    pub unreadable: Vec<PathView>,
    /// Files that the origin cannot serve now and that this node lacks or has at an older version.
    #[serde(default)]
    pub unserved: Vec<PathView>,
    /// Number of things set aside.
    pub set_aside: u64,
    /// Bytes set aside.
    pub set_aside_bytes: u64,
    /// What the brake holds.
    pub held: Option<HeldView>,
    /// Paths in error.
    pub errors: Vec<PathView>,
    /// Paths in error beyond those listed.
    pub errors_more: u64,
    /// Things an operator should know, such as equivocation.
    pub warnings: Vec<String>,
    /// Refused messages since the start, by kind.
    pub refused: Vec<CountView>,
    /// Counters since the start, by name.
    pub counters: Vec<CountView>,
}

/// How the docroot is watched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WatchView {
    /// `fanotify`, `inotify` or `scan`.
    pub backend: String,
    /// Why this one.
    pub reason: String,
    /// Directories watched.
    pub watches: u64,
    /// Most directories that would be watched.
    pub limit: u64,
}

/// A path and why it stands in a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PathView {
    /// The path, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// The path in hex, if it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path_hex: Option<String>,
    /// Why.
    pub reason: String,
}

/// A path that is not mirrored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SkippedView {
    /// The path, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// The path in hex, if it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path_hex: Option<String>,
    /// `fifo`, `socket`, `device`, `mount`, `too-long` or `reserved-name`.
    pub kind: String,
}

/// What the brake holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldView {
    /// Why, and what to do.
    pub reason: String,
    /// Files that would go.
    pub deletes: u64,
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CountView {
    /// Name.
    pub name: String,
    /// Count.
    pub count: u64,
}

/// The cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClusterView {
    /// Identifier, 64 hex digits.
    pub id: String,
    /// Epoch.
    pub epoch: u64,
    /// Term, short hex.
    pub term: String,
    /// Name of the origin.
    pub origin: String,
    /// Every member of the roster.
    pub members: Vec<MemberView>,
}

/// A member, as far as this node knows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MemberView {
    /// Name.
    pub name: String,
    /// Identifier, 64 hex digits.
    pub id: String,
    /// `origin`, `candidate`, `replica` or `witness`.
    pub role: String,
    /// First advertised address.
    pub address: String,
    /// Whether it is believed alive.
    pub alive: bool,
    /// Epoch it has applied.
    pub epoch: u64,
    /// Sequence number it has applied; null if unknown.
    pub seq: Option<u64>,
    /// Root of its current tree; null if unknown.
    pub root: Option<String>,
    /// Whether it says it is in sync.
    pub in_sync: bool,
    /// Whether it says it is fresh.
    pub fresh: bool,
    /// By its own clock, since it first heard of the oldest change it has not applied, else 0.
    pub lag_seconds: f64,
    /// Paths in error there.
    pub errors: u64,
    /// What its brake holds.
    pub held: Option<HeldView>,
}

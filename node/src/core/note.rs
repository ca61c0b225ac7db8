//! Notes: typed facts. One note is the log line, the metric, the coverage mark, the trace record
//! and the trigger of faults.

use mirrormesh_gossip::NodeId;
use mirrormesh_merkle::{Hash, Path};

/// How loud a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What happened.
    Info,
    /// An operator may have to act.
    Warning,
}

macro_rules! notes {
    ($($(#[$doc:meta])* $level:ident $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? } = $text:literal;)*) => {
        /// A fact.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Note {
            $($(#[$doc])* $name { $($(#[$field_doc])* $field: $type),* },)*
        }

        impl Note {
            /// The name of every kind of note, for coverage.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// The name of this kind of note: metric and trigger go by it.
            pub fn name(&self) -> &'static str {
                match self { $(Note::$name { .. } => $text,)* }
            }

            /// How loud it is.
            pub fn level(&self) -> Level {
                match self { $(Note::$name { .. } => Level::$level,)* }
            }
        }
    };
}

notes! {
    /// The node has begun.
    Info Started { /// Files in the current tree.
        files: u64 } = "started";
    /// A peer is connected.
    Info Connected { /// Who.
        peer: NodeId } = "connected";
    /// A peer is gone.
    Info Disconnected { /// Who.
        peer: NodeId, /// Why.
        reason: String } = "disconnected";
    /// A peer could not be reached.
    Debug DialFailed { /// Who.
        peer: NodeId, /// Why.
        reason: String } = "dial-failed";
    /// Something from a peer was refused.
    Warning Refused { /// Who.
        peer: NodeId, /// What was wrong, from a fixed list.
        what: &'static str, /// Detail for people.
        detail: String } = "refused";
    /// The first scan since the start is finished.
    Info Scanned { /// Files in the tree.
        files: u64 } = "scanned";
    /// A head was published.
    Info Published { /// Sequence number.
        seq: u64, /// Root.
        root: Hash, /// Changed names.
        changes: u64 } = "published";
    /// A newer head was heard of.
    Debug HeadHeard { /// Sequence number.
        seq: u64 } = "head-heard";
    /// A target tree is proved.
    Debug Proved { /// Sequence number.
        seq: u64, /// By which way: delta, since or walk.
        how: &'static str } = "proved";
    /// A parcel was applied.
    Debug Applied { /// Files.
        files: u64, /// Bytes.
        bytes: u64 } = "applied";
    /// Applied root and newest head agree.
    Info InSync { /// Sequence number.
        seq: u64, /// Root.
        root: Hash } = "in-sync";
    /// A path could not be brought in line.
    Warning PathFailed { /// Which.
        path: Path, /// Why.
        reason: String } = "path-failed";
    /// Local things were set aside.
    Warning SetAside { /// How many.
        count: u64, /// Bytes.
        bytes: u64 } = "set-aside";
    /// Local edits were found on a replica.
    Info LocalEdits { /// How many names.
        count: u64 } = "local-edits";
    /// The brake holds.
    Warning Held { /// Why.
        reason: String, /// Files that would go.
        deletes: u64 } = "held";
    /// The brake is released.
    Info Released { /// By what: confirm, recovery, later head.
        by: &'static str } = "released";
    /// The docroot is not what it was.
    Warning DocrootChanged { /// What is there.
        reason: String } = "docroot-changed";
    /// The cluster document changed.
    Info DocumentChanged { /// Its version.
        version: u64 } = "document-changed";
    /// A member joined.
    Info Joined { /// Who.
        member: NodeId, /// Name.
        name: String } = "joined";
    /// A member was removed.
    Info Removed { /// Who.
        member: NodeId } = "removed";
    /// This node was removed from the cluster.
    Warning WasRemoved {} = "was-removed";
    /// Two heads of one term and sequence number exist.
    Warning Equivocation { /// Sequence number.
        seq: u64 } = "equivocation";
    /// This node's own disk was rolled back.
    Warning RolledBack { /// Newest sequence number that others know.
        seq: u64 } = "rolled-back";
    /// A head that left before it was durable is known again.
    Info TakenUp { /// Sequence number.
        seq: u64 } = "taken-up";
    /// Files damaged by a power cut were found.
    Warning Damaged { /// How many.
        count: u64 } = "damaged";
    /// A difference since a known head was served or taken.
    Debug Since { /// Number of deltas; 0: unknown.
        deltas: u64 } = "since";
    /// A walk through a peer's tree began.
    Debug Walk {} = "walk";
    /// Contents were served to a peer.
    Debug Served { /// Bytes.
        bytes: u64 } = "served";
    /// A job failed as a whole.
    Warning JobFailed { /// Why.
        reason: String } = "job-failed";
    /// Hints were lost: everything is scanned again.
    Info Rescan { /// Why.
        reason: &'static str } = "rescan";
    /// Tree nodes no longer needed were removed.
    Debug Collected { /// Nodes that stay.
        live: u64, /// Nodes removed.
        removed: u64 } = "collected";
    /// The node ends.
    Info Stopping {} = "stopping";
}

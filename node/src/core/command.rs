//! What operators ask, and what they are told.
//!
//! These types cross the control socket as named MessagePack maps. Paths are raw bytes.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::view::View;

/// Names a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// What is the state of things?
    Status,
    /// Tell me when every change that was complete before now is published and applied.
    Wait {
        /// Where it must be applied.
        scope: WaitScope,
        /// Give up after this many milliseconds.
        timeout_milliseconds: u64,
    },
    /// Make a join token.
    Token {
        /// For which role: `replica`, `candidate` or `witness`.
        role: String,
        /// How long it is valid, in seconds.
        lifetime_seconds: u64,
        /// How often it may be used; 0: any number of times.
        uses: u32,
    },
    /// Release what a brake holds, or only list it.
    Confirm {
        /// Only list.
        list: bool,
    },
    /// The editable part of the cluster document as text.
    ConfigShow,
    /// Replace the editable part of the cluster document.
    ConfigReplace {
        /// The new text.
        text: String,
    },
    /// Change one value of the cluster document.
    ConfigSet {
        /// Which.
        key: String,
        /// To what.
        value: String,
    },
    /// Take a member out of the cluster.
    Remove {
        /// Name or identifier.
        node: String,
    },
    /// Take this node out of the cluster.
    Leave,
    /// What was set aside.
    KeptList,
    /// Bring something that was set aside back into the docroot (origin only).
    KeptRestore {
        /// Which.
        id: u64,
        /// Where to; `None`: where it lay.
        to: Option<ByteBuf>,
    },
    /// Remove what was set aside, for good.
    KeptDrop {
        /// Which; empty: all.
        ids: Vec<u64>,
    },
    /// Read every byte of the docroot again and compare.
    Verify {
        /// Fetch back what differs.
        repair: bool,
    },
    /// What differs between two members' trees. Each is a name or an identifier.
    Diff {
        /// The one.
        left: String,
        /// The other.
        right: String,
    },
    /// End, with everything durable.
    Stop,
}

/// Where a wait looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitScope {
    /// On this node.
    Own,
    /// On every member.
    All,
    /// On every member believed alive.
    Live,
    /// On these members (names or identifiers).
    Members(Vec<String>),
}

/// Paths in error of a member that are not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoreErrors {
    /// Its name.
    pub member: String,
    /// How many.
    pub count: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The state of things.
    Status(Box<View>),
    /// Everything is where it should be, but for the paths listed.
    Waited {
        /// Sequence number that was waited for.
        seq: u64,
        /// Paths in error, with reasons.
        errors: Vec<PathLine>,
        /// Members that have more of them than are listed.
        #[serde(default)]
        more: Vec<MoreErrors>,
    },
    /// Not everything came in time.
    TimedOut {
        /// Members that lag, or `this node: reason`.
        behind: Vec<String>,
    },
    /// A join token.
    Token(String),
    /// What a brake holds (before `confirm` released it).
    Held(Vec<HoldLine>),
    /// Text.
    Text(String),
    /// Done, with a sentence for people.
    Done(String),
    /// Lines about paths.
    Paths(Vec<PathLine>),
    /// What was set aside.
    Kept(Vec<KeptLine>),
    /// How far long work is.
    Progress {
        /// What is being done.
        what: String,
        /// Files so far.
        files: u64,
        /// Bytes so far.
        bytes: u64,
        /// Files in all, if known.
        files_total: u64,
        /// Bytes in all, if known.
        bytes_total: u64,
    },
    /// Verify has finished.
    Verified {
        /// Files read.
        files: u64,
        /// Bytes read.
        bytes: u64,
        /// Paths that differed.
        differs: u64,
    },
    /// Refused (exit 12), or failed (exit 1).
    Refused {
        /// The exit code of CLI.md.
        exit: u8,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
}

/// One line about a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathLine {
    /// Raw bytes of the path.
    pub path: ByteBuf,
    /// A sign, a kind or a reason, as the question says.
    pub what: String,
}

/// One hold of the brake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldLine {
    /// Name of the member that holds.
    pub member: String,
    /// Why.
    pub reason: String,
    /// Files that would go.
    pub deletes: u64,
}

/// One thing that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLine {
    /// Identifier.
    pub id: u64,
    /// Raw bytes of the path where it lay.
    pub path: ByteBuf,
    /// `file`, `directory` or `symlink`.
    pub kind: String,
    /// Bytes it takes.
    pub bytes: u64,
    /// Why it was set aside.
    pub reason: String,
    /// When, nanoseconds since 1970.
    pub wall: i64,
    /// Where it lies in the work directory.
    pub stored_as: String,
}

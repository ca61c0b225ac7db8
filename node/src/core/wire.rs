//! Control frames between nodes: their form, and their limits.
//!
//! A frame is a kind (two bytes, big-endian) and a MessagePack map. Unknown kinds are passed over
//! (a newer peer may know more), unknown fields too; everything is bounded before it is believed.
//! What is signed travels as the exact bytes that were signed.

use bytes::{BufMut, Bytes, BytesMut};
use mirrormesh_gossip::message::list;
use mirrormesh_gossip::{MessageError, ProofChain, from_bytes_bounded, to_bytes_named};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use super::event::MAX_FRAME_BYTES;

/// The wire versions this program speaks: first and last.
pub const VERSIONS: (u16, u16) = (1, 1);
/// The features this program knows. Each changes something only when both ends list it.
pub const FEATURES: &[u16] = &[];
/// Most rows, errors or other members of a list in a frame: one row for each member there may be.
pub const MAX_LIST: usize = 1_024;
/// Most proof records in a frame.
const MAX_RECORDS: usize = ProofChain::MAX_RECORDS;
/// Most errors in a report.
pub(crate) const REPORT_ERRORS: usize = 16;
/// Longest path and longest sentence in a report, in bytes.
const REPORT_TEXT: usize = 512;
/// Bytes of errors in all rows together; beyond it only their number is told.
const ROWS_ERROR_BYTES: usize = 1024 * 1024;

/// First frame of both ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Oldest wire version spoken.
    pub(crate) oldest: u16,
    /// Newest wire version spoken.
    pub(crate) newest: u16,
    /// Features known.
    #[serde(default, deserialize_with = "list::<_, _, MAX_LIST>")]
    pub(crate) features: Vec<u16>,
    /// The cluster.
    pub(crate) cluster: ByteArray<32>,
    /// Drawn anew at each start.
    pub(crate) instance: u64,
    /// Epoch of the newest head known.
    #[serde(default)]
    pub(crate) epoch: u64,
    /// Sequence number of it.
    #[serde(default)]
    pub(crate) seq: u64,
    /// Whether the sender wants to be made a member.
    #[serde(default)]
    pub(crate) stranger: bool,
}

/// A head, with what is needed to follow it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Push {
    /// The signed head.
    pub(crate) head: ByteBuf,
    /// The cluster document, when the receiver may lack it.
    #[serde(default)]
    pub(crate) document: Option<ByteBuf>,
    /// The delta from the previous head.
    #[serde(default)]
    pub(crate) delta: Option<ByteBuf>,
    /// Small contents.
    #[serde(default, deserialize_with = "list::<_, _, MAX_LIST>")]
    pub(crate) inline: Vec<InlineContent>,
}

/// A small content in a push.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InlineContent {
    /// Content hash.
    pub(crate) content: ByteArray<32>,
    /// The content.
    pub(crate) bytes: ByteBuf,
}

/// A signed heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeartbeatFrame {
    /// The signed heartbeat.
    pub(crate) heartbeat: ByteBuf,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Epoch of the newest head it can prove.
    pub(crate) epoch: u64,
    /// Sequence number of the head that its docroot equals, if it equals one.
    pub(crate) seq: Option<u64>,
    /// Sequence number of the newest head it has brought in line but for paths in error.
    pub(crate) tried_seq: Option<u64>,
    /// Root of its current tree.
    pub(crate) root: ByteArray<32>,
    /// In sync.
    pub(crate) in_sync: bool,
    /// Fresh.
    pub(crate) fresh: bool,
    /// Lag in milliseconds.
    pub(crate) lag_milliseconds: u64,
    /// Number of paths in error.
    pub(crate) errors: u64,
    /// The first of them, at most 16.
    #[serde(default, deserialize_with = "list::<_, _, MAX_LIST>")]
    pub(crate) error_list: Vec<(ByteBuf, String)>,
    /// Why its brake holds.
    #[serde(default)]
    pub(crate) held: Option<(String, u64)>,
}

impl Report {
    /// As much of it as is believed, kept and passed on, whoever wrote it. A path that is too long
    /// is left out rather than cut: it would be another one.
    pub(crate) fn bounded(mut self) -> Report {
        self.error_list.retain(|(path, _)| path.len() <= REPORT_TEXT);
        self.error_list.truncate(REPORT_ERRORS);
        self.error_list.iter_mut().for_each(|(_, reason)| shorten(reason));
        if let Some((reason, _)) = &mut self.held {
            shorten(reason);
        }
        self
    }

    fn error_bytes(&self) -> usize {
        self.error_list.iter().map(|(path, reason)| path.len() + reason.len()).sum()
    }
}

/// A sentence of a peer, short and without what would move a terminal's cursor.
fn shorten(sentence: &mut String) {
    let mut short = String::new();
    for character in sentence.chars() {
        let shown = if character.is_control() { '\u{fffd}' } else { character };
        if short.len() + shown.len_utf8() > REPORT_TEXT {
            break;
        }
        short.push(shown);
    }
    *sentence = short;
}

impl Rows {
    /// Rows that fit a frame, however many members have errors: those that come late in the list
    /// keep only the number of theirs.
    pub(crate) fn fitting(mut rows: Vec<Row>) -> Rows {
        let mut bytes = 0;
        for report in rows.iter_mut().filter_map(|row| row.report.as_mut()) {
            bytes += report.error_bytes();
            if bytes > ROWS_ERROR_BYTES {
                report.error_list.clear();
            }
        }
        Rows { rows }
    }
}

/// What the origin knows of the members, for those who cannot hear each other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Rows {
    /// One row a member.
    #[serde(deserialize_with = "list::<_, _, MAX_LIST>")]
    pub(crate) rows: Vec<Row>,
}

/// One member's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Who.
    pub(crate) member: ByteArray<32>,
    /// Whether the origin is connected to it.
    pub(crate) alive: bool,
    /// Its last report.
    pub(crate) report: Option<Report>,
}

/// Asks for the newest head with its document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AskHead {
    /// First epoch whose proof the asker lacks; 0: none.
    #[serde(default)]
    pub(crate) proof_from: u64,
}

/// Proof records, each as encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proof {
    /// Ascending by epoch.
    #[serde(deserialize_with = "list::<_, _, MAX_RECORDS>")]
    pub(crate) records: Vec<ByteBuf>,
}

/// A stranger asks to be made a member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Join {
    /// The token's secret.
    pub(crate) secret: ByteArray<16>,
    /// The name it wants.
    pub(crate) name: String,
    /// Where it can be dialled.
    #[serde(deserialize_with = "list::<_, _, MAX_LIST>")]
    pub(crate) addresses: Vec<String>,
}

/// The stranger is a member now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Joined {
    /// The genesis document.
    pub(crate) genesis: ByteBuf,
    /// The records of the proof chain, ascending by epoch.
    #[serde(deserialize_with = "list::<_, _, MAX_RECORDS>")]
    pub(crate) records: Vec<ByteBuf>,
    /// The newest head.
    pub(crate) head: ByteBuf,
    /// Its cluster document.
    pub(crate) document: ByteBuf,
}

/// The stranger has to wait, or is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JoinAnswer {
    /// Whether it is refused for good.
    pub(crate) refused: bool,
    /// Why, or what is being waited for.
    pub(crate) message: String,
}

/// A member asks to be taken out of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LeaveFrame {}

macro_rules! frames {
    ($($kind:literal $name:ident ( $type:ty )),* $(,)?) => {
        /// A decoded frame.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Frame {
            $($name($type),)*
            /// A kind that this program does not know.
            Unknown(u16),
        }

        impl Frame {
            /// The frame as bytes.
            pub(crate) fn encode(&self) -> Bytes {
                match self {
                    $(Frame::$name(body) => seal($kind, body),)*
                    Frame::Unknown(kind) => kind.to_be_bytes().to_vec().into(),
                }
            }

            /// Reads a frame.
            pub(crate) fn decode(bytes: &[u8]) -> Result<Frame, MessageError> {
                let Some((kind, body)) = bytes.split_first_chunk::<2>() else {
                    return Err(MessageError::EndsEarly);
                };
                match u16::from_be_bytes(*kind) {
                    $($kind => Ok(Frame::$name(open(body)?)),)*
                    other => Ok(Frame::Unknown(other)),
                }
            }
        }
    };
}

frames! {
    1 Hello(Hello),
    2 Push(Push),
    3 Heartbeat(HeartbeatFrame),
    4 Report(Report),
    5 Rows(Rows),
    6 AskHead(AskHead),
    7 Proof(Proof),
    8 Join(Join),
    9 Joined(Joined),
    10 JoinAnswer(JoinAnswer),
    11 Leave(LeaveFrame),
}

fn seal<T: Serialize>(kind: u16, body: &T) -> Bytes {
    // Every body is a struct of plain fields, which MessagePack can always hold.
    let body = to_bytes_named(body).unwrap_or_default();
    let mut frame = BytesMut::with_capacity(2 + body.len());
    frame.put_u16(kind);
    frame.put_slice(&body);
    frame.freeze()
}

fn open<T: DeserializeOwned>(body: &[u8]) -> Result<T, MessageError> {
    from_bytes_bounded(body, MAX_FRAME_BYTES)
}

/// A body for fuzzing: decoding never panics, and what is accepted is encoded and read again.
pub fn fuzz_frame(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        let again = Frame::decode(&frame.encode());
        assert!(again.is_ok_and(|again| again == frame || matches!(frame, Frame::Unknown(_))));
    }
}

#[cfg(test)]
mod tests;

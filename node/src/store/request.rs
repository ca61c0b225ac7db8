//! Requests that one node sends another at the beginning of a stream.
//!
//! A request is a kind and a body, both bounded MessagePack with named maps: a kind that this
//! program does not know is told apart from bytes that are malformed, so that an older node can
//! refuse a newer one politely. Holds no state; believes no count before the bytes are there.

use bytes::Bytes;
use mirrormesh_gossip::{MessageError, from_bytes_bounded, message, to_bytes_named};
use mirrormesh_merkle::{Hash, Path, Position, Wanted};
use serde::{Deserialize, Serialize};

use super::job::{PARCEL_ITEMS, Want};
pub use super::reply::{contents, decode_list, encode_list};

/// Most bytes of an encoded request. A path may have 128 KiB; the paths of a parcel together have
/// at most 256 KiB.
pub const MAX_REQUEST_BYTES: usize = 512 * 1024;
/// Most contents that one request may want.
pub const MAX_WANTS: usize = PARCEL_ITEMS;
/// Most nodes that one request may want.
pub const MAX_NODES: usize = 256;

/// What a peer is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Many contents, framed, in this order.
    Contents {
        /// Which; at most [`MAX_WANTS`].
        wants: Vec<Want>,
    },
    /// One content, raw, from an offset on.
    Content {
        /// Which.
        want: Want,
        /// Bytes to leave out at the beginning.
        offset: u64,
    },
    /// Tree nodes, as a list.
    Nodes {
        /// Which; at most [`MAX_NODES`].
        wanted: Vec<Wanted>,
        /// Levels below them to add.
        levels: u8,
        /// About how many bytes at most.
        budget: u32,
    },
    /// Deltas from one root to another, as a list; an empty one where they are not known.
    Since {
        /// The root that is there.
        from: Hash,
        /// The root that is wanted.
        to: Hash,
    },
}

/// Why bytes are not a request that this program answers. Nothing has changed; the stream is reset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A kind of request that only a newer program knows.
    #[error("requests of kind {0} are not known to this program")]
    UnknownKind(u16),
    /// Not the encoding of a request.
    #[error(transparent)]
    Malformed(#[from] MessageError),
    /// More is asked for than one request may, or what is asked for cannot be.
    #[error("a request asks for too much, or for what cannot be: {0}")]
    Refused(&'static str),
}

const CONTENTS: u16 = 1;
const CONTENT: u16 = 2;
const NODES: u16 = 3;
const SINCE: u16 = 4;

#[derive(Serialize, Deserialize)]
struct Envelope {
    kind: u16,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct WantBody {
    #[serde(with = "message::hash")]
    content: Hash,
    size: u64,
    #[serde(with = "serde_bytes")]
    path: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct ContentsBody {
    #[serde(deserialize_with = "message::list::<_, _, MAX_WANTS>")]
    wants: Vec<WantBody>,
}

#[derive(Serialize, Deserialize)]
struct ContentBody {
    want: WantBody,
    offset: u64,
}

#[derive(Serialize, Deserialize)]
struct WantedBody {
    #[serde(with = "message::hash")]
    hash: Hash,
    #[serde(with = "serde_bytes")]
    nibbles: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct NodesBody {
    #[serde(deserialize_with = "message::list::<_, _, MAX_NODES>")]
    wanted: Vec<WantedBody>,
    levels: u8,
    budget: u32,
}

#[derive(Serialize, Deserialize)]
struct SinceBody {
    #[serde(with = "message::hash")]
    from: Hash,
    #[serde(with = "message::hash")]
    to: Hash,
}

impl From<&Want> for WantBody {
    fn from(want: &Want) -> WantBody {
        WantBody { content: want.content, size: want.size, path: want.path.as_bytes().to_vec() }
    }
}

impl TryFrom<WantBody> for Want {
    type Error = RequestError;

    fn try_from(body: WantBody) -> Result<Want, RequestError> {
        let WantBody { content, size, path } = body;
        match Path::from_bytes(&path) {
            Ok(path) if !path.is_root() && !path.is_reserved() => Ok(Want { content, size, path }),
            _ => Err(RequestError::Refused("a path")),
        }
    }
}

/// A request for many contents, encoded.
pub fn encode(wants: &[Want]) -> Bytes {
    let body = ContentsBody { wants: wants.iter().map(WantBody::from).collect() };
    envelope(CONTENTS, &body)
}

/// Writing into memory what consists of numbers and bytes cannot fail; if it did, the peer would
/// refuse the empty request.
fn envelope(kind: u16, body: &impl Serialize) -> Bytes {
    to_bytes_named(body)
        .and_then(|body| to_bytes_named(&Envelope { kind, body }))
        .map(Bytes::from)
        .unwrap_or_default()
}

impl Request {
    /// The request as bytes. One within the limits of this module is within
    /// [`MAX_REQUEST_BYTES`], if its paths together have at most 256 KiB.
    pub fn encode(&self) -> Bytes {
        match self {
            Request::Contents { wants } => encode(wants),
            Request::Content { want, offset } => {
                envelope(CONTENT, &ContentBody { want: want.into(), offset: *offset })
            }
            Request::Nodes { wanted, levels, budget } => {
                let wanted = wanted.iter().map(|wanted| WantedBody {
                    hash: wanted.hash,
                    nibbles: wanted.position.nibbles().collect(),
                });
                let wanted = wanted.collect();
                envelope(NODES, &NodesBody { wanted, levels: *levels, budget: *budget })
            }
            Request::Since { from, to } => envelope(SINCE, &SinceBody { from: *from, to: *to }),
        }
    }

    /// Reads a request.
    pub fn decode(bytes: &[u8]) -> Result<Request, RequestError> {
        let Envelope { kind, body } = from_bytes_bounded(bytes, MAX_REQUEST_BYTES)?;
        match kind {
            CONTENTS => {
                let ContentsBody { wants } = from_bytes_bounded(&body, MAX_REQUEST_BYTES)?;
                let wants = wants.into_iter().map(Want::try_from).collect::<Result<_, _>>()?;
                Ok(Request::Contents { wants })
            }
            CONTENT => {
                let ContentBody { want, offset } = from_bytes_bounded(&body, MAX_REQUEST_BYTES)?;
                Ok(Request::Content { want: want.try_into()?, offset })
            }
            NODES => decode_nodes(&body),
            SINCE => {
                let SinceBody { from, to } = from_bytes_bounded(&body, MAX_REQUEST_BYTES)?;
                Ok(Request::Since { from, to })
            }
            other => Err(RequestError::UnknownKind(other)),
        }
    }
}

fn decode_nodes(body: &[u8]) -> Result<Request, RequestError> {
    let NodesBody { wanted, levels, budget } = from_bytes_bounded(body, MAX_REQUEST_BYTES)?;
    let wanted = wanted.into_iter().map(|WantedBody { hash, nibbles }| {
        let position = Position::from_nibbles(&nibbles);
        let position = position.ok_or(RequestError::Refused("a place"))?;
        Ok(Wanted { hash, position })
    });
    let wanted = wanted.collect::<Result<_, RequestError>>()?;
    Ok(Request::Nodes { wanted, levels, budget })
}

/// Body for fuzzing: decodes arbitrary bytes.
///
/// # Panics
///
/// If they are accepted and what was read does not survive being written again.
pub fn fuzz_decode(bytes: &[u8]) {
    if let Ok(request) = Request::decode(bytes) {
        let again = Request::decode(&request.encode());
        assert!(again.is_ok_and(|again| again == request), "a request does not survive encoding");
    }
}

#[cfg(test)]
mod tests;

//! ServeNodes, ServeSince and Pack: what peers ask for.

use std::sync::Arc;

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Wanted};

use super::applying::Want;

/// Reads nodes for a peer.
#[derive(Debug)]
pub struct ServeNodes {
    /// What it asks for.
    pub wanted: Vec<Wanted>,
    /// How many levels below to add.
    pub levels: u8,
    /// About how many bytes at most.
    pub budget: usize,
}

/// Reads the journal for a peer.
#[derive(Debug)]
pub struct ServeSince {
    /// The root the peer has.
    pub from: Hash,
    /// The root it wants.
    pub to: Hash,
    /// Most bytes of the answer.
    pub budget: usize,
}

/// What the journal holds between two roots.
#[derive(Debug)]
pub enum Since {
    /// Encoded deltas from one to the other: one coalesced if it fits, else each.
    Deltas(Vec<Bytes>),
    /// The journal does not reach back so far, or the answer would be too long.
    Unknown,
}

/// Reads the next chunk of contents for a peer.
#[derive(Debug)]
pub struct Pack {
    /// All that is wanted.
    pub wants: Arc<Vec<Want>>,
    /// The want to go on with.
    pub next: usize,
    /// Bytes of it already sent.
    pub offset: u64,
    /// Whether wants are framed (many small ones) or one is sent raw from `offset`.
    pub framed: bool,
    /// Most bytes of the chunk.
    pub budget: usize,
}

/// A chunk.
#[derive(Debug)]
pub struct Packed {
    /// The bytes.
    pub chunk: Bytes,
    /// The want to go on with; the number of wants when all is sent.
    pub next: usize,
    /// Bytes of it already sent.
    pub offset: u64,
    /// Whether the content of the current want changed or went meanwhile: a raw stream is reset.
    pub gone: bool,
}

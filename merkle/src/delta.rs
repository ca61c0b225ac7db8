//! What leads from one tree to the next, and its canonical encoding.
//!
//! A delta is moves, then changes. Its changes are exactly the difference between the base after
//! the moves and the target: everything below a directory that goes or comes is listed.
//! [`apply_delta`](crate::apply_delta) refuses any other, so one base, one target and one list of
//! moves have one delta, and [`Fold`](crate::Fold) can coalesce deltas path by path.
//!
//! ```text
//! delta  := 'D' version base[32] target[32] count:varint move*count count:varint change*count
//! move   := length:varint from length:varint to
//! change := shared:varint length:varint rest sides:u8 [old] [new]      strictly ascending by path
//! ```
//!
//! `shared` is the number of bytes that a change's path has in common with the one before it, and
//! always the most it can be.

use bytes::Bytes;

use crate::codec::{Reader, write_varint};
use crate::difference::{Difference, Differences};
use crate::entry::EntryError;
use crate::error::{DecodeError, TreeError};
use crate::hash::Hash;
use crate::limits::{
    MAX_DELTA_BYTES, MAX_DELTA_CHANGES, MAX_DELTA_MOVES, MAX_DELTA_PATH_BYTES, MAX_PATH_BYTES,
};
use crate::path::Path;
use crate::record::Record;
use crate::source::NodeSource;
use crate::update::Change;

const TAG: u8 = b'D';
const VERSION: u8 = 1;
const CONTEXT: &str = "mirrormesh 2026-11 delta v1";
const HAS_OLD: u8 = 1;
const HAS_NEW: u8 = 2;

/// What leads from one tree to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// Root of the tree it starts from.
    pub base: Hash,
    /// Root of the tree it leads to.
    pub target: Hash,
    /// Carried out first, in this order.
    pub moves: Vec<Move>,
    /// Carried out next: strictly ascending by path.
    pub changes: Vec<DeltaChange>,
}

/// A path that is moved with everything below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// Where it is.
    pub from: Path,
    /// Where it goes: nothing may be there, its parent must be.
    pub to: Path,
}

/// What one path was and becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaChange {
    /// Where.
    pub path: Path,
    /// What is there after the moves; `None` for nothing.
    pub old: Option<Record>,
    /// What is to be there, never equal to `old`; `None` takes it away.
    pub new: Option<Record>,
}

/// Why a delta cannot be encoded. Nothing was written; publish without a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// More than [`MAX_DELTA_CHANGES`], [`MAX_DELTA_MOVES`], [`MAX_DELTA_PATH_BYTES`] or
    /// [`MAX_DELTA_BYTES`].
    #[error("the delta is too large")]
    TooLarge,
    /// Changes that are not strictly ascending by path.
    #[error("changes are out of order")]
    Order,
    /// A change from something to the same, or a move to the same place.
    #[error("a change is redundant")]
    Redundant,
    /// A path that is the docroot itself, reserved, too long or too deep.
    #[error("a path cannot be changed")]
    Path,
    /// A record that no tree can hold.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

/// The hash of an encoded delta.
pub fn delta_hash(bytes: &[u8]) -> Hash {
    Hash::derive(CONTEXT, bytes)
}

impl From<Difference> for DeltaChange {
    fn from(difference: Difference) -> DeltaChange {
        let Difference { path, old, new } = difference;
        DeltaChange { path, old, new }
    }
}

impl From<&DeltaChange> for Change {
    fn from(change: &DeltaChange) -> Change {
        Change { path: change.path.clone(), record: change.new.clone() }
    }
}

impl DeltaChange {
    /// Most bytes that this change takes in an encoding.
    pub fn encoded_bound(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&[], &mut out);
        // A prefix shared with the path before saves more than its length takes.
        out.len()
    }

    fn encode(&self, previous: &[u8], out: &mut Vec<u8>) {
        let path = self.path.as_bytes();
        let shared = shared_prefix(previous, path);
        write_varint(out, shared as u64);
        write_varint(out, (path.len() - shared) as u64);
        out.extend_from_slice(&path[shared..]);
        let old = if self.old.is_some() { HAS_OLD } else { 0 };
        let new = if self.new.is_some() { HAS_NEW } else { 0 };
        out.push(old | new);
        for record in [&self.old, &self.new].into_iter().flatten() {
            record.encode(out);
        }
    }

    fn decode(previous: &[u8], reader: &mut Reader<'_>) -> Result<DeltaChange, DecodeError> {
        let shared = reader.length(previous.len())?;
        let length = reader.length(MAX_PATH_BYTES)?;
        let rest = reader.take(length)?;
        if !rest.is_empty() && rest.first() == previous.get(shared) {
            return Err(DecodeError::Redundant);
        }
        let path = changeable(&[&previous[..shared], rest].concat())?;
        let sides = reader.byte()?;
        if sides == 0 || sides > HAS_OLD | HAS_NEW {
            return Err(DecodeError::Flags(sides));
        }
        let mut record = |side: u8| {
            if sides & side == 0 { Ok(None) } else { Record::decode(reader).map(Some) }
        };
        let (old, new) = (record(HAS_OLD)?, record(HAS_NEW)?);
        if old == new {
            return Err(DecodeError::Redundant);
        }
        Ok(DeltaChange { path, old, new })
    }
}

fn shared_prefix(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// A path that a tree may hold something at.
fn changeable(bytes: &[u8]) -> Result<Path, DecodeError> {
    let path = Path::from_bytes(bytes)?;
    if path.is_root() || path.is_reserved() { Err(DecodeError::Reserved) } else { Ok(path) }
}

impl Delta {
    /// The delta without moves between two trees. `None` if it is beyond the limits.
    pub fn between<S: NodeSource>(
        source: &S,
        base: &Hash,
        target: &Hash,
    ) -> Result<Option<Delta>, TreeError<S::Error>> {
        let mut changes: Vec<DeltaChange> = Vec::new();
        let mut bytes = 0;
        for difference in Differences::new(source, base, target, None) {
            let change = DeltaChange::from(difference?);
            bytes += change.path.as_bytes().len();
            if changes.len() == MAX_DELTA_CHANGES || bytes > MAX_DELTA_PATH_BYTES {
                return Ok(None);
            }
            changes.push(change);
        }
        changes.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        let delta = Delta { base: *base, target: *target, moves: Vec::new(), changes };
        Ok(if delta.encode().is_ok() { Some(delta) } else { None })
    }

    /// The one encoding of this delta.
    pub fn encode(&self) -> Result<Bytes, DeltaError> {
        self.check()?;
        let mut out = vec![TAG, VERSION];
        out.extend_from_slice(self.base.as_bytes());
        out.extend_from_slice(self.target.as_bytes());
        write_varint(&mut out, self.moves.len() as u64);
        for path in self.moves.iter().flat_map(|step| [&step.from, &step.to]) {
            write_varint(&mut out, path.as_bytes().len() as u64);
            out.extend_from_slice(path.as_bytes());
        }
        write_varint(&mut out, self.changes.len() as u64);
        let mut previous: &[u8] = &[];
        for change in &self.changes {
            change.encode(previous, &mut out);
            previous = change.path.as_bytes();
            if out.len() > MAX_DELTA_BYTES {
                return Err(DeltaError::TooLarge);
            }
        }
        if out.len() > MAX_DELTA_BYTES { Err(DeltaError::TooLarge) } else { Ok(out.into()) }
    }

    fn check(&self) -> Result<(), DeltaError> {
        let path_bytes: usize = self.changes.iter().map(|c| c.path.as_bytes().len()).sum();
        if self.changes.len() > MAX_DELTA_CHANGES
            || self.moves.len() > MAX_DELTA_MOVES
            || path_bytes > MAX_DELTA_PATH_BYTES
        {
            return Err(DeltaError::TooLarge);
        }
        if !self.changes.is_sorted_by(|left, right| left.path < right.path) {
            return Err(DeltaError::Order);
        }
        if self.changes.iter().any(|change| change.old == change.new)
            || self.moves.iter().any(|step| step.from == step.to)
        {
            return Err(DeltaError::Redundant);
        }
        let moved = self.moves.iter().flat_map(|step| [&step.from, &step.to]);
        let mut paths = moved.chain(self.changes.iter().map(|change| &change.path));
        if paths.any(|p| p.is_root() || p.is_reserved() || !p.is_within_limits()) {
            return Err(DeltaError::Path);
        }
        let records = self.changes.iter().flat_map(|change| [&change.old, &change.new]);
        records.flatten().try_for_each(Record::check)?;
        Ok(())
    }

    /// Reads a delta: accepts only bytes that [`Delta::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Delta, DecodeError> {
        if bytes.len() > MAX_DELTA_BYTES {
            return Err(DecodeError::TooLarge);
        }
        let mut reader = Reader::new(bytes);
        let tag = reader.byte()?;
        if tag != TAG {
            return Err(DecodeError::Tag(tag));
        }
        let version = reader.byte()?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let (base, target) = (reader.hash()?, reader.hash()?);
        let moves = decode_moves(&mut reader)?;
        let changes = decode_changes(&mut reader)?;
        reader.end()?;
        Ok(Delta { base, target, moves, changes })
    }
}

fn decode_moves(reader: &mut Reader<'_>) -> Result<Vec<Move>, DecodeError> {
    let mut moves = Vec::new();
    for _ in 0..reader.length(MAX_DELTA_MOVES)? {
        let mut path = || {
            let length = reader.length(MAX_PATH_BYTES)?;
            changeable(reader.take(length)?)
        };
        let step = Move { from: path()?, to: path()? };
        if step.from == step.to {
            return Err(DecodeError::Redundant);
        }
        moves.push(step);
    }
    Ok(moves)
}

fn decode_changes(reader: &mut Reader<'_>) -> Result<Vec<DeltaChange>, DecodeError> {
    let mut changes: Vec<DeltaChange> = Vec::new();
    let mut path_bytes = 0;
    for _ in 0..reader.length(MAX_DELTA_CHANGES)? {
        let previous = changes.last().map_or(&[][..], |change| change.path.as_bytes());
        let change = DeltaChange::decode(previous, reader)?;
        if changes.last().is_some_and(|last| last.path >= change.path) {
            return Err(DecodeError::Order);
        }
        path_bytes += change.path.as_bytes().len();
        if path_bytes > MAX_DELTA_PATH_BYTES {
            return Err(DecodeError::TooLarge);
        }
        changes.push(change);
    }
    Ok(changes)
}

#[cfg(test)]
mod tests;

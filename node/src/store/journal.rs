//! The journal: which delta led from which root to which, for peers that were away.
//!
//! A row stands under its head's place, (epoch, seq), and holds the roots before and after, the
//! signed head and the delta, if there is one. Beside it a value of the state says for each root
//! where the newest row that starts from it is, so that the way from a peer's root is found without
//! a search. The journal is bounded in rows and bytes; the oldest rows go first. Nothing is ever
//! replayed from it: what is read is folded and proved like any other delta.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mirrormesh_merkle::Hash;

use super::disk::{Batch, Disk, DiskResult, Table};

/// Most rows.
pub const JOURNAL_ROWS: u64 = 100_000;
/// Most bytes of all rows.
pub const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// Keys of the state that lead from a root to its row begin with this.
const FROM: &[u8] = b"journal-from/";
/// The root that the newest row leads to.
const NEWEST: &[u8] = b"journal-newest";
/// Rows and bytes of the journal (both 8 bytes, big-endian).
const SIZE: &[u8] = b"journal-size";
const VERSION: u8 = 1;
/// Rows removed at a time.
const TRIM_ROWS: usize = 4;

/// One step from a root to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Root before.
    pub from: Hash,
    /// Root after.
    pub to: Hash,
    /// The signed head, encoded.
    pub head: Bytes,
    /// The encoded delta, if there was one.
    pub delta: Option<Bytes>,
}

impl JournalRow {
    fn encode(&self) -> Bytes {
        let delta = self.delta.as_ref().map_or(0, Bytes::len);
        let mut out = BytesMut::with_capacity(70 + self.head.len() + delta);
        out.put_u8(VERSION);
        out.put_slice(self.from.as_bytes());
        out.put_slice(self.to.as_bytes());
        out.put_u32(self.head.len() as u32);
        out.put_slice(&self.head);
        out.put_u8(u8::from(self.delta.is_some()));
        out.put_slice(self.delta.as_deref().unwrap_or_default());
        out.freeze()
    }

    /// Reads a row; `None` if it is not one of this version.
    pub fn decode(bytes: &Bytes) -> Option<JournalRow> {
        let mut input = bytes.clone();
        if input.try_get_u8().ok()? != VERSION || input.len() < 64 {
            return None;
        }
        let mut hash = || Some(Hash::from_bytes(input.split_to(32).as_ref().try_into().ok()?));
        let (from, to) = (hash()?, hash()?);
        let length = input.try_get_u32().ok()? as usize;
        if length > input.len() {
            return None;
        }
        let head = input.split_to(length);
        let delta = match input.try_get_u8().ok()? {
            0 if input.is_empty() => None,
            1 => Some(input),
            _ => return None,
        };
        Some(JournalRow { from, to, head, delta })
    }
}

/// Key of a row.
pub fn journal_key((epoch, seq): (u64, u64)) -> Bytes {
    let mut key = BytesMut::with_capacity(16);
    key.put_u64(epoch);
    key.put_u64(seq);
    key.freeze()
}

/// Adds a step to a batch: the head at (epoch, seq) led from root `from` to root `to`.
pub fn journal_append(
    batch: &mut Batch,
    position: (u64, u64),
    from: Hash,
    to: Hash,
    head: Bytes,
    delta: Option<Bytes>,
) {
    let key = journal_key(position);
    let row = JournalRow { from, to, head, delta };
    batch.put(Table::Journal, key.clone(), row.encode());
    batch.put(Table::State, Bytes::from_static(NEWEST), to.as_bytes().to_vec());
    if from != to {
        batch.put(Table::State, from_key(&from), key);
    }
}

/// Completes a batch that may add rows: counts them, and removes the oldest ones where the journal
/// has outgrown its bounds. Whoever commits a batch of the core's calls this first.
pub fn journal_account<D: Disk>(disk: &D, batch: &mut Batch) -> DiskResult<()> {
    journal_account_within(disk, batch, JOURNAL_ROWS, JOURNAL_BYTES)
}

/// The same with other bounds.
pub fn journal_account_within<D: Disk>(
    disk: &D,
    batch: &mut Batch,
    most_rows: u64,
    most_bytes: u64,
) -> DiskResult<()> {
    let (mut rows, mut bytes) = size(disk)?;
    let mut touched = false;
    for (table, key, value) in &batch.writes {
        if *table != Table::Journal {
            continue;
        }
        touched = true;
        if let Some(old) = disk.get(Table::Journal, key)? {
            (rows, bytes) = (rows.saturating_sub(1), bytes.saturating_sub(length(key, &old)));
        }
        if let Some(value) = value {
            (rows, bytes) = (rows + 1, bytes + length(key, value));
        }
    }
    if !touched {
        return Ok(());
    }
    let mut start = Bytes::new();
    while rows > most_rows || bytes > most_bytes {
        let oldest = oldest(disk, &start)?;
        let Some((last, _)) = oldest.last() else { break };
        start = super::rows::after_key(last);
        for (key, value) in &oldest {
            if rows <= most_rows && bytes <= most_bytes {
                break;
            }
            (rows, bytes) = (rows.saturating_sub(1), bytes.saturating_sub(length(key, value)));
            remove(disk, batch, key, value)?;
        }
    }
    let mut value = BytesMut::with_capacity(16);
    value.put_u64(rows);
    value.put_u64(bytes);
    batch.put(Table::State, SIZE, value.freeze());
    Ok(())
}

/// Where on its way through the journal a search may meet a root.
pub(crate) enum Meets {
    /// Anywhere.
    Anywhere,
    /// By a step before this place, from which the way leads on.
    Before(Bytes),
    /// Nowhere.
    Nowhere,
}

/// Where the journal may lead to a root.
pub(crate) fn meets<D: Disk>(disk: &D, root: &Hash) -> DiskResult<Meets> {
    let newest = disk.get(Table::State, NEWEST)?;
    // Journals that know no newest root yet are searched.
    if newest.is_none_or(|newest| newest == root.as_bytes()[..]) {
        return Ok(Meets::Anywhere);
    }
    Ok(disk.get(Table::State, &from_key(root))?.map_or(Meets::Nowhere, Meets::Before))
}

/// The step that starts from a root, and its place. The newest, if there are several.
pub(crate) fn step_from<D: Disk>(disk: &D, from: &Hash) -> DiskResult<Option<(Bytes, JournalRow)>> {
    let Some(key) = disk.get(Table::State, &from_key(from))? else { return Ok(None) };
    let row = disk.get(Table::Journal, &key)?.and_then(|value| JournalRow::decode(&value));
    Ok(row.filter(|row| row.from == *from).map(|row| (key, row)))
}

fn from_key(root: &Hash) -> Bytes {
    [FROM, root.as_bytes()].concat().into()
}

fn length(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

fn size<D: Disk>(disk: &D) -> DiskResult<(u64, u64)> {
    let value = disk.get(Table::State, SIZE)?.unwrap_or_default();
    let mut input = &value[..];
    let mut number = || input.try_get_u64().unwrap_or(0);
    Ok((number(), number()))
}

fn oldest<D: Disk>(disk: &D, start: &[u8]) -> DiskResult<Vec<(Bytes, Bytes)>> {
    let mut rows = Vec::new();
    disk.range(Table::Journal, start, None, &mut |key, value| {
        rows.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        rows.len() < TRIM_ROWS
    })?;
    Ok(rows)
}

fn remove<D: Disk>(disk: &D, batch: &mut Batch, key: &Bytes, value: &Bytes) -> DiskResult<()> {
    // A row that this very batch writes stays: it is the newest.
    if batch.writes.iter().any(|(table, written, _)| *table == Table::Journal && written == key) {
        return Ok(());
    }
    batch.remove(Table::Journal, key.clone());
    let Some(row) = JournalRow::decode(value) else { return Ok(()) };
    let pointer = from_key(&row.from);
    let is_replaced =
        batch.writes.iter().any(|(table, key, _)| *table == Table::State && *key == pointer);
    if !is_replaced && disk.get(Table::State, &pointer)?.as_ref() == Some(key) {
        batch.remove(Table::State, pointer);
    }
    Ok(())
}

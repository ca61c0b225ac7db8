//! Setting aside: what is not ours goes from the docroot into `kept`, with a manifest.
//!
//! A thing keeps in `kept` the name that it had in `displaced`, so that after a crash between the
//! rename and the commit of the manifest its intent still says what it is. State: the manifests in
//! [`Table::Kept`], the next identifier and the sum of bytes in [`Table::State`]. Never copies,
//! never removes, never decides whether something may be set aside.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mirrormesh_merkle::{Name, Path, Record};

use super::disk::{Disk, DiskResult, Rename, Table};
use super::index::{IndexRow, Seen};
use super::job::{KeptReason, Manifest};
use super::pending::Pending;
use super::state;

/// What a manifest will say, but for identifier, size and place.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) path: Path,
    pub(super) record: Option<Record>,
    pub(super) reason: KeptReason,
    pub(super) wall: i64,
}

/// Moves `name` from `from` into `kept` and writes its manifest into `pending`.
pub(super) fn set_aside<D: Disk>(
    disk: &D,
    pending: &mut Pending<'_, D>,
    from: &D::Directory,
    kept: &D::Directory,
    name: &Name,
    about: About,
    bytes: u64,
) -> DiskResult<Manifest> {
    disk.rename(from, name, kept, name, Rename::Keep)?;
    add_manifest(pending, name, about, bytes)
}

/// Writes the manifest of what lies in `kept` under `name` already.
pub(super) fn add_manifest<D: Disk>(
    pending: &mut Pending<'_, D>,
    name: &Name,
    about: About,
    bytes: u64,
) -> DiskResult<Manifest> {
    let id = number(pending, state::NEXT_KEPT)?.max(1);
    let sum = number(pending, state::KEPT_BYTES)?;
    let About { path, record, reason, wall } = about;
    let stored_as = String::from_utf8_lossy(name.as_bytes()).into_owned();
    let manifest = Manifest { id, path, record, bytes, reason, wall, stored_as };
    pending.put(Table::Kept, id_key(id), encode(&manifest));
    pending.put(Table::State, state::NEXT_KEPT, id_key(id.saturating_add(1)));
    pending.put(Table::State, state::KEPT_BYTES, id_key(sum.saturating_add(bytes)));
    Ok(manifest)
}

/// Removes a manifest.
pub(super) fn remove_manifest<D: Disk>(
    pending: &mut Pending<'_, D>,
    manifest: &Manifest,
) -> DiskResult<()> {
    let sum = number(pending, state::KEPT_BYTES)?;
    pending.remove(Table::Kept, id_key(manifest.id));
    pending.put(Table::State, state::KEPT_BYTES, id_key(sum.saturating_sub(manifest.bytes)));
    Ok(())
}

/// A manifest by its identifier.
pub(super) fn manifest<D: Disk>(pending: &Pending<'_, D>, id: u64) -> DiskResult<Option<Manifest>> {
    let bytes = pending.get(Table::Kept, &id_key(id))?;
    Ok(bytes.and_then(|bytes| decode(id, &bytes)))
}

/// Manifests with identifiers above `after`, at most `limit`. What is no manifest is left out.
pub(super) fn manifests<D: Disk>(
    pending: &Pending<'_, D>,
    after: u64,
    limit: usize,
) -> DiskResult<Vec<Manifest>> {
    let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
    let rows = pending.range(Table::Kept, &id_key(first), None, limit)?;
    let of_row = |(key, value): (Bytes, Bytes)| {
        let id = u64::from_be_bytes(key.as_ref().try_into().ok()?);
        decode(id, &value)
    };
    Ok(rows.into_iter().filter_map(of_row).collect())
}

/// A number in the table of state; 0 if there is none.
pub(super) fn number<D: Disk>(pending: &Pending<'_, D>, name: &[u8]) -> DiskResult<u64> {
    let bytes = pending.get(Table::State, name)?;
    let bytes = bytes.and_then(|bytes| bytes.as_ref().try_into().ok());
    Ok(bytes.map_or(0, u64::from_be_bytes))
}

/// A number as a key or value.
pub(super) fn id_key(id: u64) -> Bytes {
    Bytes::copy_from_slice(&id.to_be_bytes())
}

pub(super) fn reason_code(reason: KeptReason) -> u8 {
    match reason {
        KeptReason::LocalEdit => 0,
        KeptReason::Adoption => 1,
        KeptReason::Damage => 2,
        KeptReason::Rollback => 3,
        KeptReason::Crash => 4,
        KeptReason::Restored => 5,
    }
}

pub(super) fn reason_of(code: u8) -> Option<KeptReason> {
    Some(match code {
        0 => KeptReason::LocalEdit,
        1 => KeptReason::Adoption,
        2 => KeptReason::Damage,
        3 => KeptReason::Rollback,
        4 => KeptReason::Crash,
        5 => KeptReason::Restored,
        _ => return None,
    })
}

const VERSION: u8 = 1;

fn encode(manifest: &Manifest) -> Bytes {
    let path = manifest.path.as_bytes();
    let mut out = BytesMut::with_capacity(64 + path.len());
    out.put_u8(VERSION);
    out.put_u8(reason_code(manifest.reason));
    out.put_i64(manifest.wall);
    out.put_u64(manifest.bytes);
    out.put_u32(path.len() as u32);
    out.put_slice(path);
    out.put_u32(manifest.stored_as.len() as u32);
    out.put_slice(manifest.stored_as.as_bytes());
    if let Some(record) = &manifest.record {
        // A record has no encoding of its own outside trees; a row that was never seen is one.
        out.put_slice(&IndexRow { record: record.clone(), seen: NEVER, local: false }.encode());
    }
    out.freeze()
}

const NEVER: Seen = {
    let zero = mirrormesh_merkle::Time { seconds: 0, nanoseconds: 0 };
    Seen { inode: 0, ctime: zero, mtime: zero, size: 0, mode: 0 }
};

fn decode(id: u64, bytes: &[u8]) -> Option<Manifest> {
    let mut input = bytes;
    if input.try_get_u8().ok()? != VERSION {
        return None;
    }
    let reason = reason_of(input.try_get_u8().ok()?)?;
    let wall = input.try_get_i64().ok()?;
    let size = input.try_get_u64().ok()?;
    let path = Path::from_bytes(take(&mut input)?).ok()?;
    let stored_as = String::from_utf8(take(&mut input)?.to_vec()).ok()?;
    let record = match input {
        [] => None,
        row => Some(IndexRow::decode(row)?.record),
    };
    Some(Manifest { id, path, record, bytes: size, reason, wall, stored_as })
}

fn take<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(input.try_get_u32().ok()?).ok()?;
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}

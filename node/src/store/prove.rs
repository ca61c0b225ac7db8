//! Prove: computes a target tree from a known one by deltas, and accepts it only if its root is the
//! signed one. Where the way is short, makes the parcel that leads there at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use mirrormesh_merkle::{
    Delta, DeltaChange, Difference, Differences, Hash, Record, TreeError, apply_delta,
};

use super::disk::{Disk, DiskError};
use super::job::{
    Item, JobError, LARGE_BYTES, PARCEL_BYTES, PARCEL_ITEMS, Parcel, Prove, Proved, Want,
};
use super::pending::Pending;
use super::weigh::Removals;
use super::{request, sources};

/// Executes the job.
pub(crate) fn prove<D: Disk>(job: Prove, disk: &D) -> Result<Proved, JobError> {
    let mut pending = Pending::new(disk);
    let mut tree = job.base;
    let mut last = None;
    for bytes in &job.deltas {
        let delta = Delta::decode(bytes)
            .map_err(|error| JobError::Unproved(format!("a delta is malformed: {error}")))?;
        tree = apply_delta(&mut pending, &tree, &delta).map_err(of_proof)?;
        last = Some(delta);
    }
    if tree.root != job.target {
        let reached = tree.root;
        return Err(JobError::Unproved(format!(
            "the deltas lead to {reached}, not {}",
            job.target
        )));
    }
    let is_one_step = job.deltas.len() == 1;
    let direct =
        last.filter(|delta| is_one_step && delta.moves.is_empty()).map(|delta| delta.changes);
    let removed = match &direct {
        Some(changes) => {
            let mut removals = Removals::default();
            for change in changes {
                removals.count(change.old.as_ref(), change.new.as_ref());
            }
            removals.total()
        }
        None => removed_between(&pending, &job.base.root, &tree.root)?,
    };
    let parcel = match direct {
        Some(changes) if job.base.root == job.current.root => {
            parcel(&pending, changes, &job.inline)?
        }
        _ => None,
    };
    if !pending.is_empty() {
        pending.commit(false)?;
    }
    Ok(Proved { tree, parcel, removed })
}

/// What does not fit is the peer's fault, what is missing or damaged is the store's.
fn of_proof(error: TreeError<DiskError>) -> JobError {
    match error {
        TreeError::Source(_) | TreeError::Missing(_) | TreeError::Decode { .. } => error.into(),
        other => JobError::Unproved(other.to_string()),
    }
}

fn removed_between<D: Disk>(
    pending: &Pending<'_, D>,
    base: &Hash,
    target: &Hash,
) -> Result<u64, JobError> {
    let mut removals = Removals::default();
    for difference in Differences::new(pending, base, target, None) {
        let difference: Difference = difference?;
        removals.count(difference.old.as_ref(), difference.new.as_ref());
    }
    Ok(removals.total())
}

/// The parcel of a delta's changes, if one holds them all and needs no large file.
fn parcel<D: Disk>(
    pending: &Pending<'_, D>,
    changes: Vec<DeltaChange>,
    inline: &[Hash],
) -> Result<Option<Arc<Parcel>>, JobError> {
    if changes.is_empty() || changes.len() > PARCEL_ITEMS {
        return Ok(None);
    }
    let mut here: BTreeSet<Hash> = inline.iter().copied().collect();
    let mut wants = Vec::new();
    let mut bytes = 0_u64;
    for change in &changes {
        let Some(Record::File(file)) = &change.new else { continue };
        // What was not served may never have come here.
        let same = matches!(&change.old, Some(Record::File(old))
            if old.content == file.content && !old.unserved && sources::is_readable(old.mode));
        let is_here = same
            || file.unserved
            || file.size == 0
            || here.contains(&file.content)
            || !sources::of(pending, file)?.is_empty();
        if is_here {
            continue;
        }
        bytes = bytes.saturating_add(file.size);
        if file.size > LARGE_BYTES || bytes > PARCEL_BYTES {
            return Ok(None);
        }
        here.insert(file.content);
        wants.push(Want { content: file.content, size: file.size, path: change.path.clone() });
    }
    let items = changes.into_iter().map(|DeltaChange { path, old, new }| Item { path, old, new });
    let items: Vec<Item> = items.collect();
    let request = request::encode(&wants);
    if request.len() > request::MAX_REQUEST_BYTES {
        return Ok(None);
    }
    Ok(Some(Arc::new(Parcel { items, wants, large: None, request })))
}

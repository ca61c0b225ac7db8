//! Compare: what differs between two stored trees, a page at a time.

use mirrormesh_merkle::{Difference, difference};

use super::disk::Disk;
use super::job::{Compare, Compared, Item, JobError};
use super::pending::StoredNodes;

/// Most differences of one answer.
const PAGE: usize = 256;

/// Executes the job.
pub(crate) fn compare<D: Disk>(job: &Compare, disk: &D) -> Result<Compared, JobError> {
    let nodes = StoredNodes(disk);
    let found = difference(&nodes, &job.old, &job.new, job.after.as_ref(), PAGE)?;
    let next = if found.len() < PAGE { None } else { found.last().map(|last| last.path.clone()) };
    let items = found.into_iter().map(|Difference { path, old, new }| Item { path, old, new });
    Ok(Compared { items: items.collect(), next })
}

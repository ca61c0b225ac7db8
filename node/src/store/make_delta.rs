//! MakeDelta: one delta of the difference between two stored trees, if it fits one.

use mirrormesh_merkle::Delta;

use super::disk::Disk;
use super::job::{JobError, MadeDelta, MakeDelta};
use super::pending::StoredNodes;

/// Executes the job.
pub(crate) fn make_delta<D: Disk>(job: &MakeDelta, disk: &D) -> Result<MadeDelta, JobError> {
    let delta = Delta::between(&StoredNodes(disk), &job.base.root, &job.target.root)?;
    Ok(MadeDelta { delta: delta.and_then(|delta| delta.encode().ok()) })
}

//! Persist: commits what the core asks for.

use super::disk::Disk;
use super::job::{JobError, Persist};
use super::journal::journal_account;

/// Executes the job.
pub(crate) fn persist<D: Disk>(mut job: Persist, disk: &D) -> Result<(), JobError> {
    journal_account(disk, &mut job.batch)?;
    disk.commit(job.batch, job.durable)?;
    Ok(())
}

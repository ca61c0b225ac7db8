//! Observe: brings the current tree in line with the disk at some places.
//!
//! Straight-line: resolve the docroot, look at each place, then change tree, index and contents in
//! one commit. What is as the index says is not opened; what differs is read, and on an origin
//! only taken when it is stable. What cannot be taken stays as it was last published, listed.
//!
//! A job has limits. What is left of a scan comes back as a look after the last path that was done. What goes away goes bottom-up, row by row, so that tree and index agree after
//! every job however little of it could be done.
//!
//! Never changes the docroot, except for files that a crash left behind (see [`leftover`]). Never
//! holds more than the names of one directory and the changes of one job.

mod docroot;
mod file;
mod finish;
mod leftover;
mod listing;
mod look;
mod name;
mod observation;
mod other_kinds;
mod removal;
mod scan;
mod unmanaged;

use docroot::Docroot;
use observation::Observation;

use super::disk::Disk;
use super::job::{JobError, Observe, Observed};

/// Executes the job.
pub(crate) fn observe<D: Disk>(job: Observe, disk: &D) -> Result<Observed, JobError> {
    match docroot::resolve(disk, job.expected)? {
        Docroot::Found { root, identity, device } => {
            let looks = job.looks.clone();
            let mut observation = Observation::new(job, disk, root, identity, device)?;
            observation.look_at(looks)?;
            observation.finish()
        }
        Docroot::NotObserved(state) => Ok(finish::nothing(state, job)),
    }
}

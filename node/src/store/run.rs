//! Executes a job: says which module does what.

use super::apply::apply;
use super::collect::collect;
use super::compare::compare;
use super::disk::{Disk, Place};
use super::disown::disown;
use super::hash_file::hash_file;
use super::job::{Done, Job, JobError};
use super::kept::kept;
use super::make_delta::make_delta;
use super::observe::observe;
use super::pack::pack;
use super::persist::persist;
use super::plan::plan;
use super::prove::prove;
use super::serve_nodes::serve_nodes;
use super::serve_since::serve_since;
use super::stage::stage;
use super::take_up::take_up;
use super::verify::verify;
use super::walk_step::walk_step;
use super::weigh::weigh;

/// Executes a job.
///
/// # Errors
///
/// See [`JobError`]: docroot and ordered store are as before, or as a crash in the middle would
/// leave them.
pub fn run<D: Disk>(job: Job, disk: &D) -> Result<Done, JobError> {
    Ok(match job {
        Job::Observe(job) => Done::Observe(observe(job, disk)?),
        Job::HashFile(job) => Done::HashFile(hash_file(job, disk)?),
        Job::Prove(job) => Done::Prove(prove(job, disk)?),
        Job::WalkStep(job) => Done::WalkStep(walk_step(job, disk)?),
        Job::Weigh(job) => Done::Weigh(weigh(&job, disk)?),
        Job::Plan(job) => Done::Plan(plan(disk, &job)?),
        Job::Apply(job) => Done::Apply(apply(disk, &job)?),
        Job::Stage(job) => Done::Stage(stage(disk, &job)?),
        Job::Persist(job) => {
            persist(job, disk)?;
            Done::Persist
        }
        Job::FlushDocroot => {
            disk.sync_all(&disk.open_place(Place::Docroot)?)?;
            Done::FlushDocroot
        }
        Job::Disown(job) => Done::Disown(disown(&job, disk)?),
        Job::TakeUp(job) => Done::TakeUp(take_up(&job, disk)?),
        Job::MakeDelta(job) => Done::MakeDelta(make_delta(&job, disk)?),
        Job::ServeNodes(job) => Done::ServeNodes(serve_nodes(&job, disk)?),
        Job::ServeSince(job) => Done::ServeSince(serve_since(&job, disk)?),
        Job::Pack(job) => Done::Pack(pack(&job, disk)?),
        Job::Verify(job) => Done::Verify(verify(job, disk)?),
        Job::Kept(job) => Done::Kept(kept(disk, &job)?),
        Job::Compare(job) => Done::Compare(compare(&job, disk)?),
        Job::Collect(job) => Done::Collect(collect(&job, disk)?),
    })
}

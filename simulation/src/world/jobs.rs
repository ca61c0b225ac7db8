//! Jobs: run inline, in one go, on the machine's disk; the node hears of it later.

use mirrormesh::store::{Done, Job, JobError, JobId, PARCEL_BYTES, PARCEL_ITEMS, run};

use super::{Happening, World};
use crate::network::Life;
use crate::schedule::{MILLISECOND, Time};

impl World {
    /// Puts a job into the tree or the stage lane.
    pub(crate) fn enqueue(&mut self, life: Life, is_tree: bool, id: JobId, job: Job) {
        let own = &mut self.hosts[life.host];
        let lane = if is_tree { &mut own.tree } else { &mut own.stage };
        lane.waiting.push_back((id, job));
        if !lane.is_running {
            lane.is_running = true;
            let at = self.now() + super::effects::SOON;
            self.schedule.put(at, lane_event(life, is_tree));
        }
    }

    /// A lane takes its next job.
    pub(crate) fn run_lane(&mut self, life: Life, is_tree: bool) {
        if self.hosts[life.host].life != life {
            return;
        }
        let own = &mut self.hosts[life.host];
        let lane = if is_tree { &mut own.tree } else { &mut own.stage };
        let Some((id, job)) = lane.waiting.pop_front() else {
            lane.is_running = false;
            return;
        };
        if let Some(took) = self.run_job(life, id, job) {
            self.schedule.put(self.now() + took, lane_event(life, is_tree));
        }
    }

    pub(crate) fn read_soon(&mut self, life: Life, id: JobId, job: Job) {
        let wait =
            self.draws.of_pair("read", life.host as u64, id.0, life.number).below(MILLISECOND);
        self.schedule.put(self.now() + wait, Happening::RunRead(life, id, Box::new(job)));
    }

    pub(crate) fn run_read(&mut self, life: Life, id: JobId, job: Job) {
        if self.hosts[life.host].life == life {
            self.run_job(life, id, job);
        }
    }

    /// Runs a job. Returns how long it took; `None` if the program ended in it.
    fn run_job(&mut self, life: Life, id: JobId, job: Job) -> Option<Time> {
        let host = life.host;
        self.set_clock(host);
        let disk = self.hosts[host].disk.clone()?;
        let before = disk.primitives();
        let result = run(job, &disk);
        self.statistics.jobs += 1;
        self.hosts[host].jobs_ever += 1;
        self.calm.job(&result);
        if disk.is_crashed() {
            self.crashed_in_job(host);
            return None;
        }
        self.collect_hints(host);
        if let Err(error) = &result {
            self.job_failed(host, error);
        }
        let primitives = disk.primitives() - before;
        let mut draw = self.draws.of_pair("job", host as u64, life.number, id.0);
        let mut took = MILLISECOND / 20 + primitives * draw.between(2_000, 60_000);
        if self.plan.is_on("slow-disk") && draw.one_in(12) && !self.calm.has_begun {
            took += draw.between(MILLISECOND, 2_000 * MILLISECOND);
        }
        self.schedule.put(self.now() + took, Happening::Done(life, id, Box::new(result)));
        Some(took)
    }

    fn job_failed(&mut self, host: usize, error: &JobError) {
        let name = match error {
            JobError::Disk { .. } => "disk",
            JobError::Unproved(_) => "unproved",
            JobError::Inconsistent(_) => "inconsistent",
        };
        *self.statistics.failed_jobs.entry(name).or_default() += 1;
        if let JobError::Inconsistent(detail) = error
            && detail != "not there yet"
        {
            self.violated("the store agrees with itself", format!("host {host}: {detail}"));
        }
    }

    pub(crate) fn job_done(&mut self, life: Life, id: JobId, result: Result<Done, JobError>) {
        if self.hosts[life.host].life == life {
            self.hosts[life.host].jobs = self.hosts[life.host].jobs.saturating_sub(1);
            self.tell(life, mirrormesh::core::Event::Done { job: id, result });
        }
    }

    /// The bounds of what a job may be asked.
    pub(crate) fn check_job(&mut self, job: &Job) {
        let fault = match job {
            Job::Observe(job) if job.looks.len() > 256 => Some("an Observe of more than 256 looks"),
            Job::Observe(job) if job.give_up.len() > 256 => Some("more than 256 files given up"),
            Job::Apply(job) if job.parcel.items.len() > PARCEL_ITEMS => Some("a parcel too long"),
            Job::Apply(job)
                if job.parcel.large.is_none()
                    && job.parcel.wants.iter().map(|want| want.size).sum::<u64>()
                        > PARCEL_BYTES + mirrormesh::store::LARGE_BYTES =>
            {
                Some("a parcel too heavy")
            }
            _ => None,
        };
        if let Some(fault) = fault {
            self.violated("bounds", fault.to_string());
        }
    }
}

fn lane_event(life: Life, is_tree: bool) -> Happening {
    if is_tree { Happening::RunTree(life) } else { Happening::RunStage(life) }
}

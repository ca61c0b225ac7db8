//! Threads for jobs.
//!
//! Purpose: runs jobs on threads that may wait for disks: one for the tree lane, in the order
//! given, one for the stage lane, several for the read lane. A thread of its own costs less than a
//! hop through tokio's pool, and keeps the order.
//!
//! State: one queue a lane.
//!
//! Invariants: tree-lane jobs never overlap; every job is answered once, unless the daemon ends;
//! a job that panics ends the daemon, because nobody knows what it left half done. A queue holds at
//! most [`QUEUE_PLACES`]: the core keeps few jobs in flight, and more are a fault of the program.
//!
//! Never retries.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::input::{Inbox, Input};
use crate::core::Event;
use crate::store::{Done, Job, JobError, JobId, Lane};

/// Most jobs that wait in a lane.
const QUEUE_PLACES: usize = 4_096;
/// Fewest and most threads of the read lane: more than large files are hashed at a time, which would
/// keep all else waiting.
const READERS: std::ops::RangeInclusive<usize> = 3..=8;

/// How a job is run.
pub(crate) type Run = Arc<dyn Fn(Job) -> Result<Done, JobError> + Send + Sync>;
/// What makes jobs that take long end early.
pub(crate) type CutShort = Box<dyn Fn() + Send + Sync>;

/// The queue of one lane is full: a fault of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {QUEUE_PLACES} jobs wait in one lane")]
pub(crate) struct TooManyJobs;

/// The threads.
pub(crate) struct Jobs {
    tree: Arc<Queue>,
    stage: Arc<Queue>,
    read: Arc<Queue>,
    cut_short: CutShort,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(JobId, Job)>,
    closed: bool,
}

impl Jobs {
    /// Starts the threads; results go into `inbox`.
    ///
    /// # Errors
    /// What the system says when it has no more threads.
    pub(crate) fn start(run: Run, cut_short: CutShort, inbox: &Inbox) -> io::Result<Jobs> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let readers = cores.clamp(*READERS.start(), *READERS.end());
        let mut jobs = Jobs {
            tree: Arc::default(),
            stage: Arc::default(),
            read: Arc::default(),
            cut_short,
            threads: Vec::new(),
        };
        let mut lanes = vec![("tree", jobs.tree.clone()), ("stage", jobs.stage.clone())];
        lanes.extend((0..readers).map(|_| ("read", jobs.read.clone())));
        for (name, queue) in lanes {
            let (run, inbox) = (run.clone(), inbox.clone());
            let thread = std::thread::Builder::new().name(format!("jobs-{name}"));
            jobs.threads.push(thread.spawn(move || work(&queue, &run, &inbox))?);
        }
        Ok(jobs)
    }

    /// Hands a job to its lane.
    ///
    /// # Errors
    /// [`TooManyJobs`]; the job is lost.
    pub(crate) fn submit(&self, id: JobId, job: Job) -> Result<(), TooManyJobs> {
        let queue = match job.lane() {
            Lane::Tree => &self.tree,
            Lane::Stage => &self.stage,
            Lane::Read => &self.read,
        };
        let mut waiting = queue.lock();
        if waiting.jobs.len() == QUEUE_PLACES {
            return Err(TooManyJobs);
        }
        waiting.jobs.push_back((id, job));
        drop(waiting);
        queue.came.notify_one();
        Ok(())
    }

    /// Makes jobs that take long end early.
    pub(crate) fn cut_short(&self) {
        (self.cut_short)();
    }

    /// Lets each thread end after the job at hand, and waits for them. Blocks. The inbox must have
    /// been emptied or given up before, else a thread may wait for a place in it.
    pub(crate) fn end(mut self) {
        self.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }

    fn close(&self) {
        for queue in [&self.tree, &self.stage, &self.read] {
            let mut waiting = queue.lock();
            waiting.closed = true;
            waiting.jobs.clear();
            drop(waiting);
            queue.came.notify_all();
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; `None` when the daemon ends.
    fn next(&self) -> Option<(JobId, Job)> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn work(queue: &Queue, run: &Run, inbox: &Inbox) {
    while let Some((id, job)) = queue.next() {
        let input = match catch_unwind(AssertUnwindSafe(|| run(job))) {
            Ok(result) => Input::Event(Event::Done { job: id, result }),
            Err(panic) => Input::Broken(format!("a job panicked: {}", message(&*panic))),
        };
        if !inbox.send_blocking(input) {
            return;
        }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests;

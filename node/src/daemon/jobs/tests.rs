use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::store::{Batch, Collect, KeptJob, Pack, Persist, Stage, StageStep};

const PATIENCE: Duration = Duration::from_secs(20);

fn tree_job() -> Job {
    Job::Persist(Persist { batch: Batch::default(), durable: false })
}

fn read_job() -> Job {
    let wants = Arc::new(Vec::new());
    Job::Pack(Pack { wants, next: 0, offset: 0, framed: true, budget: 0 })
}

fn stage_job() -> Job {
    let content = mirrormesh_merkle::content_hash(b"");
    Job::Stage(Stage { content, size: 0, step: StageStep::Open })
}

/// Jobs that say when they begin, and end when they are let.
struct Gate {
    began: Receiver<Lane>,
    go: Sender<()>,
    jobs: Jobs,
    inputs: mpsc::Receiver<Input>,
}

impl Gate {
    fn new() -> Gate {
        let (began_sender, began) = channel();
        let (go, gone) = channel();
        let gone = Mutex::new(gone);
        let (inbox, inputs) = Inbox::new();
        let run: Run = Arc::new(move |job: Job| {
            began_sender.send(job.lane()).unwrap();
            if job.lane() == Lane::Tree {
                gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            }
            Ok(Done::Persist)
        });
        Gate { began, go, jobs: Jobs::start(run, Box::new(|| ()), &inbox).unwrap(), inputs }
    }

    fn done(&mut self) -> JobId {
        match self.inputs.blocking_recv().unwrap() {
            Input::Event(Event::Done { job, result: Ok(Done::Persist) }) => job,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_tree_lane_keeps_the_order_and_holds_nobody_else_up() {
    let mut gate = Gate::new();
    for number in 1..=3 {
        gate.jobs.submit(JobId(number), tree_job()).unwrap();
    }
    assert_eq!(gate.began.recv_timeout(PATIENCE), Ok(Lane::Tree));
    gate.jobs.submit(JobId(4), read_job()).unwrap();
    assert_eq!(gate.began.recv_timeout(PATIENCE), Ok(Lane::Read));
    assert_eq!(gate.done(), JobId(4));
    gate.jobs.submit(JobId(5), stage_job()).unwrap();
    assert_eq!(gate.began.recv_timeout(PATIENCE), Ok(Lane::Stage));
    assert_eq!(gate.done(), JobId(5));
    assert!(gate.began.try_recv().is_err(), "tree jobs do not overlap");
    for number in 1..=3 {
        gate.go.send(()).unwrap();
        assert_eq!(gate.done(), JobId(number));
    }
}

#[test]
fn the_end_waits_for_the_job_at_hand_and_drops_the_rest() {
    let Gate { began, go, jobs, inputs } = Gate::new();
    for number in 1..=3 {
        jobs.submit(JobId(number), tree_job()).unwrap();
    }
    assert_eq!(began.recv_timeout(PATIENCE), Ok(Lane::Tree));
    drop(inputs);
    go.send(()).unwrap();
    jobs.end();
    assert!(began.try_recv().is_err());
}

#[test]
fn a_queue_is_bounded() {
    let gate = Gate::new();
    let job = |number| gate.jobs.submit(JobId(number), tree_job());
    // One may have been taken out already.
    let refused = (0..=QUEUE_PLACES as u64 + 1).find(|number| job(*number).is_err());
    assert!(refused.is_some_and(|number| number >= QUEUE_PLACES as u64));
    assert_eq!(job(0), Err(TooManyJobs));
    gate.jobs.close();
    // A thread waits for this if it had taken a job out.
    let _ = gate.go.send(());
}

#[test]
fn a_panic_breaks_the_daemon() {
    let (inbox, mut inputs) = Inbox::new();
    let run: Run = Arc::new(|_| panic!("a fault of the program"));
    let jobs = Jobs::start(run, Box::new(|| ()), &inbox).unwrap();
    jobs.submit(JobId(1), Job::Kept(KeptJob::Drop { ids: Vec::new() })).unwrap();
    match inputs.blocking_recv().unwrap() {
        Input::Broken(reason) => assert!(reason.contains("a fault of the program"), "{reason}"),
        other => panic!("{other:?}"),
    }
    jobs.submit(JobId(2), Job::Collect(Collect { roots: Vec::new() })).unwrap();
}

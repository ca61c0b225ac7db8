//! A world: machines, a network between them, users, faults and checkers, in one thread.
//!
//! One event is taken after another; a machine's program is told, what it wants done is carried out
//! in order, and the checkers look. The program is the real one: [`mirrormesh::core::Node`] and
//! [`mirrormesh::store::run`] over a [`SimDisk`].
//!
//! Phases: users and faults for a while; then everything is mended and started, and within a bound
//! all must converge and go quiet.
//!
//! Never looks into a node but through its view.

mod calm;
mod checks;
mod effects;
mod faults;
mod jobs;
mod joining;
mod load;
mod machines;
mod operators;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use mirrormesh::core::{Event, Moment};
use mirrormesh::store::{Done, Job, JobError, JobId};
use mirrormesh_gossip::{ClusterId, Entropy, Instant, SecretKey, Token, Wall};
use mirrormesh_merkle::Time as FileTime;

use crate::disk::SimDisk;
use crate::draw::Draws;
use crate::host::{Host, Program};
use crate::ledger::Ledger;
use crate::network::{HostId, Life, Network, Traffic, Weather};
use crate::outcome::{Outcome, Statistics, Verdict};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::schedule::{MILLISECOND, SECOND, Schedule, Time};
use crate::trace::{Telling, Trace};
use crate::users::Users;

use self::calm::Calm;

/// 2026-01-01 in nanoseconds since 1970.
const BEGINNING: i64 = 1_767_225_600_000_000_000;

/// Something that happens in a world.
pub(crate) enum Happening {
    /// A node's deadline has come.
    Tick(Life),
    /// A lane takes its next job.
    RunTree(Life),
    RunStage(Life),
    /// A job of the read lane is run.
    RunRead(Life, JobId, Box<Job>),
    /// A node hears of a job that was run.
    Done(Life, JobId, Box<Result<Done, JobError>>),
    /// Something comes to pass in the network.
    Net(Traffic),
    /// The watcher says something.
    Watch(Life),
    /// A machine starts, or its program.
    Start(HostId),
    /// A machine that wants to be a member tries.
    Join(Life),
    /// A user edits on the origin, or on a replica.
    Edit,
    LocalEdit,
    /// A user opens a file, or goes on with an open one.
    Open,
    Held(HostId, u64),
    /// An operator asks something.
    Operator(u64),
    /// The system writes back what is not durable.
    WriteBack(HostId),
    /// A fault begins, or ends.
    Fault(usize),
    FaultOver(usize),
    /// Faults and users end.
    Calm,
    /// Is everything in line?
    Judge,
}

/// See the module's head.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) draws: Draws,
    pub(crate) schedule: Schedule<Happening>,
    pub(crate) network: Network,
    pub(crate) hosts: Vec<Host>,
    pub(crate) ledger: Rc<RefCell<Ledger>>,
    pub(crate) users: Rc<RefCell<Users>>,
    pub(crate) trace: Trace,
    pub(crate) statistics: Statistics,
    pub(crate) cluster: Option<ClusterId>,
    /// Join tokens: that of the founding, and one that the origin made.
    pub(crate) tokens: Vec<Token>,
    /// Questions asked by operators so far.
    pub(crate) questions: u64,
    /// What answers are for.
    pub(crate) asked: BTreeMap<u64, operators::Asked>,
    pub(crate) calm: Calm,
    pub(crate) verdict: Option<Verdict>,
}

impl World {
    fn new(scenario: &Scenario, seed: u64, telling: Telling) -> World {
        let plan = Plan::draw(scenario, seed);
        let draws = plan.draws;
        let ledger = Rc::new(RefCell::new(Ledger::new(plan.nodes, plan.is_on("links"))));
        let users = Users::new(draws, |switch| plan.is_on(switch), Rc::clone(&ledger));
        let hosts: Vec<Host> = (0..plan.nodes)
            .map(|number| Host::new(number, secret_of(draws, number), plan.clock_error(number)))
            .collect();
        let weather = Weather { loss: plan.is_on("loss"), jitter: plan.is_on("jitter") };
        let keys = hosts.iter().map(|host| host.secret.public()).collect();
        World {
            network: Network::new(keys, draws, &weather),
            schedule: Schedule::new(draws),
            hosts,
            ledger,
            users: Rc::new(RefCell::new(users)),
            trace: Trace::new(telling),
            statistics: Statistics::default(),
            cluster: None,
            tokens: Vec::new(),
            questions: 0,
            asked: BTreeMap::new(),
            calm: Calm::default(),
            verdict: None,
            plan,
            draws,
        }
    }

    /// Runs a world to its end.
    pub(crate) fn run(scenario: &Scenario, seed: u64, telling: Telling) -> Outcome {
        let mut world = World::new(scenario, seed, telling);
        world.ledger.borrow_mut().told = (telling != Telling::Nothing).then(Vec::new);
        world.begin();
        while world.verdict.is_none() {
            let Some((at, happening)) = world.schedule.pop() else { break };
            world.statistics.events += 1;
            world.trace.happening(at, &happening);
            world.happen(happening);
            world.settle();
            world.collect_violations();
        }
        world.finish(seed)
    }

    fn finish(mut self, seed: u64) -> Outcome {
        self.statistics.virtual_nanoseconds = self.schedule.now();
        self.statistics.edits = self.users.borrow().done;
        self.statistics.checked_changes = self.ledger.borrow().checked_changes;
        self.statistics.add_network(&self.network.counts);
        for switch in self.plan.switched_on() {
            *self.statistics.switches.entry(switch).or_default() += 1;
        }
        let verdict = self.verdict.take().unwrap_or(Verdict::NoConvergence {
            pending: vec!["nothing was left to happen".into()],
        });
        let (hash, marks, told) = self.trace.finish();
        Outcome {
            seed,
            nodes: self.hosts.len(),
            trace: hash.to_hex().to_string(),
            verdict,
            statistics: self.statistics,
            marks,
            told,
        }
    }

    /// Everything that is certain to happen is put down.
    fn begin(&mut self) {
        for host in 0..self.hosts.len() {
            let disk = SimDisk::new(self.plan.options(host));
            self.attach(host, &disk);
            self.hosts[host].disk = Some(disk);
            self.set_clock(host);
            self.fill_docroot(host);
            let at = if host == 0 { 0 } else { self.plan.joins_at(host) };
            self.schedule.put(at, Happening::Start(host));
            self.schedule.put(SECOND, Happening::WriteBack(host));
        }
        self.found();
        for index in 0..self.plan.steps.len() {
            self.schedule.put(self.plan.steps[index].at, Happening::Fault(index));
        }
        self.schedule.put(100 * MILLISECOND, Happening::Edit);
        if self.plan.is_on("local-edits") && self.hosts.len() > 1 {
            self.schedule.put(SECOND, Happening::LocalEdit);
        }
        if self.plan.is_on("held-open") {
            self.schedule.put(SECOND, Happening::Open);
        }
        if self.plan.is_on("waits") {
            self.schedule.put(SECOND, Happening::Operator(0));
        }
        self.schedule.put(self.plan.duration, Happening::Calm);
    }

    fn happen(&mut self, happening: Happening) {
        self.network.set_now(self.schedule.now());
        match happening {
            Happening::Tick(life) => self.tick(life),
            Happening::RunTree(life) => self.run_lane(life, true),
            Happening::RunStage(life) => self.run_lane(life, false),
            Happening::RunRead(life, id, job) => self.run_read(life, id, *job),
            Happening::Done(life, job, result) => self.job_done(life, job, *result),
            Happening::Net(traffic) => self.network.come(traffic),
            Happening::Watch(life) => self.watcher_speaks(life),
            Happening::Start(host) => self.start(host),
            Happening::Join(life) => self.join(life),
            Happening::Edit => self.edit(),
            Happening::LocalEdit => self.edit_locally(),
            Happening::Open => self.open_file(),
            Happening::Held(host, number) => self.go_on_writing(host, number),
            Happening::Operator(number) => self.operator(number),
            Happening::WriteBack(host) => self.write_back(host),
            Happening::Fault(index) => self.begin_fault(index),
            Happening::FaultOver(index) => self.end_fault(index),
            Happening::Calm => self.become_calm(),
            Happening::Judge => self.judge(),
        }
    }

    /// Tells hosts what the network has for them, and puts down what takes time.
    fn settle(&mut self) {
        loop {
            for (at, traffic) in std::mem::take(&mut self.network.later) {
                self.schedule.put(at, Happening::Net(traffic));
            }
            let Some((life, event)) = self.network.next_ready() else { break };
            self.tell(life, event);
        }
    }

    /// Tells a program something.
    pub(crate) fn tell(&mut self, life: Life, event: Event) {
        if self.hosts[life.host].life != life {
            return;
        }
        self.trace.event(life.host, &event);
        let moment = self.moment(life.host);
        let mut effects = Vec::new();
        match &mut self.hosts[life.host].program {
            Program::Off => return,
            Program::Joining(_) => return self.joiner_hears(life, event),
            Program::Running(node) => node.handle(moment, event, &mut effects),
        }
        self.statistics.handled += 1;
        self.perform(life, effects);
    }

    pub(crate) fn moment(&self, host: HostId) -> Moment {
        let now = self.schedule.now();
        let error = self.hosts[host].clock_error;
        // A machine's own clock began before the world did.
        let since = SECOND + host as u64 * 37 * SECOND;
        Moment { now: Instant(since + now), wall: Wall(BEGINNING + now as i64 + error) }
    }

    /// The clock of a machine's file system goes on.
    pub(crate) fn set_clock(&self, host: HostId) {
        if let Some(disk) = &self.hosts[host].disk {
            let wall = self.moment(host).wall.0;
            disk.set_clock(FileTime {
                seconds: wall.div_euclid(1_000_000_000),
                nanoseconds: wall.rem_euclid(1_000_000_000) as u32,
            });
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.schedule.now()
    }

    pub(crate) fn entropy(&self, life: Life) -> Entropy {
        let mut draw = self.draws.of_pair("entropy", life.host as u64, life.number, 0);
        let mut seed = [0; 32];
        seed.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&draw.next().to_le_bytes()));
        Entropy::new(seed)
    }
}

fn secret_of(draws: Draws, number: usize) -> SecretKey {
    let mut draw = draws.of("key", number as u64);
    let mut seed = [0; 32];
    seed.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&draw.next().to_le_bytes()));
    SecretKey::from_seed(seed)
}

impl fmt::Debug for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Tick(life) => write!(f, "tick {}", life.host),
            Happening::RunTree(life) => write!(f, "tree lane of {}", life.host),
            Happening::RunStage(life) => write!(f, "stage lane of {}", life.host),
            Happening::RunRead(life, job, _) => write!(f, "read lane of {}: {}", life.host, job.0),
            Happening::Done(life, job, _) => write!(f, "job {} of {} done", job.0, life.host),
            Happening::Net(traffic) => write!(f, "net {traffic:?}"),
            Happening::Watch(life) => write!(f, "watcher of {}", life.host),
            Happening::Start(host) => write!(f, "start {host}"),
            Happening::Join(life) => write!(f, "join {}", life.host),
            Happening::Edit => f.write_str("edit"),
            Happening::LocalEdit => f.write_str("local edit"),
            Happening::Open => f.write_str("open"),
            Happening::Held(host, number) => write!(f, "held {host} {number}"),
            Happening::Operator(number) => write!(f, "operator {number}"),
            Happening::WriteBack(host) => write!(f, "write back {host}"),
            Happening::Fault(index) => write!(f, "fault {index}"),
            Happening::FaultOver(index) => write!(f, "fault {index} over"),
            Happening::Calm => f.write_str("calm"),
            Happening::Judge => f.write_str("judge"),
        }
    }
}

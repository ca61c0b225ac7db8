//! One machine: its storage, the program on it if it runs, and what the program waits for.
//!
//! Invariant: whatever belongs to one run of the program is forgotten with it; what was under way
//! for an earlier life never reaches a later one.

use std::collections::{BTreeMap, VecDeque};

use mirrormesh::core::{BarrierId, CommandId, ConnectionId, Hint, Node};
use mirrormesh::store::{Job, JobId};
use mirrormesh_gossip::{SecretKey, Token};

use crate::disk::{Image, Policy, SimDisk, UserFile};
use crate::network::Life;
use crate::schedule::Time;

/// Jobs that wait their turn.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) waiting: VecDeque<(JobId, Job)>,
    pub(crate) is_running: bool,
}

/// Something the watcher will say.
#[derive(Debug)]
pub(crate) enum Watch {
    Hint(Hint),
    Barrier(BarrierId),
}

/// What the watcher has to say.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    pub(crate) queue: VecDeque<Watch>,
    pub(crate) is_scheduled: bool,
    /// Hints are lost for the time being; and whether one was.
    pub(crate) loses: bool,
    pub(crate) missed: bool,
    pub(crate) doubles: bool,
}

/// What runs on a machine.
pub(crate) enum Program {
    Off,
    Joining(Joining),
    Running(Box<Node>),
}

/// A machine that becomes a member.
pub(crate) struct Joining {
    pub(crate) token: Token,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) tries: u64,
}

/// A file that a user holds open.
pub(crate) struct Held {
    pub(crate) file: UserFile,
    pub(crate) path: Vec<u8>,
    pub(crate) number: u64,
    pub(crate) written: u64,
    pub(crate) writes_left: u64,
}

/// What an operator waits for: the version of each path at the call.
pub(crate) struct Wait {
    pub(crate) versions: BTreeMap<Vec<u8>, usize>,
    /// What users had open then or opened since, and what members failed to bring in line: nobody
    /// promises when that is there.
    pub(crate) open: Vec<Vec<u8>>,
    /// Who was a member.
    pub(crate) members: Vec<usize>,
}

/// See the module's head.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) secret: SecretKey,
    pub(crate) life: Life,
    pub(crate) disk: Option<SimDisk>,
    pub(crate) image: Option<Image>,
    pub(crate) program: Program,
    /// Whether it has a cluster in its state.
    pub(crate) is_member: bool,
    pub(crate) is_removed: bool,
    /// Nanoseconds by which the wall clock is ahead.
    pub(crate) clock_error: i64,
    /// Whether the clock was put forward by much since the node started.
    pub(crate) clock_leapt: bool,
    /// Boot of the machine, and when it began by its wall clock.
    pub(crate) boot: (u64, i64),
    pub(crate) tick_at: Option<Time>,
    pub(crate) tree: Lane,
    pub(crate) stage: Lane,
    /// Jobs of any lane that are not done.
    pub(crate) jobs: u64,
    pub(crate) jobs_ever: u64,
    pub(crate) watcher: Watcher,
    pub(crate) held: Vec<Held>,
    pub(crate) waits: BTreeMap<CommandId, Wait>,
    /// How a crash in the middle of a job ends, and how long the machine is off then.
    pub(crate) crash_plan: Option<(Policy, Time)>,
    /// When it starts again, if it is off.
    pub(crate) starts_at: Option<Time>,
    pub(crate) is_full: bool,
    /// Changes of the docroot when the checkers last compared it.
    pub(crate) compared: Option<(u64, String)>,
    /// Epoch and number of the newest head it said it holds in this life.
    pub(crate) newest: (u64, u64),
    /// The same of what it said it has in line, in any life.
    pub(crate) in_line: (u64, u64),
}

impl Host {
    pub(crate) fn new(number: usize, secret: SecretKey, clock_error: i64) -> Host {
        Host {
            name: format!("node{number}"),
            secret,
            life: Life { host: number, number: 0 },
            disk: None,
            image: None,
            program: Program::Off,
            is_member: false,
            is_removed: false,
            clock_error,
            clock_leapt: false,
            boot: (0, 0),
            tick_at: None,
            tree: Lane::default(),
            stage: Lane::default(),
            jobs: 0,
            jobs_ever: 0,
            watcher: Watcher::default(),
            held: Vec::new(),
            waits: BTreeMap::new(),
            crash_plan: None,
            starts_at: None,
            is_full: false,
            compared: None,
            newest: (0, 0),
            in_line: (0, 0),
        }
    }

    /// The address it can be dialled at.
    pub(crate) fn address(&self) -> String {
        address(self.life.host)
    }

    /// The program is gone, and all that was under way for it.
    pub(crate) fn forget_life(&mut self) {
        self.program = Program::Off;
        self.tick_at = None;
        self.tree = Lane::default();
        self.stage = Lane::default();
        self.jobs = 0;
        let (loses, doubles) = (self.watcher.loses, self.watcher.doubles);
        self.watcher = Watcher { loses, doubles, ..Watcher::default() };
        self.waits.clear();
        self.crash_plan = None;
        self.compared = None;
        // What was not durable may be heard of again.
        self.newest = self.in_line;
        // The name of the next life is taken at once: nothing of this one is current any more.
        self.life.number += 1;
    }

    pub(crate) fn node(&self) -> Option<&Node> {
        match &self.program {
            Program::Running(node) => Some(node),
            _ => None,
        }
    }

    /// Whether it had joined when an operator began to wait.
    pub(crate) fn joined_before(&self, wait: &Wait) -> bool {
        wait.members.contains(&self.life.host)
    }

    pub(crate) fn is_up(&self) -> bool {
        !matches!(self.program, Program::Off)
    }
}

/// The address of the machine with a number.
pub(crate) fn address(number: usize) -> String {
    format!("10.0.0.{}:7440", number + 1)
}

/// The number of the machine at an address.
pub(crate) fn host_at(address: &str) -> Option<usize> {
    let last = address.strip_prefix("10.0.0.")?.strip_suffix(":7440")?;
    last.parse::<usize>().ok()?.checked_sub(1)
}

//! The plan: everything the seed decides beforehand about one run.
//!
//! Swarm: each kind of fault and load is on with a chance of one half, by a draw of its own. The
//! faults of a kind are steps, each drawn by itself, so that one can be left out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::disk::{Options, Policy};
use crate::draw::{Draw, Draws};
use crate::network::HostId;
use crate::scenario::{MAX_NODES, SWITCHES, Scenario};
use crate::schedule::{MILLISECOND, SECOND, Time};

/// One fault.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) at: Time,
    pub(crate) kind: &'static str,
    pub(crate) action: Action,
    /// How long it lasts, where that means something.
    pub(crate) lasts: Time,
}

/// What a fault does.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// The program ends now, and with it the machine unless the policy is `Killed`.
    Crash { host: HostId, policy: Policy },
    /// The same after so many primitives.
    CrashInJob { host: HostId, policy: Policy, primitives: u64 },
    /// A clean stop.
    Stop { host: HostId },
    /// Links go down.
    Cut { links: Vec<(HostId, HostId)> },
    /// A link gets slow.
    Spike { from: HostId, to: HostId, extra: Time },
    /// Hints get lost, or come twice.
    Hints { host: HostId, doubled: bool },
    /// The wall clock is set.
    Clock { host: HostId, by: i64 },
    /// The disk is full.
    Full { host: HostId, bytes: u64 },
    /// The next sync fails.
    FailSync { host: HostId, looks_clean: bool },
    /// An operator removes a member.
    Remove { host: HostId },
    /// The origin's docroot is renamed away, or another file system is mounted over it.
    Vanish { mount: bool },
}

/// See the module's head.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) draws: Draws,
    pub(crate) nodes: usize,
    pub(crate) duration: Time,
    switches: BTreeMap<&'static str, bool>,
    pub(crate) steps: Vec<Step>,
    /// Edits a second on the origin, in thousandths.
    pub(crate) pace: u64,
}

impl Plan {
    pub(crate) fn draw(scenario: &Scenario, seed: u64) -> Plan {
        let draws = Draws::new(seed);
        let mut draw = draws.of("nodes", 0);
        let drawn = *draw.pick(&[1, 2, 2, 2, 3, 3, 3, 4, 5, 8]).unwrap_or(&2);
        let nodes = scenario.nodes.unwrap_or(drawn).clamp(1, MAX_NODES);
        let drawn = draws.of("duration", 0).between(5 * SECOND, 25 * SECOND);
        let duration = scenario.duration.map_or(drawn, |given| given.as_nanos() as u64);
        let switches = SWITCHES
            .iter()
            .map(|(name, _)| {
                let drawn = draws.of("switch", 0).next() ^ draws.of(name, u64::MAX).next();
                let fixed = scenario.switches.get(*name).copied();
                // A seldom thing that costs much.
                let on = match *name {
                    "large" => drawn.is_multiple_of(8),
                    // Only if asked for: see README.md, "Not modelled".
                    "links" => false,
                    _ => drawn.is_multiple_of(2),
                };
                (*name, fixed.unwrap_or(on))
            })
            .collect();
        let pace = draws.of("pace", 0).spread(300, 12_000);
        let mut plan = Plan { draws, nodes, duration, switches, steps: Vec::new(), pace };
        plan.draw_steps();
        plan
    }

    /// Whether a kind of fault or load is on.
    pub(crate) fn is_on(&self, switch: &str) -> bool {
        self.switches.get(switch).copied().unwrap_or(false)
    }

    /// The switches that are on.
    pub(crate) fn switched_on(&self) -> Vec<&'static str> {
        self.switches.iter().filter(|(_, on)| **on).map(|(name, _)| *name).collect()
    }

    fn draw_steps(&mut self) {
        let kinds = [
            "crash",
            "job-crash",
            "stop",
            "cut",
            "one-way",
            "spike",
            "hints-lost",
            "hints-doubled",
            "clock",
            "disk-full",
            "failed-sync",
            "remove",
            "vanish",
        ];
        for kind in kinds {
            if !self.is_on(kind) {
                continue;
            }
            let most = if kind == "remove" { 1 } else { 4 };
            let count = self.draws.of(kind, 1 << 32).between(1, most);
            for index in 0..count {
                let mut draw = self.draws.of(kind, index);
                let at = draw.below(self.duration);
                let lasts = draw.duration(Duration::from_millis(20), Duration::from_secs(12));
                if let Some(action) = self.action(kind, &mut draw) {
                    self.steps.push(Step { at, kind, action, lasts });
                }
            }
        }
    }

    fn action(&self, kind: &'static str, draw: &mut Draw) -> Option<Action> {
        let nodes = self.nodes as u64;
        let host = draw.below(nodes) as usize;
        let other = (host + 1 + draw.below(nodes.saturating_sub(1).max(1)) as usize) % self.nodes;
        let policy = self.draw_policy(host, draw);
        Some(match kind {
            "crash" => Action::Crash { host, policy },
            "job-crash" => Action::CrashInJob { host, policy, primitives: draw.spread(1, 400) },
            "stop" => Action::Stop { host },
            "cut" | "one-way" | "spike" | "remove" if self.nodes == 1 => return None,
            "cut" => Action::Cut { links: self.cut(host, other, draw) },
            "one-way" => Action::Cut { links: vec![(host, other)] },
            "spike" => {
                let extra = draw.duration(Duration::from_millis(10), Duration::from_secs(3));
                Action::Spike { from: host, to: other, extra }
            }
            "hints-lost" => Action::Hints { host, doubled: false },
            "hints-doubled" => Action::Hints { host, doubled: true },
            "clock" => {
                let by =
                    draw.duration(Duration::from_millis(1), Duration::from_secs(90_000)) as i64;
                Action::Clock { host, by: if draw.one_in(2) { by } else { -by } }
            }
            "disk-full" => Action::Full { host, bytes: draw.spread(1, 64 << 10) },
            "failed-sync" => Action::FailSync { host, looks_clean: draw.one_in(2) },
            "vanish" => Action::Vanish { mount: draw.one_in(2) },
            "remove" => Action::Remove { host: 1 + draw.below(nodes - 1) as usize },
            _ => return None,
        })
    }

    fn draw_policy(&self, host: HostId, draw: &mut Draw) -> Policy {
        let drawn = draw.pick(&Policy::ALL).copied().unwrap_or(Policy::Killed);
        // What a power cut did is told from what users did by the times of both.
        let loses_power = self.is_on("power") && !self.is_on("clock");
        if host == 0 && !loses_power { Policy::Killed } else { drawn }
    }

    /// A pair, or everything around one host.
    fn cut(&self, host: HostId, other: HostId, draw: &mut Draw) -> Vec<(HostId, HostId)> {
        if draw.one_in(2) {
            return vec![(host, other), (other, host)];
        }
        (0..self.nodes)
            .filter(|&peer| peer != host)
            .flat_map(|peer| [(host, peer), (peer, host)])
            .collect()
    }

    /// What a machine is like.
    pub(crate) fn options(&self, host: HostId) -> Options {
        let seed = self.draws.of("options", host as u64).next();
        if !self.is_on("abilities") {
            return Options { seed, echo_hints: true, ..Options::default() };
        }
        // Time stamps as coarse everywhere: what a file system cannot store is an error of the
        // path, by design, and never converges.
        let steps = [1, 1, 4_000_000, 1_000_000_000];
        let step = self.draws.of("time-step", 0).pick(&steps).copied().unwrap_or(1);
        Options { time_step: step, echo_hints: true, ..Options::draw(seed) }
    }

    /// By how much a machine's wall clock is wrong at first.
    pub(crate) fn clock_error(&self, host: HostId) -> i64 {
        if !self.is_on("clock") {
            return 0;
        }
        let mut draw = self.draws.of("clock-error", host as u64);
        let by = draw.duration(Duration::from_millis(1), Duration::from_secs(5_000)) as i64;
        if draw.one_in(2) { by } else { -by }
    }

    /// When a member comes.
    pub(crate) fn joins_at(&self, host: HostId) -> Time {
        let mut draw = self.draws.of("join", host as u64);
        let soon = draw.below(500 * MILLISECOND);
        match self.is_on("late") && draw.one_in(2) {
            true => soon + draw.below(self.duration / 2),
            false => soon,
        }
    }
}

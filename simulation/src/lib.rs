//! Runs mirrormesh without a machine: one thread, no clock, no entropy, every fault by choice.
//!
//! [`run`] makes a world of machines from a [`Scenario`] and a seed: simulated disks, a simulated
//! network, users, faults; on each machine the real state machine and the real jobs. Checkers look
//! after every event and at every visible change of a docroot. Same scenario, same seed, same trace.

pub mod disk;

mod draw;
mod host;
mod ledger;
mod network;
mod outcome;
mod plan;
mod scenario;
mod schedule;
mod shape;
mod trace;
mod users;
mod world;

pub use outcome::{Outcome, Statistics, Verdict};
pub use scenario::{MAX_NODES, SWITCHES, Scenario};
pub use trace::Telling;

/// Runs a world to its end.
pub fn run(scenario: &Scenario, seed: u64) -> Outcome {
    world::World::run(scenario, seed, Telling::Nothing)
}

/// The same, and tells of it in words.
pub fn run_telling(scenario: &Scenario, seed: u64, telling: Telling) -> Outcome {
    world::World::run(scenario, seed, telling)
}

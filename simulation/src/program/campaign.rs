//! Many seeds on all cores: one world a thread.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use mirrormesh_simulation::{Scenario, Statistics};

use super::one::{Ran, failure, seed_of};

/// What came of a campaign.
#[derive(Debug, Default)]
pub(crate) struct Campaign {
    /// Seeds that ran.
    pub(crate) seeds: u64,
    /// Everything there was.
    pub(crate) statistics: Statistics,
    /// Seeds that failed: seed, exit code, checker, text; ascending.
    pub(crate) failures: Vec<Failure>,
}

/// A seed that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) exit: u8,
    pub(crate) checker: String,
    pub(crate) text: String,
}

/// Runs seeds; `progress` is told after each.
pub(crate) fn run(
    scenario: &Scenario,
    seeds: std::ops::Range<u64>,
    twice: bool,
    most_failures: usize,
    mut progress: impl FnMut(&Campaign),
) -> Campaign {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(seeds.start);
    let is_enough = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel::<(u64, Ran)>();
    let sender = Mutex::new(sender);
    let mut campaign = Campaign::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let Ok(sender) = sender.lock().map(|sender| sender.clone()) else { continue };
            let (next, is_enough) = (&next, &is_enough);
            let end = seeds.end;
            scope.spawn(move || {
                while !is_enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end
                        || sender.send((seed, seed_of(scenario, seed, twice, 0))).is_err()
                    {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (seed, ran) in receiver {
            campaign.take(seed, &ran);
            if campaign.failures.len() >= most_failures {
                is_enough.store(true, Ordering::Relaxed);
            }
            progress(&campaign);
        }
    });
    campaign.failures.sort_by_key(|failure| failure.seed);
    campaign
}

impl Campaign {
    fn take(&mut self, seed: u64, ran: &Ran) {
        self.seeds += 1;
        if let Ran::Once(outcome) = ran {
            self.statistics.add(&outcome.statistics);
        }
        if let Some((checker, text)) = failure(ran) {
            self.failures.push(Failure { seed, exit: ran.exit(), checker, text });
        }
    }
}

//! `demo`: a farm on this machine.
//!
//! Purpose: shows in twenty seconds what mirrormesh does: real daemons, an origin and its replicas,
//! on loopback, each with its own key, state and docroot; changes that travel, a replica that is
//! killed and comes back, and a verdict that anybody can compute again.
//!
//! State: everything lies in one temporary directory and ends with this process, whatever happens:
//! the daemons are killed and the directory is removed when the farm is dropped.
//!
//! Never touches the docroot it is given: it works on a copy.

mod board;
mod change;
mod farm;
mod interrupt;
mod site;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep, sleep_until};

use self::board::Board;
use self::change::{Change, Editor};
use self::farm::Farm;
use self::interrupt::Interrupt;
use super::failure::{Failure, Outcome, exit};
use super::output::Output;
use super::values::duration;
use crate::daemon::system;

/// A change that has not arrived after this time is missing.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a replica's docroot is looked at.
const LOOK: Duration = Duration::from_millis(1);
/// Time between two changes.
const PACE: Duration = Duration::from_secs(1);

/// Run a farm on this machine and watch changes travel.
///
/// Origin and replicas run on loopback, in a temporary directory that is removed at the end.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// How many nodes, the origin included.
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(2..=32))]
    nodes: u16,
    /// Begin with a copy of this directory instead of pages made up.
    #[arg(long, value_name = "DIR")]
    docroot: Option<PathBuf>,
    /// How long; 0: until Ctrl-C.
    #[arg(long = "for", value_name = "TIME", default_value = "20s", value_parser = duration)]
    length: Duration,
}

/// Runs the verb.
pub(crate) fn run(arguments: &DemoArguments, output: Output) -> Outcome {
    // One worker beside this thread: it notes Ctrl-C while this thread waits for a child.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(error.to_string()))?;
    runtime.block_on(async {
        let interrupt = Interrupt::listen()?;
        show(arguments, output, &interrupt).await
    })
}

async fn show(arguments: &DemoArguments, output: Output, interrupt: &Interrupt) -> Outcome {
    let mut entropy = system::entropy().map_err(Failure::no_entropy)?;
    let mut farm = Farm::new(usize::from(arguments.nodes))?;
    let board = Board::new(output, farm.names());
    let origin = farm.docroot(0);
    match &arguments.docroot {
        None => site::make(&origin, &mut entropy)?,
        Some(docroot) => site::copy(docroot, &origin)?,
    }
    board.docroot(&site::measure(&origin)?, arguments.docroot.as_deref());

    for index in 0..farm.len() {
        interrupt.check()?;
        let began = Instant::now();
        let address = if index == 0 { farm.found().await? } else { farm.join(index).await? };
        board.started(index, &address, began.elapsed());
    }
    let began = Instant::now();
    farm.wait_for_all(PATIENCE)?;
    board.first_copy(began.elapsed());

    let mut tour = Tour { farm, board, editor: Editor::new(origin, entropy)?, missing: 0 };
    tour.go(arguments.length, interrupt).await?;
    let Tour { mut farm, mut board, missing, .. } = tour;

    let all_there = farm.wait_for_all(PATIENCE);
    let agreed = verdict::tell(&farm, &mut board, missing)?;
    let logs = if agreed { Vec::new() } else { farm.log_ends() };
    farm.stop().await;
    if agreed {
        return Ok(exit::DONE);
    }
    logs.iter().for_each(|line| output.talk(line));
    all_there?;
    Err(Failure::failed("something did not arrive"))
}

/// The changes, one a second.
struct Tour {
    farm: Farm,
    board: Board,
    editor: Editor,
    missing: u64,
}

impl Tour {
    async fn go(&mut self, length: Duration, interrupt: &Interrupt) -> Result<(), Failure> {
        let endless = length.is_zero();
        let steps = length.as_secs();
        // One replica is killed after two fifths, and comes back after three.
        let (kill, back, round) = match endless {
            true => (8, 12, 30),
            false => (steps * 2 / 5, steps * 3 / 5, u64::MAX),
        };
        self.board.begin();
        let start = Instant::now();
        let mut missed = 0;
        let mut step = 0;
        while endless || step < steps {
            step += 1;
            let next = start + PACE * u32::try_from(step).unwrap_or(u32::MAX);
            tokio::select! {
                () = sleep_until(next) => {}
                () = interrupt.wait() => break,
            }
            let last = self.farm.len() - 1;
            if kill > 0 && step % round == kill {
                self.farm.kill(last)?;
                self.board.killed(start.elapsed(), last);
                missed = 0;
            }
            let change = self.editor.next()?;
            let done = Instant::now();
            let at = done - start;
            let arrivals = self.watch(&change, done).await;
            missed += 1;
            self.board.change(at, &change, &arrivals);
            if step % round == back && !self.farm.runs(last) {
                self.bring_back(last, start, missed).await?;
            }
        }
        let last = self.farm.len() - 1;
        if !self.farm.runs(last) {
            self.bring_back(last, start, missed).await?;
        }
        Ok(())
    }

    async fn bring_back(
        &mut self,
        index: usize,
        start: Instant,
        missed: u64,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        self.farm.start(index).await?;
        self.farm.wait_for(index, PATIENCE)?;
        self.board.returned(began - start, index, missed, began.elapsed());
        Ok(())
    }

    /// When a change arrived at each replica; `Missing` after [`PATIENCE`].
    async fn watch(&mut self, change: &Change, done: Instant) -> Vec<Arrival> {
        let mut arrivals: Vec<Arrival> = (1..self.farm.len())
            .map(|index| if self.farm.runs(index) { Arrival::Missing } else { Arrival::Down })
            .collect();
        loop {
            let mut open = false;
            for (index, arrival) in (1..).zip(&mut arrivals) {
                if *arrival == Arrival::Missing {
                    if change.has_arrived(&self.farm.docroot(index)) {
                        *arrival = Arrival::After(done.elapsed());
                    } else {
                        open = true;
                    }
                }
            }
            if !open {
                return arrivals;
            }
            if done.elapsed() > PATIENCE {
                let lost = arrivals.iter().filter(|arrival| **arrival == Arrival::Missing);
                self.missing += lost.count() as u64;
                return arrivals;
            }
            sleep(LOOK).await;
        }
    }
}

/// What became of a change on one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// There after this time.
    After(Duration),
    /// Not there.
    Missing,
    /// The replica was down.
    Down,
}

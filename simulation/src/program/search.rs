//! `search`: many seeds; fails at the first few that fail, or when too little happened.

use std::io::{IsTerminal, Write, stderr};
use std::path::Path;

use mirrormesh_simulation::Scenario;

use super::arguments::Search;
use super::campaign::{self, Failure};
use super::one::{Ran, seed_of};
use super::{BAD_SCENARIO, file, gates, print};

/// Lines of the trace that are kept of a failure.
const KEPT_LINES: usize = 4_000;

pub(crate) fn search(arguments: &Search) -> u8 {
    let scenario = match file::read(arguments.file.as_deref(), &arguments.how) {
        Ok((scenario, _)) => scenario,
        Err(reason) => {
            print::bad_scenario(&reason, arguments.how.json);
            return BAD_SCENARIO;
        }
    };
    let shows = stderr().is_terminal() && !arguments.how.json;
    let seeds = arguments.seed..arguments.seed.saturating_add(arguments.seeds);
    let all = arguments.seeds;
    let campaign =
        campaign::run(&scenario, seeds, arguments.how.twice, arguments.failures, |campaign| {
            if shows && (campaign.seeds.is_multiple_of(8) || campaign.seeds == all) {
                let failed = campaign.failures.len();
                let _ = write!(stderr(), "\r{} of {all} seeds, {failed} failed", campaign.seeds);
            }
        });
    if shows {
        let _ = writeln!(stderr());
    }
    let missed = match arguments.file {
        // A scenario of somebody's own need not meet everything.
        Some(_) => Vec::new(),
        None if arguments.how.set.is_empty() => gates::missed(&campaign.statistics, campaign.seeds),
        None => Vec::new(),
    };
    if let Some(directory) = &arguments.keep {
        for failure in &campaign.failures {
            keep(directory, &scenario, failure);
        }
    }
    print::campaign(&campaign, &missed, arguments.how.json);
    match campaign.failures.iter().map(|failure| failure.exit).max_by_key(|exit| match exit {
        1 => 3,
        4 => 2,
        _ => 1,
    }) {
        Some(exit) => exit,
        None => u8::from(!missed.is_empty()),
    }
}

/// Writes what is needed to see a failure again.
fn keep(directory: &Path, scenario: &Scenario, failure: &Failure) {
    let name = format!("seed-{}", failure.seed);
    let told = match seed_of(scenario, failure.seed, false, KEPT_LINES) {
        Ran::Once(outcome) => outcome.told.join("\n"),
        _ => String::new(),
    };
    let text = format!("# {}: {}\n", failure.checker, failure.text.replace('\n', "\n# "));
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| {
            let scenario = text.clone() + &file::write(scenario, failure.seed);
            std::fs::write(directory.join(format!("{name}.toml")), scenario)
        })
        .and_then(|()| std::fs::write(directory.join(format!("{name}.txt")), told + "\n" + &text));
    if let Err(error) = written {
        let _ = writeln!(stderr(), "{}: {error}", directory.display());
    }
}

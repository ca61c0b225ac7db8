//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Runs whole farms in one thread, deterministically, through partitions, crashes and full disks.
#[derive(Debug, Parser)]
#[command(name = "mirrormesh-simulate", version, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run one scenario.
    Run(Run),
    /// Run many seeds, on all cores.
    Search(Search),
    /// List the kinds of faults and load.
    Switches,
}

/// One run.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Scenario file; without one the seed decides everything.
    pub(crate) file: Option<PathBuf>,
    /// Seed; default: that of the file, else 1.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) how: How,
    /// Print the last LINES of the trace.
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    pub(crate) trace: usize,
}

/// Many runs.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Scenario file; without one the seed decides everything.
    pub(crate) file: Option<PathBuf>,
    /// Number of seeds.
    #[arg(long)]
    pub(crate) seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write a scenario and the end of the trace for each failure into this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: How,
    /// Go on after failures, up to this many.
    #[arg(long, default_value_t = 10)]
    pub(crate) failures: usize,
}

/// How to run and to tell of it.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Run each seed twice, and name the first event that differs.
    #[arg(long)]
    pub(crate) twice: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Switch a kind of fault or load on or off: `crash=off`. May be repeated; `all=off`: all.
    #[arg(long = "set", value_name = "SWITCH=on|off")]
    pub(crate) set: Vec<String>,
    /// Number of machines.
    #[arg(long)]
    pub(crate) nodes: Option<usize>,
}

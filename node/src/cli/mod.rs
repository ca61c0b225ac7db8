//! The command line: one file a verb.
//!
//! Purpose: turns arguments into questions for the daemon, or into work that needs none, and
//! answers into text or JSON and an exit code.
//!
//! Invariants: data goes to stdout, talk to stderr; nothing ever prompts; names, flags, JSON fields
//! and exit codes are a contract with scripts and only grow.
//!
//! Never decides anything about the cluster: that is the core's.

mod address;
mod ask;
mod completions;
mod config;
mod confirm;
mod demo;
mod diff;
mod failure;
mod hash;
mod init;
mod join;
mod kept;
mod members;
mod newcomer;
mod offline;
mod output;
mod progress;
mod run;
mod scratch;
mod simulate;
mod status;
mod text;
mod token;
mod values;
mod verify;
mod wait;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::failure::{Failure, Outcome, exit};
use self::output::Output;

/// Where state lies if nothing else is said.
const DEFAULT_STATE: &str = "/var/lib/mirrormesh";

/// Mirrors the document root of one web server to every other, proved by a signed Merkle tree.
#[derive(Debug, Parser)]
#[command(name = "mirrormesh", version, max_term_width = 100, subcommand_required = true)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
struct Line {
    /// Identity, documents, store, control socket and mirrormesh.toml of this node.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "MIRRORMESH_STATE",
        hide_env_values = true
    )]
    #[arg(default_value = DEFAULT_STATE)]
    state: PathBuf,
    /// Print data as JSON: one object, or one object a line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::InitArguments),
    Token(token::TokenArguments),
    Join(join::JoinArguments),
    Run(run::RunArguments),
    Status(status::StatusArguments),
    Wait(wait::WaitArguments),
    Diff(diff::DiffArguments),
    Hash(hash::HashArguments),
    Verify(verify::VerifyArguments),
    Confirm(confirm::ConfirmArguments),
    Config(config::ConfigArguments),
    Remove(members::RemoveArguments),
    Leave(members::LeaveArguments),
    Kept(kept::KeptArguments),
    Demo(demo::DemoArguments),
    Completions(completions::CompletionsArguments),
    Simulate(simulate::SimulateArguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => return ExitCode::from(usage(&error)),
    };
    let output = Output::new(line.json);
    ExitCode::from(run_verb(&line, output).unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    }))
}

fn run_verb(line: &Line, output: Output) -> Outcome {
    let state = std::path::absolute(&line.state)
        .map_err(|error| Failure::failed(format!("{}: {error}", line.state.display())))?;
    let state = state.as_path();
    match &line.verb {
        Verb::Init(arguments) => init::run(arguments, state, output),
        Verb::Token(arguments) => token::run(arguments, state, output),
        Verb::Join(arguments) => join::run(arguments, state, output),
        Verb::Run(arguments) => run::run(arguments, state, output),
        Verb::Status(arguments) => status::run(arguments, state, output),
        Verb::Wait(arguments) => wait::run(arguments, state, output),
        Verb::Diff(arguments) => diff::run(arguments, state, output),
        Verb::Hash(arguments) => hash::run(arguments, output),
        Verb::Verify(arguments) => verify::run(arguments, state, output),
        Verb::Confirm(arguments) => confirm::run(arguments, state, output),
        Verb::Config(arguments) => config::run(arguments, state, output),
        Verb::Remove(arguments) => members::remove(arguments, state, output),
        Verb::Leave(arguments) => members::leave(arguments, state, output),
        Verb::Kept(arguments) => kept::run(arguments, state, output),
        Verb::Demo(arguments) => demo::run(arguments, output),
        Verb::Completions(arguments) => completions::run(arguments, output),
        Verb::Simulate(arguments) => simulate::run(arguments),
    }
}

/// Tells what is wrong with the arguments, or prints help or version.
fn usage(error: &clap::Error) -> u8 {
    // The arguments could not be parsed: whether JSON is wanted is seen by eye.
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let hint = lines.collect::<Vec<_>>().join(" ");
        Output::new(true).failure(&Failure::usage(message).hint(hint));
        return exit::USAGE;
    }
    // Whoever asked for help and has gone away needs none.
    let _ = error.print();
    if error.use_stderr() { exit::USAGE } else { exit::DONE }
}

#[cfg(test)]
mod tests;

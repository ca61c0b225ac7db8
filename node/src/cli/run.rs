//! `run`: the daemon, in the foreground.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::failure::{Failure, Outcome, exit};
use super::output::Output;
use super::progress::Following;
use crate::daemon::run::{RunOptions, run as run_daemon};

/// Run the daemon in the foreground.
///
/// Ready when `status` returns 0, which is before the first scan. SIGTERM ends it cleanly, SIGHUP
/// reads mirrormesh.toml again. The log goes to stderr; on a terminal, a line below it says how far
/// long work is.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// End when the process that started this one does.
    #[arg(long, hide = true)]
    die_with_parent: bool,
}

/// Runs the verb.
pub(crate) fn run(arguments: &RunArguments, state: &Path, output: Output) -> Outcome {
    if arguments.die_with_parent {
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| Failure::failed(error.to_string()))?;
    }
    let following = Following::begin(state, output);
    let line = following.progress().clone();
    let print = move |text: &[u8]| line.suspend(|| output.talk_bytes(text));
    let options = RunOptions { state: state.to_owned(), print: Arc::new(print) };
    match run_daemon(options) {
        Ok(()) => Ok(exit::DONE),
        Err(error) => Err(Failure { exit: error.exit, message: error.message, hint: error.hint }),
    }
}

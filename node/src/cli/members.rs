//! `remove NODE` and `leave`: take a member out.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::ask::{Daemon, unexpected};
use super::failure::{Outcome, exit};
use super::output::Output;
use crate::core::{Answer, Command};

/// Take a member out of the cluster, on the origin: its key is refused from then on.
#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    /// The member, by name or id.
    #[arg(value_name = "NODE")]
    node: String,
}

/// Take this node out of the cluster. Its docroot stays as it is.
#[derive(Debug, Args)]
pub(crate) struct LeaveArguments {}

/// Runs `remove`.
pub(crate) fn remove(arguments: &RemoveArguments, state: &Path, output: Output) -> Outcome {
    done(Command::Remove { node: arguments.node.clone() }, state, output)
}

/// Runs `leave`.
pub(crate) fn leave(_: &LeaveArguments, state: &Path, output: Output) -> Outcome {
    done(Command::Leave, state, output)
}

/// Asks for something whose answer is a sentence.
pub(crate) fn done(command: Command, state: &Path, output: Output) -> Outcome {
    match Daemon::at(state).answer(command)? {
        Answer::Done(sentence) if output.json => output.value(&json!({ "done": sentence })),
        Answer::Done(sentence) => output.talk(sentence),
        other => return Err(unexpected(&other)),
    }
    Ok(exit::DONE)
}

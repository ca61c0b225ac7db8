//! `completions SHELL`: for packagers.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::failure::{Outcome, exit};
use super::output::Output;

/// Print a completion script for a shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Which shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Runs the verb.
pub(crate) fn run(arguments: &CompletionsArguments, output: Output) -> Outcome {
    let mut script = Vec::new();
    let mut command = super::Line::command();
    clap_complete::generate(arguments.shell, &mut command, "mirrormesh", &mut script);
    output.bytes(&script, b"");
    Ok(exit::DONE)
}

//! `simulate ...`: becomes `mirrormesh-simulate`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;

use super::failure::{Failure, Outcome};

/// Run mirrormesh-simulate, which lies beside this program.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct SimulateArguments {
    /// What it is given.
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs the verb; comes back only if it cannot.
pub(crate) fn run(arguments: &SimulateArguments) -> Outcome {
    let own = std::env::current_exe().map_err(|error| Failure::failed(error.to_string()))?;
    let program = own.with_file_name("mirrormesh-simulate");
    let error = Command::new(&program).args(&arguments.arguments).exec();
    Err(Failure::failed(format!("{}: {error}", program.display()))
        .hint("the simulator is a program of its own: install mirrormesh-simulate beside this one"))
}

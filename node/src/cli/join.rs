//! stub
use clap::Args;
use std::path::{Path, PathBuf};
use super::failure::{Failure, Outcome};
use super::output::Output;
/// stub
#[derive(Debug, Args)]
pub(crate) struct JoinArguments {
    #[arg(long)] docroot: Option<PathBuf>,
}
/// Runs the verb.
pub(crate) fn run(_: &JoinArguments, _: &Path, _: Output) -> Outcome { Err(Failure::failed("not yet")) }

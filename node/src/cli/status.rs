//! `status`: this node, the cluster, each member.

mod page;

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::ask::Daemon;
use super::failure::{Failure, Outcome, exit};
use super::output::Output;
use crate::core::View;

/// How often `--watch` looks.
const EVERY: Duration = Duration::from_secs(1);
/// Clears the screen and goes to its beginning.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J\u{1b}[3J";

/// Show this node, the cluster and each member.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Show it again every second, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// Runs the verb.
pub(crate) fn run(arguments: &StatusArguments, state: &Path, output: Output) -> Outcome {
    let daemon = Daemon::at(state);
    if !arguments.watch {
        show(output, &daemon.status()?, "")?;
        return Ok(exit::DONE);
    }
    let clear = if output.terminal && !output.json { CLEAR } else { "" };
    daemon.repeat(EVERY, &mut |view| match view {
        Ok(view) => show(output, &view, clear),
        // The daemon may be restarted while somebody watches.
        Err(failure) if output.terminal && !output.json => {
            output.bytes(clear.as_bytes(), b"");
            output.line(failure.message);
            Ok(())
        }
        Err(failure) => Err(failure),
    })
}

fn show(output: Output, view: &View, clear: &str) -> Result<(), Failure> {
    if output.json {
        let json = serde_json::to_string(view);
        output.line(json.map_err(|error| Failure::failed(error.to_string()))?);
        return Ok(());
    }
    let page = page::page(view, output);
    output.bytes(format!("{clear}{}", page.join("\n")).as_bytes(), b"\n");
    Ok(())
}

//! `verify`: re-reads every byte of the docroot against the tree.

mod offline;

use std::path::Path;

use clap::Args;
use serde_json::{Map, json};

use super::ask::Daemon;
use super::failure::{Failure, Outcome, exit};
use super::output::Output;
use super::progress::Progress;
use super::text;
use crate::core::{Answer, Command, PathLine};

/// Read every byte of the docroot again and compare it with the tree; also without the daemon.
///
/// Exit code 3 if anything differs.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Have what differs repaired; needs the daemon.
    #[arg(long)]
    repair: bool,
    /// Print raw paths only, each ended by NUL.
    #[arg(short = '0')]
    null: bool,
}

/// What was found.
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    files: u64,
    bytes: u64,
    differs: u64,
}

/// Runs the verb.
pub(crate) fn run(arguments: &VerifyArguments, state: &Path, output: Output) -> Outcome {
    let mut progress = Progress::new(output);
    let mut printer = Printer { output, null: arguments.null };
    let found = match online(arguments, state, &mut progress, &mut printer) {
        Err(failure) if failure.exit == exit::UNREACHABLE && !arguments.repair => {
            offline::verify(state, &mut progress, &mut printer)
        }
        other => other,
    };
    progress.finish();
    let found = found?;
    if output.json {
        let Found { files, bytes, differs } = found;
        output.value(&json!({ "files": files, "bytes": bytes, "differs": differs }));
    } else {
        let (files, bytes) = (text::count(found.files, "file"), text::size(found.bytes));
        output.talk(format!("{files} ({bytes}) read, {} differ", found.differs));
    }
    Ok(if found.differs == 0 { exit::DONE } else { exit::DIFFERENCES })
}

fn online(
    arguments: &VerifyArguments,
    state: &Path,
    progress: &mut Progress,
    printer: &mut Printer,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    Daemon::at(state).ask(
        Command::Verify { repair: arguments.repair },
        &mut |answer| match answer {
            Answer::Paths(lines) => progress.suspend(|| {
                lines.iter().for_each(|line| printer.line(line));
            }),
            Answer::Verified { files, bytes, differs } => found = Found { files, bytes, differs },
            other => progress.take(&other),
        },
    )?;
    Ok(found)
}

struct Printer {
    output: Output,
    null: bool,
}

impl Printer {
    fn line(&mut self, line: &PathLine) {
        if self.output.json {
            let mut object = Map::new();
            text::put_path(&mut object, &line.path);
            object.insert("what".into(), json!(line.what));
            self.output.value(&object.into());
        } else if self.null {
            self.output.bytes(&line.path, b"\0");
        } else {
            self.output.line(format!("{}: {}", text::path(&line.path), line.what));
        }
    }
}

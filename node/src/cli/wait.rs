//! `wait`: a barrier.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::ask::Daemon;
use super::failure::{Failure, Outcome, exit};
use super::output::Output;
use super::progress::Following;
use super::text;
use super::values::duration;
use crate::core::{Answer, Command, MoreErrors, PathLine, WaitScope};

/// Wait until every change completed before now is published and applied.
///
/// Without a scope: on this node. A daemon that is not up yet is waited for too. Exit code 4: all is
/// there but the paths listed; 124: time-out, and who is behind.
#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// On every member of the roster.
    #[arg(long, group = "scope")]
    all: bool,
    /// On every member believed alive.
    #[arg(long, group = "scope")]
    live: bool,
    /// On these members, by name or id.
    #[arg(long, group = "scope", value_name = "A,B", value_delimiter = ',')]
    members: Vec<String>,
    /// Give up after this time.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// Print raw paths, each line ended by NUL.
    #[arg(short = '0')]
    null: bool,
}

impl WaitArguments {
    fn scope(&self) -> WaitScope {
        if self.all {
            WaitScope::All
        } else if self.live {
            WaitScope::Live
        } else if self.members.is_empty() {
            WaitScope::Own
        } else {
            WaitScope::Members(self.members.clone())
        }
    }
}

/// Runs the verb.
pub(crate) fn run(arguments: &WaitArguments, state: &Path, output: Output) -> Outcome {
    let following = Following::begin(state, output);
    let mut reached = None;
    let mut behind = Vec::new();
    let scope = arguments.scope();
    let asked = Daemon::at(state).ask_until_up(
        arguments.timeout,
        &mut |left| Command::Wait {
            scope: scope.clone(),
            timeout_milliseconds: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        },
        &mut |answer| match answer {
            Answer::Waited { seq, errors, more } => reached = Some((seq, errors, more)),
            Answer::TimedOut { behind: names } => behind = names,
            other => following.progress().take(&other),
        },
    );
    drop(following);
    asked?;
    match reached {
        Some((seq, errors, more)) => Ok(tell(arguments, output, seq, &errors, &more)),
        None => Err(timed_out(&behind)),
    }
}

fn timed_out(behind: &[String]) -> Failure {
    let message = match behind {
        [] => "timed out".to_owned(),
        names => format!("timed out; behind: {}", names.join(", ")),
    };
    Failure::new(exit::TIMEOUT, message).hint("mirrormesh status shows what each is waiting for")
}

fn tell(
    arguments: &WaitArguments,
    output: Output,
    seq: u64,
    errors: &[PathLine],
    more: &[MoreErrors],
) -> u8 {
    if output.json {
        let errors: Vec<Value> = errors.iter().map(error_value).collect();
        output.value(&json!({ "seq": seq, "errors": errors, "errors_unlisted": more }));
    } else {
        for line in errors {
            if arguments.null {
                output.bytes(&line.path, b"\0");
            } else {
                output.line(format!("{}: {}", text::path(&line.path), line.what));
            }
        }
    }
    for MoreErrors { member, count } in more {
        output.talk(format!(
            "{member}: {} more in error: see its status",
            text::count(*count, "path")
        ));
    }
    if errors.is_empty() && more.is_empty() { exit::DONE } else { exit::PART }
}

fn error_value(line: &PathLine) -> Value {
    let mut object = Map::new();
    text::put_path(&mut object, &line.path);
    object.insert("reason".into(), json!(line.what));
    object.into()
}

//! `confirm`: releases what a brake holds.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::ask::{Daemon, unexpected};
use super::failure::{Outcome, exit};
use super::output::Output;
use super::text;
use crate::core::{Answer, Command, HoldLine};

/// Release what a brake holds: let the deletes that it stopped go on.
#[derive(Debug, Args)]
pub(crate) struct ConfirmArguments {
    /// Only list what is held.
    #[arg(long)]
    list: bool,
}

/// Runs the verb.
pub(crate) fn run(arguments: &ConfirmArguments, state: &Path, output: Output) -> Outcome {
    let held = match Daemon::at(state).answer(Command::Confirm { list: arguments.list })? {
        Answer::Held(held) => held,
        other => return Err(unexpected(&other)),
    };
    if output.json {
        let lines: Vec<Value> = held.iter().map(value).collect();
        output.value(&json!({ "held": lines, "released": !arguments.list }));
    } else if held.is_empty() {
        output.talk("nothing is held");
    } else {
        let rows = held.iter().map(|line| {
            let files = match line.deletes {
                0 => String::new(),
                deletes => text::count(deletes, "file"),
            };
            vec![line.member.clone(), files, line.reason.clone()]
        });
        for line in text::table(&rows.collect::<Vec<_>>()) {
            output.line(line);
        }
        if !arguments.list {
            output.talk("released");
        }
    }
    Ok(exit::DONE)
}

fn value(line: &HoldLine) -> Value {
    json!({ "member": line.member, "reason": line.reason, "deletes": line.deletes })
}

//! `config show`, `config edit`, `config set`: the cluster document.
//!
//! The text is checked by the origin; a mistake comes back with line and column, and what was
//! edited is kept in a file for the next try.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::ask::{Daemon, unexpected};
use super::failure::{Failure, Outcome, exit, with_state};
use super::members::done;
use super::output::Output;
use super::scratch::Scratch;
use crate::core::{Answer, Command};

/// Longest text that is read, in bytes.
const MAX_TEXT: u64 = 1024 * 1024;

/// Show or change the cluster document: what is not mirrored, and how the cluster behaves.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Print the editable part.
    Show,
    /// Edit it with $VISUAL or $EDITOR, or take it from a file.
    Edit {
        /// Take the new text from this file instead; `-`: from stdin.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Change one value; what it was before is told.
    Set {
        /// Which, such as excludes.
        #[arg(value_name = "KEY")]
        key: String,
        /// A bare word or a TOML value, such as '["*.tmp", "/cache/"]'.
        #[arg(value_name = "VALUE", allow_hyphen_values = true)]
        value: String,
    },
}

/// Runs the verb.
pub(crate) fn run(arguments: &ConfigArguments, state: &Path, output: Output) -> Outcome {
    match &arguments.verb {
        ConfigVerb::Show => {
            let text = show(state)?;
            if output.json {
                output.value(&json!({ "text": text }));
            } else {
                output.bytes(text.as_bytes(), b"");
            }
            Ok(exit::DONE)
        }
        ConfigVerb::Edit { file: Some(file) } => {
            let text = read(file)?;
            done(Command::ConfigReplace { text }, state, output)
        }
        ConfigVerb::Edit { file: None } => edit(state, output),
        ConfigVerb::Set { key, value } => {
            let command = Command::ConfigSet { key: key.clone(), value: value.clone() };
            done(command, state, output)
        }
    }
}

fn show(state: &Path) -> Result<String, Failure> {
    match Daemon::at(state).answer(Command::ConfigShow)? {
        Answer::Text(text) => Ok(text),
        other => Err(unexpected(&other)),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let fail = |error| Failure::failed(format!("{}: {error}", file.display()));
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_TEXT + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).map_err(fail)?.take(MAX_TEXT + 1).read_to_string(&mut text)
    };
    read.map_err(fail)?;
    if text.len() as u64 > MAX_TEXT {
        return Err(Failure::failed(format!("{}: longer than 1 MiB", file.display())));
    }
    Ok(text)
}

/// Refuses what the origin alone may do before anybody has typed a word.
fn must_be_origin(state: &Path) -> Result<(), Failure> {
    match Daemon::at(state).answer(Command::Status)? {
        Answer::Status(view) if view.node.role == "origin" => Ok(()),
        Answer::Status(view) => {
            let origin = view.cluster.origin;
            let message = format!("this node is not the origin; {origin} is");
            Err(Failure::new(exit::REFUSED, message).hint(format!("run this on {origin}")))
        }
        other => Err(unexpected(&other)),
    }
}

fn edit(state: &Path, output: Output) -> Outcome {
    must_be_origin(state)?;
    let before = show(state)?;
    let scratch = Scratch::new("config")?;
    let file = scratch.path().join("cluster.toml");
    let fail = |error| Failure::failed(format!("{}: {error}", file.display()));
    std::fs::write(&file, &before).map_err(fail)?;
    // As git does it: an editor may be a command with arguments.
    let editor = ["VISUAL", "EDITOR"].iter().find_map(std::env::var_os).unwrap_or("vi".into());
    let mut script = editor;
    script.push(" \"$@\"");
    let mut command = std::process::Command::new("/bin/sh");
    let status = command.arg("-c").arg(script).arg("sh").arg(&file).status().map_err(fail)?;
    if !status.success() {
        return Err(Failure::failed("the editor failed; nothing was changed"));
    }
    let text = read(&file)?;
    if text == before {
        output.talk("nothing was changed");
        return Ok(exit::DONE);
    }
    done(Command::ConfigReplace { text }, state, output).map_err(|failure| {
        let kept = scratch.keep().join("cluster.toml");
        let again = with_state(state, &format!("config edit {}", kept.display()));
        failure.hint(format!("your text is kept; correct it and run: {again}"))
    })
}

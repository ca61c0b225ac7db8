//! `diff A B`: what differs between two members or two directories.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;
use mirrormesh_merkle::difference;
use serde_json::{Map, json};

use super::ask::Daemon;
use super::failure::{Failure, Outcome, exit};
use super::offline::{Reader, open_directory};
use super::output::Output;
use super::text;
use crate::core::{Answer, Command};

/// List what differs between two members or two directories; exit code 3 if anything does.
///
/// Members are compared by their trees, without reading contents. What names a directory is taken
/// as one: write ./NAME for a directory whose name is also a member's, the id for the member.
#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// A member or a directory.
    #[arg(value_name = "A")]
    left: OsString,
    /// A member or a directory.
    #[arg(value_name = "B")]
    right: OsString,
    /// Print raw paths, each line ended by NUL.
    #[arg(short = '0')]
    null: bool,
}

/// Runs the verb.
pub(crate) fn run(arguments: &DiffArguments, state: &Path, output: Output) -> Outcome {
    let mut printer = Printer { output, null: arguments.null, count: 0 };
    let sides = [&arguments.left, &arguments.right];
    let are_directories = sides.map(|side| Path::new(side).is_dir());
    if are_directories == [true, true] {
        directories(arguments, &mut printer)?;
    } else if let Some(side) = sides.iter().find(|side| names_a_path(side)) {
        open_directory(Path::new(side))?;
        return Err(Failure::usage("a directory can only be compared with a directory"));
    } else {
        members(arguments, state, &mut printer)?;
    }
    Ok(if printer.count == 0 { exit::DONE } else { exit::DIFFERENCES })
}

/// Whether it can be no member: their names have neither slashes nor odd bytes.
fn names_a_path(side: &OsString) -> bool {
    side.to_str().is_none_or(|side| side.contains('/'))
}

struct Printer {
    output: Output,
    null: bool,
    count: u64,
}

impl Printer {
    fn line(&mut self, sign: &str, path: &[u8]) {
        self.count += 1;
        if self.output.json {
            let mut object = Map::new();
            object.insert("sign".into(), json!(sign));
            text::put_path(&mut object, path);
            self.output.value(&object.into());
        } else if self.null {
            self.output.bytes(&[sign.as_bytes(), b" ", path].concat(), b"\0");
        } else {
            self.output.line(format!("{sign} {}", text::path(path)));
        }
    }
}

fn directories(arguments: &DiffArguments, printer: &mut Printer) -> Result<(), Failure> {
    let mut reader = Reader::new();
    let left = reader.tree(open_directory(Path::new(&arguments.left))?)?;
    let right = reader.tree(open_directory(Path::new(&arguments.right))?)?;
    for remark in reader.remarks() {
        printer.output.talk(remark);
    }
    let mut found = difference(reader.nodes(), &left.root, &right.root, None, usize::MAX)
        .map_err(|error| Failure::failed(error.to_string()))?;
    found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    for difference in found {
        let sign = match (&difference.old, &difference.new) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        printer.line(sign, difference.path.as_bytes());
    }
    Ok(())
}

fn members(arguments: &DiffArguments, state: &Path, printer: &mut Printer) -> Result<(), Failure> {
    let [left, right] = [&arguments.left, &arguments.right].map(|side| side.to_string_lossy());
    let command = Command::Diff { left: left.into_owned(), right: right.into_owned() };
    Daemon::at(state).ask(command, &mut |answer| {
        if let Answer::Paths(lines) = answer {
            for line in lines {
                printer.line(&line.what, &line.path);
            }
        }
    })
}

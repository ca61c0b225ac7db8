//! `kept list`, `show`, `restore`, `drop`: what was set aside.
//!
//! What is restored into the docroot is restored by the daemon, and published like any edit. What
//! is restored elsewhere is copied by this program, with the rights of whoever calls it.

mod copy;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mirrormesh_gossip::Wall;
use serde_bytes::ByteBuf;
use serde_json::{Map, Value, json};

use super::ask::{Daemon, unexpected};
use super::failure::{Failure, Outcome, exit};
use super::members::done;
use super::output::Output;
use super::text;
use crate::core::{Answer, Command, KeptLine};
use crate::daemon::config::Config;
use crate::daemon::places;
use crate::store::area::Area;
use crate::store::kept::unknown;

/// Most lines of a list on a terminal.
const LISTED: usize = 50;

/// List, restore or drop what was set aside.
#[derive(Debug, Args)]
pub(crate) struct KeptArguments {
    #[command(subcommand)]
    verb: KeptVerb,
}

#[derive(Debug, Subcommand)]
enum KeptVerb {
    /// What was set aside: where, why, since when.
    ///
    /// On a terminal at most 50, the newest.
    List {
        /// On a terminal too: all of them.
        #[arg(long)]
        all: bool,
        /// Print raw paths only, each ended by NUL.
        #[arg(short = '0')]
        null: bool,
    },
    /// One thing that was set aside.
    Show {
        /// Its number.
        #[arg(value_name = "ID")]
        id: u64,
    },
    /// Bring one back. It stays kept until it is dropped.
    ///
    /// On the origin it goes back to where it lay, or to PATH in the docroot, and is published. A
    /// PATH outside the docroot gets a copy, on any node.
    Restore {
        /// Its number.
        #[arg(value_name = "ID")]
        id: u64,
        /// Where to; in a directory that exists, under its old name.
        #[arg(long, value_name = "PATH")]
        to: Option<PathBuf>,
    },
    /// Remove for good.
    Drop {
        /// Their numbers.
        #[arg(value_name = "ID", required_unless_present = "all")]
        ids: Vec<u64>,
        /// Everything that was set aside.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

/// Runs the verb.
pub(crate) fn run(arguments: &KeptArguments, state: &Path, output: Output) -> Outcome {
    match &arguments.verb {
        KeptVerb::List { all, null } => list(state, output, *all, *null),
        KeptVerb::Show { id } => show(state, output, *id),
        KeptVerb::Restore { id, to } => restore(state, output, *id, to.as_deref()),
        KeptVerb::Drop { ids, .. } => done(Command::KeptDrop { ids: ids.clone() }, state, output),
    }
}

fn lines(state: &Path) -> Result<Vec<KeptLine>, Failure> {
    let mut all = Vec::new();
    let mut other = None;
    Daemon::at(state).ask(Command::KeptList, &mut |answer| match answer {
        Answer::Kept(lines) => all.extend(lines),
        answer => other = Some(unexpected(&answer)),
    })?;
    match other {
        Some(failure) => Err(failure),
        None => Ok(all),
    }
}

fn find(state: &Path, id: u64) -> Result<KeptLine, Failure> {
    let found = lines(state)?.into_iter().find(|line| line.id == id);
    found.ok_or_else(|| Failure::new(exit::REFUSED, unknown(id)).hint("see `mirrormesh kept list`"))
}

fn list(state: &Path, output: Output, all: bool, null: bool) -> Outcome {
    let lines = lines(state)?;
    if output.json {
        output.value(&json!({ "kept": lines.iter().map(value).collect::<Vec<_>>() }));
    } else if null {
        lines.iter().for_each(|line| output.bytes(&line.path, b"\0"));
    } else if !lines.is_empty() {
        let mut rows =
            vec![["ID", "SINCE", "SIZE", "KIND", "WHY", "PATH"].map(String::from).to_vec()];
        let more = if all || !output.terminal { 0 } else { lines.len().saturating_sub(LISTED) };
        rows.extend(lines.iter().skip(more).map(row));
        text::table(&rows).into_iter().for_each(|line| output.line(line));
        if more > 0 {
            output.talk(format!("and {more} more, set aside before: --all lists them"));
        }
    }
    Ok(exit::DONE)
}

fn row(line: &KeptLine) -> Vec<String> {
    let since = Wall(line.wall).to_string();
    vec![
        line.id.to_string(),
        since.get(..19).unwrap_or(&since).replace('T', " "),
        text::size(line.bytes),
        line.kind.clone(),
        line.reason.clone(),
        text::path(&line.path),
    ]
}

fn show(state: &Path, output: Output, id: u64) -> Outcome {
    let line = find(state, id)?;
    let place = kept_directory(state).map(|kept| kept.join(&line.stored_as));
    if output.json {
        output.value(&value(&line));
        return Ok(exit::DONE);
    }
    let mut rows = vec![
        vec!["id".into(), line.id.to_string()],
        vec!["path".into(), text::path(&line.path)],
        vec!["kind".into(), line.kind.clone()],
        vec!["size".into(), text::size(line.bytes)],
        vec!["why".into(), line.reason.clone()],
        vec!["since".into(), Wall(line.wall).to_string()],
    ];
    if let Ok(place) = place {
        rows.push(vec!["lies in".into(), text::path(place.as_os_str().as_bytes())]);
    }
    text::table(&rows).into_iter().for_each(|line| output.line(line));
    Ok(exit::DONE)
}

fn value(line: &KeptLine) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), json!(line.id));
    text::put_path(&mut object, &line.path);
    object.insert("kind".into(), json!(line.kind));
    object.insert("bytes".into(), json!(line.bytes));
    object.insert("reason".into(), json!(line.reason));
    object.insert("since".into(), json!(Wall(line.wall).to_string()));
    object.insert("stored_as".into(), json!(line.stored_as));
    object.into()
}

fn restore(state: &Path, output: Output, id: u64, to: Option<&Path>) -> Outcome {
    let Some(to) = to else {
        return done(Command::KeptRestore { id, to: None }, state, output);
    };
    let line = find(state, id)?;
    let fail = |error| Failure::failed(format!("{}: {error}", to.display()));
    let mut target = resolved(to).map_err(fail)?;
    if target.is_dir() {
        let name = line.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        target.push(OsStr::from_bytes(name));
    }
    let config = Config::load(state)?;
    let docroot = config.docroot.as_deref().map(Path::canonicalize).transpose().map_err(fail)?;
    if let Some(below) = docroot.as_deref().and_then(|root| target.strip_prefix(root).ok()) {
        let to = Some(ByteBuf::from(below.as_os_str().as_bytes()));
        return done(Command::KeptRestore { id, to }, state, output);
    }
    let source = kept_directory(state)?.join(&line.stored_as);
    copy::copy(&source, &target)?;
    let told = text::path(target.as_os_str().as_bytes());
    if output.json {
        output.value(&json!({ "done": format!("copied to {told}") }));
    } else {
        output.talk(format!("copied to {told}"));
    }
    Ok(exit::DONE)
}

/// An absolute path whose directory is resolved and whose last name may be free.
fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize()?.join(name)),
        _ => path.canonicalize(),
    }
}

fn kept_directory(state: &Path) -> Result<PathBuf, Failure> {
    let config = Config::load(state)?;
    let work = match (config.work, config.docroot) {
        (Some(work), _) => work,
        (None, Some(docroot)) => places::default_work(&docroot)?,
        (None, None) => return Err(Failure::failed("a witness keeps nothing")),
    };
    Ok(work.join(OsStr::from_bytes(Area::Kept.name().as_bytes())))
}

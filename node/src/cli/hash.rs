//! `hash DIR [PATH]`: the root of a directory as it lies, without a daemon.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::Args;
use mirrormesh_merkle::{Hash, Path, content_hash};
use rustix::fs::{FileType, OFlags};

use super::failure::{Failure, Outcome, exit};
use super::offline::{Reader, open_below, open_directory};
use super::output::Output;

/// Print the hash of a directory as it lies, without a daemon.
///
/// It knows no excludes: it equals `node.root` of a node in sync where nothing is excluded. With PATH: the hash of that directory's part of the tree,
/// or of that file's content (as b3sum prints it).
#[derive(Debug, Args)]
pub(crate) struct HashArguments {
    /// The directory.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A path below it.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(arguments: &HashArguments, output: Output) -> Outcome {
    let mut reader = Reader::new();
    let hash = match &arguments.path {
        None => reader.tree(open_directory(&arguments.directory)?)?.root,
        Some(path) => part(&mut reader, arguments, path)?,
    };
    for remark in reader.remarks() {
        output.talk(remark);
    }
    if output.json {
        output.value(&serde_json::json!({ "hash": hash.to_string() }));
    } else {
        output.line(hash.to_string());
    }
    Ok(exit::DONE)
}

fn part(
    reader: &mut Reader,
    arguments: &HashArguments,
    path: &std::path::Path,
) -> Result<Hash, Failure> {
    let relative = relative(path)?;
    let root = open_directory(&arguments.directory)?;
    let fail = |error: rustix::io::Errno| Failure::failed(format!("{}: {error}", path.display()));
    let handle = open_below(&root, &relative, OFlags::PATH).map_err(fail)?;
    let stat = rustix::fs::fstat(&handle).map_err(fail)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            Ok(reader.tree(open_below(&root, &relative, flags).map_err(fail)?)?.root)
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            let file = open_below(&root, &relative, flags).map_err(fail)?;
            Ok(reader.content(&file).map_err(fail)?.0)
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&handle, "", Vec::new()).map_err(fail)?;
            Ok(content_hash(target.as_bytes()))
        }
        _ => Err(Failure::failed(format!("{}: is not mirrored", path.display()))),
    }
}

fn relative(path: &std::path::Path) -> Result<Path, Failure> {
    let usage = |reason: &str| Failure::usage(format!("{}: {reason}", path.display()));
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            std::path::Component::Normal(name) => names.push(name.as_bytes()),
            std::path::Component::CurDir => {}
            _ => return Err(usage("PATH is relative to DIR, without `..`")),
        }
    }
    let path = Path::from_bytes(&names.join(&b'/')).map_err(|error| usage(&error.to_string()))?;
    if path.is_reserved() {
        return Err(Failure::failed(format!("{path}: is not mirrored")));
    }
    Ok(path)
}

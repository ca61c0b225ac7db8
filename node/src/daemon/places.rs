//! The places a node works in: state directory, docroot, work directory.
//!
//! Purpose: proves before anything begins that they are usable together, and says in one line what
//! is wrong if not. Used by `init`, `join` and `run`.
//!
//! Invariants: docroot and state do not overlap; the work directory lies on the docroot's mount
//! (proved by renaming a file), has mode 0700, and bears the id of its node: one of another node,
//! or one with foreign files in it, is refused and never emptied. What fails leaves everything as
//! it was.
//!
//! Never looks into the docroot.

mod mount;
mod work;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mirrormesh_gossip::NodeId;
use rustix::fs::{Access, AtFlags, CWD};

/// Why a place cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The docroot is not there.
    #[error("docroot {} does not exist", .0.display())]
    NoDocroot(PathBuf),
    /// The docroot is no directory.
    #[error("docroot {} is not a directory", .0.display())]
    DocrootNotDirectory(PathBuf),
    /// The docroot may not be written.
    #[error("docroot {} is not writable for this user: {source}", path.display())]
    DocrootNotWritable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The state directory is another user's.
    #[error("state directory {} belongs to user {owner}, and this is user {user}", path.display())]
    ForeignState {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who would run the daemon.
        user: u32,
    },
    /// One of two places lies in the other.
    #[error("{what} {} and {other} {} overlap", path.display(), other_path.display())]
    Overlap {
        /// What the one is.
        what: &'static str,
        /// The one.
        path: PathBuf,
        /// What the other is.
        other: &'static str,
        /// The other.
        other_path: PathBuf,
    },
    /// The work directory lies on another mount than the docroot.
    #[error("work directory {} is not on the mount of {}", work.display(), docroot.display())]
    OtherMount {
        /// The work directory.
        work: PathBuf,
        /// The docroot.
        docroot: PathBuf,
    },
    /// The work directory belongs to another node.
    #[error("work directory {} belongs to node {owner}", work.display())]
    ForeignWork {
        /// The work directory.
        work: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// The work directory holds files and bears no id.
    #[error("work directory {} is not empty and was not made by mirrormesh", .0.display())]
    StrangeWork(PathBuf),
    /// The system failed.
    #[error("{what} {}: {source}", path.display())]
    Failed {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl PlaceError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            PlaceError::NoDocroot(_) | PlaceError::DocrootNotDirectory(_) => {
                "make the directory, or mount it, and try again"
            }
            PlaceError::DocrootNotWritable { .. } => "run as a user who may write it",
            PlaceError::ForeignState { .. } => "run as that user, or give it to this one: chown -R",
            PlaceError::Overlap { .. } => "choose directories that do not lie in each other",
            PlaceError::OtherMount { .. } => "give a directory on the docroot's mount: --work DIR",
            PlaceError::ForeignWork { .. } => {
                "give another one with --work DIR: what that node set aside lies in this one"
            }
            PlaceError::StrangeWork(_) => "give an empty or new one: --work DIR",
            PlaceError::Failed { what: "make work directory", .. } => {
                "give one that this user may make, on the docroot's mount: --work DIR"
            }
            PlaceError::Failed { .. } => "",
        }
    }

    pub(self) fn failed<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl Fn(io::Error) -> PlaceError + use<'a> {
        move |source| PlaceError::Failed { what, path: path.to_owned(), source }
    }
}

/// Name of the ordered store's file in the state directory.
const STORE_FILE: &str = "store.redb";

/// Where the ordered store of a state directory is.
pub fn store_path(state: &Path) -> PathBuf {
    state.join(STORE_FILE)
}

/// What to do about a store that is gone.
pub const STORE_GONE: &str = "restore it, or remove the state directory and join again";

/// Whether a state directory has an ordered store. An empty file is what an `init` or `join` that
/// was interrupted left.
pub fn has_store(state: &Path) -> bool {
    fs::metadata(store_path(state)).is_ok_and(|store| store.len() > 0)
}

/// Makes the state directory if it is missing, and gives it mode 0700. What lies in it stays.
///
/// # Errors
/// [`PlaceError::Failed`].
pub fn prepare_state(state: &Path) -> Result<(), PlaceError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
    made.map_err(PlaceError::failed("make state directory", state))?;
    let mode = fs::set_permissions(state, Permissions::from_mode(0o700));
    mode.map_err(PlaceError::failed("set the mode of state directory", state))
}

/// Sees that the state directory is this user's, and closes it to others if it is open. Returns
/// what was open to others, which an admin should know: a key that others could read is known.
///
/// # Errors
/// [`PlaceError::ForeignState`]; [`PlaceError::Failed`].
pub fn close_state(state: &Path, files: &[&str]) -> Result<Vec<PathBuf>, PlaceError> {
    let metadata = fs::metadata(state).map_err(PlaceError::failed("look at", state))?;
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(PlaceError::ForeignState { path: state.to_owned(), owner, user });
    }
    let secret = files.iter().map(|name| (state.join(name), 0o600));
    let mut were_open = Vec::new();
    for (path, mode) in secret.chain([(state.to_owned(), 0o700)]) {
        let found = fs::symlink_metadata(&path).map(|metadata| metadata.permissions().mode());
        if found.is_ok_and(|found| found & 0o077 != 0) {
            fs::set_permissions(&path, Permissions::from_mode(mode))
                .map_err(PlaceError::failed("set the mode of", &path))?;
            were_open.push(path);
        }
    }
    Ok(were_open)
}

/// The work directory where none is configured: beside the docroot, or in it if a mount begins
/// there.
///
/// # Errors
/// The docroot is not there or cannot be looked at.
pub fn default_work(docroot: &Path) -> Result<PathBuf, PlaceError> {
    check_docroot(docroot)?;
    let is_mount = mount::is_mount_point(docroot);
    if is_mount.map_err(PlaceError::failed("look at docroot", docroot))? {
        return Ok(docroot.join(work::INSIDE));
    }
    // A docroot given as `.` or `/a/..` has no last component of its own.
    let named = match docroot.file_name() {
        Some(_) => docroot.to_owned(),
        None => docroot.canonicalize().map_err(PlaceError::failed("resolve docroot", docroot))?,
    };
    let mut name = std::ffi::OsString::from(work::BESIDE);
    name.push(named.file_name().unwrap_or_default());
    Ok(named.with_file_name(name))
}

/// Proves that the places can be used together by the node `id`, and makes the work directory if it
/// is missing. Returns the work directory.
///
/// # Errors
/// See [`PlaceError`]; nothing was changed then.
pub fn prove(
    state: &Path,
    docroot: &Path,
    work: Option<&Path>,
    id: &NodeId,
) -> Result<PathBuf, PlaceError> {
    let work = check(state, docroot, work)?;
    work::prove(&work, docroot, id)?;
    Ok(work)
}

/// What can be seen of the places without making anything. Returns the work directory.
///
/// # Errors
/// See [`PlaceError`].
pub fn check(state: &Path, docroot: &Path, work: Option<&Path>) -> Result<PathBuf, PlaceError> {
    check_docroot(docroot)?;
    let work = match work {
        Some(work) => work.to_owned(),
        None => default_work(docroot)?,
    };
    check_overlap(("state directory", state), ("docroot", docroot))?;
    check_overlap(("state directory", state), ("work directory", &work))?;
    if work != docroot.join(work::INSIDE) {
        check_overlap(("work directory", &work), ("docroot", docroot))?;
    }
    Ok(work)
}

fn check_docroot(docroot: &Path) -> Result<(), PlaceError> {
    let metadata = fs::metadata(docroot).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => PlaceError::NoDocroot(docroot.to_owned()),
        _ => PlaceError::failed("look at docroot", docroot)(source),
    })?;
    if !metadata.is_dir() {
        return Err(PlaceError::DocrootNotDirectory(docroot.to_owned()));
    }
    let wanted = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(CWD, docroot, wanted, AtFlags::EACCESS).map_err(|error| {
        PlaceError::DocrootNotWritable { path: docroot.to_owned(), source: error.into() }
    })
}

fn check_overlap(
    (what, path): (&'static str, &Path),
    (other, other_path): (&'static str, &Path),
) -> Result<(), PlaceError> {
    let resolved = resolve(path).map_err(PlaceError::failed("resolve", path))?;
    let other_resolved = resolve(other_path).map_err(PlaceError::failed("resolve", other_path))?;
    if resolved.starts_with(&other_resolved) || other_resolved.starts_with(&resolved) {
        let (path, other_path) = (path.to_owned(), other_path.to_owned());
        return Err(PlaceError::Overlap { what, path, other, other_path });
    }
    Ok(())
}

/// The path with symlinks followed as far as it exists.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => Ok(resolve(parent)?.join(name)),
                _ => Err(error),
            }
        }
        resolved => resolved,
    }
}

#[cfg(test)]
mod tests;

//! The work directory.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mirrormesh_gossip::NodeId;

use super::PlaceError;

/// Its name in a docroot that is a mount point.
pub(super) const INSIDE: &str = ".mirrormesh";
/// What its name beside a docroot begins with.
pub(super) const BESIDE: &str = ".mirrormesh-";
/// The file in it that says whose it is.
const OWNER: &str = "node";
/// The file that is renamed for trial.
const TRIAL: &str = "trial";
/// Its name in the docroot: one of those that are never mirrored, and removed at recovery.
const TRIAL_IN_DOCROOT: &str = ".mirrormesh.tmp-trial";

/// Proves that `work` can serve node `id` for `docroot`; makes it if it is missing.
pub(super) fn prove(work: &Path, docroot: &Path, id: &NodeId) -> Result<(), PlaceError> {
    let mut made = Made::default();
    let proved = prepare(work, id, &mut made).and_then(|()| try_rename(work, docroot, id));
    if proved.is_err() {
        made.undo();
    }
    proved
}

/// What was made and has to go if the proof fails.
#[derive(Default)]
struct Made {
    directory: Option<PathBuf>,
    owner: Option<PathBuf>,
}

impl Made {
    fn undo(self) {
        if let Some(owner) = self.owner {
            let _ = fs::remove_file(owner);
        }
        if let Some(directory) = self.directory {
            let _ = fs::remove_dir(directory);
        }
    }
}

fn prepare(work: &Path, id: &NodeId, made: &mut Made) -> Result<(), PlaceError> {
    match fs::DirBuilder::new().mode(0o700).create(work) {
        Ok(()) => made.directory = Some(work.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(PlaceError::failed("make work directory", work)(error)),
    }
    // Whoever may write the docroot's parent could have laid a symlink here.
    let metadata = fs::symlink_metadata(work);
    let metadata = metadata.map_err(PlaceError::failed("look at work directory", work))?;
    if !metadata.is_dir() {
        let error = io::ErrorKind::NotADirectory.into();
        return Err(PlaceError::failed("use as work directory", work)(error));
    }
    let owner = work.join(OWNER);
    match read_owner(&owner).map_err(PlaceError::failed("read", &owner))? {
        Some(found) if found == id.to_string() => {}
        // Whoever made it was interrupted before it could say whose it is.
        Some(found) if found.is_empty() => {
            fs::remove_file(&owner).map_err(PlaceError::failed("write", &owner))?;
            return prepare(work, id, made);
        }
        Some(found) => return Err(PlaceError::ForeignWork { work: work.to_owned(), owner: found }),
        None => {
            let mut entries =
                fs::read_dir(work).map_err(PlaceError::failed("list work directory", work))?;
            if entries.next().is_some() {
                return Err(PlaceError::StrangeWork(work.to_owned()));
            }
            made.owner = Some(owner.clone());
            write_owner(work, &owner, id).map_err(PlaceError::failed("write", &owner))?;
        }
    }
    let mode = fs::set_permissions(work, Permissions::from_mode(0o700));
    mode.map_err(PlaceError::failed("set the mode of work directory", work))
}

/// The id in the owner file, cut to what is worth showing; `None` if there is no file.
fn read_owner(owner: &Path) -> io::Result<Option<String>> {
    let file = match File::open(owner) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(80).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(text.trim().chars().filter(char::is_ascii_alphanumeric).take(64).collect()))
}

fn write_owner(work: &Path, owner: &Path, id: &NodeId) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(owner)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    File::open(work)?.sync_all()
}

fn try_rename(work: &Path, docroot: &Path, id: &NodeId) -> Result<(), PlaceError> {
    let trial = work.join(TRIAL);
    let target = docroot.join(format!("{TRIAL_IN_DOCROOT}-{}", id.short()));
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&trial);
    made.map_err(PlaceError::failed("write work directory", work))?;
    let renamed = fs::rename(&trial, &target).and_then(|()| fs::remove_file(&target));
    if renamed.is_ok() {
        return Ok(());
    }
    let _ = fs::remove_file(&trial);
    renamed.map_err(|error| match error.kind() {
        io::ErrorKind::CrossesDevices => {
            PlaceError::OtherMount { work: work.to_owned(), docroot: docroot.to_owned() }
        }
        _ => PlaceError::failed("write docroot", docroot)(error),
    })
}

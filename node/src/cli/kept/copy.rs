//! Copies something that was set aside to a place outside the docroot.
//!
//! What was set aside may come from somebody hostile: symlinks are copied, not followed; what is
//! neither file, directory nor symlink is left out; set-id bits do not come along, since the copy
//! belongs to whoever calls. Nothing that exists is overwritten.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::super::failure::Failure;

/// Copies a file, a symlink or a directory with all in it.
pub(crate) fn copy(source: &Path, target: &Path) -> Result<(), Failure> {
    if target.symlink_metadata().is_ok() {
        return Err(Failure::failed(format!("{}: exists already", target.display())));
    }
    copy_one(source, target).map_err(|error| {
        Failure::failed(format!("{} to {}: {error}", source.display(), target.display()))
            .hint("what was copied so far is left; what was set aside is still there")
    })
}

fn copy_one(source: &Path, target: &Path) -> std::io::Result<()> {
    let metadata = source.symlink_metadata()?;
    let permissions = Permissions::from_mode(metadata.permissions().mode() & 0o777);
    if metadata.is_symlink() {
        return symlink(fs::read_link(source)?, target);
    }
    if metadata.is_dir() {
        fs::create_dir(target)?;
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            copy_one(&entry.path(), &target.join(entry.file_name()))?;
        }
        return fs::set_permissions(target, permissions);
    }
    if !metadata.is_file() {
        return Ok(());
    }
    let mut from = fs::File::open(source)?;
    let mut to = fs::File::create_new(target)?;
    std::io::copy(&mut from, &mut to)?;
    to.set_permissions(permissions)?;
    to.set_times(fs::FileTimes::new().set_modified(metadata.modified()?))
}

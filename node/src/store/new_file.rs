//! New files of the docroot before they have a name there: how they are made and whose they are.

use mirrormesh_merkle::{Name, Time};

use super::disk::{Disk, DiskErrorKind, DiskResult, Metadata, Stat};
use super::temporary::TemporaryNames;

/// Makes a file in the directory where it will lie: without a name if the file system can, else
/// under a temporary one.
pub(super) fn new_file<D: Disk>(
    disk: &D,
    directory: &D::Directory,
    unnamed_files: bool,
    names: &mut TemporaryNames,
) -> DiskResult<(D::File, Option<Name>)> {
    if unnamed_files {
        match disk.create_unnamed(directory) {
            // A file system below another one may be unable to.
            Err(error) if error.kind == DiskErrorKind::Unsupported => {}
            made => return Ok((made?, None)),
        }
    }
    loop {
        let name = names.next_name();
        match disk.create(directory, &name) {
            Err(error) if error.kind == DiskErrorKind::Exists => {}
            made => return Ok((made?, Some(name))),
        }
    }
}

/// Gives a file mode, time, and owner and group of the directory it lands in, as far as this
/// process may: only root gives files away, others may at best choose the group.
pub(super) fn give_metadata<D: Disk>(
    disk: &D,
    directory: &D::Directory,
    file: &D::File,
    mode: u16,
    mtime: Time,
) -> DiskResult<Stat> {
    let (above, is) = (disk.stat_directory(directory)?, disk.stat_file(file)?);
    let metadata = Metadata { mode: Some(mode), mtime: Some(mtime), owner: None };
    if (above.user, above.group) != (is.user, is.group) {
        for owner in [(above.user, above.group), (is.user, above.group)] {
            match disk.set_file_metadata(file, Metadata { owner: Some(owner), ..metadata }) {
                Err(error) if error.kind == DiskErrorKind::Permission => {}
                Err(error) => return Err(error),
                Ok(()) => return disk.stat_file(file),
            }
        }
    }
    disk.set_file_metadata(file, metadata)?;
    disk.stat_file(file)
}

/// The same for a new directory.
pub(super) fn give_directory_metadata<D: Disk>(
    disk: &D,
    above: &D::Directory,
    made: &D::Directory,
    mode: u16,
) -> DiskResult<()> {
    let (above, is) = (disk.stat_directory(above)?, disk.stat_directory(made)?);
    let metadata = Metadata { mode: Some(mode), ..Metadata::default() };
    if (above.user, above.group) != (is.user, is.group) {
        for owner in [(above.user, above.group), (is.user, above.group)] {
            let metadata = Metadata { owner: Some(owner), ..metadata };
            match disk.set_directory_metadata(made, metadata) {
                Err(error) if error.kind == DiskErrorKind::Permission => {}
                result => return result,
            }
        }
    }
    if is.mode == mode { Ok(()) } else { disk.set_directory_metadata(made, metadata) }
}

/// The same for a new link, which has no other metadata.
pub(super) fn give_link_to_owner<D: Disk>(
    disk: &D,
    directory: &D::Directory,
    at: &D::Directory,
    name: &Name,
) -> DiskResult<()> {
    let (above, is) = (disk.stat_directory(directory)?, disk.stat(at, name)?);
    if (above.user, above.group) == (is.user, is.group) {
        return Ok(());
    }
    match disk.set_symlink_owner(at, name, (above.user, above.group)) {
        // Whoever may not give links away keeps them: nobody asks who owns a link.
        Err(error) if error.kind == DiskErrorKind::Permission => Ok(()),
        result => result,
    }
}

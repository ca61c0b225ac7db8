//! Removes trees of the work directory, one name at a time, whatever their depth.

use mirrormesh_merkle::{Name, Path};

use super::disk::{Disk, DiskErrorKind, DiskResult, FileKind, Metadata};
use super::resolve::Resolver;

/// What the owner of a directory needs to empty it.
const OWNER: u16 = 0o700;

/// Removes a name with everything below it. Never follows a link.
pub(super) fn remove_any<D: Disk>(disk: &D, at: &D::Directory, name: &Name) -> DiskResult<()> {
    match disk.stat(at, name)?.kind {
        FileKind::Directory => remove_tree(disk, at, name),
        _ => disk.remove(at, name),
    }
}

/// Removes a directory of the work directory with everything below it, whatever its depth.
pub(super) fn remove_tree<D: Disk>(disk: &D, at: &D::Directory, name: &Name) -> DiskResult<()> {
    let mut resolver = Resolver::at(disk, at.clone());
    let mut open = vec![Path::from(name)];
    while let Some(path) = open.last().cloned() {
        let mut names = Vec::new();
        let mut directory = resolver.directory(&path)?;
        if disk.stat_directory(&directory)?.mode & OWNER != OWNER {
            // Its mode may keep out who owns it. If somebody else does, what follows fails.
            let metadata = Metadata { mode: Some(OWNER), ..Metadata::default() };
            match disk.set_directory_metadata(&directory, metadata) {
                Err(error) if error.kind == DiskErrorKind::Permission => {}
                result => result?,
            }
            resolver.forget(&path);
            directory = resolver.directory(&path)?;
        }
        disk.list(&directory, &mut |name, _| names.push(name))?;
        let mut is_empty = true;
        for name in names {
            if disk.stat(&directory, &name)?.kind == FileKind::Directory {
                is_empty = false;
                open.push(path.join(&name));
            } else {
                disk.remove(&directory, &name)?;
            }
        }
        if is_empty {
            if let (Some(parent), Some(name)) = (path.parent(), path.name()) {
                let parent = resolver.directory(&parent)?;
                resolver.forget(&path);
                disk.remove_directory(&parent, &name)?;
            }
            open.pop();
        }
    }
    Ok(())
}

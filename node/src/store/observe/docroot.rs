//! Whether the docroot is there, and is the directory it was.

use mirrormesh_merkle::Path;

use crate::store::disk::{Disk, DiskErrorKind, FileKind, Place};
use crate::store::job::{DocrootIdentity, DocrootState, JobError};
use crate::store::reason::failed_at;

/// What lies at the docroot's path.
pub(super) enum Docroot<D: Disk> {
    /// The expected directory, or the first one.
    Found(D::Directory, DocrootIdentity),
    /// Nothing, or another directory.
    NotObserved(DocrootState),
}

/// Resolves the docroot's path again.
pub(super) fn resolve<D: Disk>(
    disk: &D,
    expected: Option<DocrootIdentity>,
) -> Result<Docroot<D>, JobError> {
    let opened = disk
        .open_place(Place::Docroot)
        .and_then(|root| disk.stat_directory(&root).map(|stat| (root, stat)));
    let (root, stat) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            if matches!(error.kind, DiskErrorKind::Crashed | DiskErrorKind::TooManyOpen) {
                return Err(failed_at(&Path::root(), error));
            }
            return Ok(Docroot::NotObserved(DocrootState::Gone(error.to_string())));
        }
    };
    if stat.kind != FileKind::Directory {
        return Ok(Docroot::NotObserved(DocrootState::Gone("it is no directory".into())));
    }
    let identity = DocrootIdentity { device: stat.device, inode: stat.inode };
    if expected.is_some_and(|expected| expected != identity) {
        return Ok(Docroot::NotObserved(DocrootState::Other(identity)));
    }
    Ok(Docroot::Found(root, identity))
}

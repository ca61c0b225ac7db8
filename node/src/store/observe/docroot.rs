//! Whether the docroot is there, and is the directory it was.

use mirrormesh_merkle::Path;

use crate::store::disk::{Disk, DiskErrorKind, FileKind, Place};
use crate::store::job::{DocrootIdentity, DocrootState, JobError};
use crate::store::reason::failed_at;

/// What lies at the docroot's path.
pub(super) enum Docroot<D: Disk> {
    /// The expected directory, or the first one, and the device it lies on.
    Found { root: D::Directory, identity: DocrootIdentity, device: u64 },
    /// Nothing, or another directory.
    NotObserved(DocrootState),
}

/// Resolves the docroot's path again.
pub(super) fn resolve<D: Disk>(
    disk: &D,
    expected: Option<DocrootIdentity>,
) -> Result<Docroot<D>, JobError> {
    let opened = disk.open_place(Place::Docroot).and_then(|root| {
        let stat = disk.stat_directory(&root)?;
        let birth = disk.birth(&root)?;
        Ok((root, stat, birth))
    });
    let (root, stat, birth) = match opened {
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
    let identity = DocrootIdentity { birth, inode: stat.inode };
    if expected.is_some_and(|expected| expected != identity) {
        return Ok(Docroot::NotObserved(DocrootState::Other(identity)));
    }
    Ok(Docroot::Found { root, identity, device: stat.device })
}

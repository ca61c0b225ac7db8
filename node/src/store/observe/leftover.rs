//! Files that a crash left behind: regular files named `.mirrormesh.tmp-…`.
//!
//! No Apply runs beside an Observe, so such a file belongs to nobody: it is a staged file whose
//! rename did not happen. It is removed if nothing is lost by that: it is empty, or its content
//! lies in the docroot under a name, or the target has it in that directory. Any other is set
//! aside. Directories, links and all else of that name are not touched.

use mirrormesh_merkle::{Entry, File, Hash, Name, Path, Record, TreeError, entries};

use super::observation::Observation;
use crate::store::area::Area;
use crate::store::aside::{About, set_aside};
use crate::store::disk::{Disk, DiskErrorKind, FileKind, Stat};
use crate::store::failed_name::failed_name;
use crate::store::job::{JobError, KeptReason, Side, Unlisted};
use crate::store::reading::{FileAt, Reading};
use crate::store::reason::failed_at;
use crate::store::rows;
use crate::store::temporary::TEMPORARY_PREFIX;

/// Whether this is a name of a temporary file.
pub(super) fn is_leftover(name: &Name) -> bool {
    name.as_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
}

impl<D: Disk> Observation<'_, D> {
    /// Removes a left-over file if nothing is lost by it.
    pub(super) fn leftover(
        &mut self,
        handle: &D::Directory,
        directory: &Path,
        name: &Name,
    ) -> Result<(), JobError> {
        let path = directory.join(name);
        let stat = match self.disk.stat(handle, name) {
            Ok(stat) => stat,
            Err(error) => return failed_name(error, &path).map(|_| ()),
        };
        if stat.kind != FileKind::File {
            return Ok(());
        }
        if stat.size > 0 {
            let place = FileAt { disk: self.disk, directory: handle, name, path: &path };
            let Reading::Whole { content, size, .. } = place.read_stable(&mut self.buffer)? else {
                return Ok(());
            };
            self.bytes += size;
            if !rows::holds(&self.pending, &content)? && !self.is_wanted(directory, &content)? {
                return self.set_leftover_aside(handle, name, path, &stat, content);
            }
        }
        match self.disk.remove(handle, name) {
            Err(error) if error.kind == DiskErrorKind::Crashed => Err(failed_at(&path, error)),
            _ => Ok(()),
        }
    }

    /// Moves a left-over file to what was set aside. Its ctime tells about when that was.
    fn set_leftover_aside(
        &mut self,
        handle: &D::Directory,
        name: &Name,
        path: Path,
        stat: &Stat,
        content: Hash,
    ) -> Result<(), JobError> {
        let record = Record::File(File {
            mode: stat.mode & 0o7777,
            mtime: stat.mtime,
            size: stat.size,
            content,
            unserved: false,
            attributes: None,
        });
        let seconds = stat.ctime.seconds.saturating_mul(1_000_000_000);
        let wall = seconds.saturating_add(i64::from(stat.ctime.nanoseconds));
        let about =
            About { path: path.clone(), record: Some(record), reason: KeptReason::Crash, wall };
        let kept = Area::Kept.open(self.disk)?;
        match set_aside(self.disk, &mut self.pending, handle, &kept, name, about, stat.size) {
            Ok(_) => Ok(()),
            Err(error) if error.kind == DiskErrorKind::Crashed => Err(failed_at(&path, error)),
            Err(error) => {
                self.unlist(&path, Unlisted::Unreadable(error.to_string()));
                Ok(())
            }
        }
    }

    /// Whether the target has a file with this content in the directory.
    fn is_wanted(&self, directory: &Path, content: &Hash) -> Result<bool, JobError> {
        let Side::Replica { target: Some(target) } = &self.side else { return Ok(false) };
        let names = match entries(&self.pending, &target.root, directory) {
            Ok(names) => names,
            Err(TreeError::MissingParent(_) | TreeError::NotADirectory(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        for entry in names {
            let (_, entry) = entry?;
            if matches!(entry, Entry::File(file) if file.content == *content) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

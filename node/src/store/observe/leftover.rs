//! Files that a crash left behind: regular files named `.mirrormesh.tmp-…`.
//!
//! No Apply runs beside an Observe, so such a file belongs to nobody. Mostly it is a staged file
//! whose rename did not happen; after an exchange it is what lay at the name before. It is removed
//! only if nothing is lost by that: it is empty, or its content lies in the docroot under a name,
//! or the target has it in that directory. Anything else is left where it is, listed. Directories,
//! links and all else of that name are not touched.

use mirrormesh_merkle::{Entry, Hash, Name, Path, TreeError, entries};

use super::observation::Observation;
use crate::store::disk::{Disk, DiskErrorKind, FileKind};
use crate::store::job::{JobError, Side, Unlisted};
use crate::store::reason::failed_at;
use crate::store::reading::{FileAt, Reading};
use crate::store::failed_name::failed_name;
use crate::store::rows;

/// What names of temporary files begin with.
const PREFIX: &[u8] = b".mirrormesh.tmp-";

/// Whether this is a name of a temporary file.
pub(super) fn is_leftover(name: &Name) -> bool {
    name.as_bytes().starts_with(PREFIX)
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
        if stat.size > 0 && !self.is_spare(handle, directory, name, &path)? {
            self.unlist(&path, Unlisted::Unreadable("left behind by a crash".into()));
            return Ok(());
        }
        match self.disk.remove(handle, name) {
            Err(error) if error.kind == DiskErrorKind::Crashed => {
                Err(failed_at(&path, error))
            }
            _ => Ok(()),
        }
    }

    fn is_spare(
        &mut self,
        directory: &D::Directory,
        directory_path: &Path,
        name: &Name,
        path: &Path,
    ) -> Result<bool, JobError> {
        let place = FileAt { disk: self.disk, directory, name, path };
        let Reading::Whole { content, size, .. } = place.read_stable(&mut self.buffer)? else {
            return Ok(false);
        };
        self.bytes += size;
        Ok(rows::holds(&self.pending, &content)? || self.is_wanted(directory_path, &content)?)
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

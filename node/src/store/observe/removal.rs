//! Takes out of the index and the tree what is not there any more, bottom-up.

use mirrormesh_merkle::Path;

use super::look::is_directory;
use super::observation::{Observation, Step};
use crate::store::disk::Disk;
use crate::store::index::IndexRow;
use crate::store::job::JobError;
use crate::store::rows::RowPages;

impl<D: Disk> Observation<'_, D> {
    /// Takes a path out, with everything below it. `Full`: a part of what is below is left.
    pub(super) fn remove(&mut self, path: &Path, row: Option<&IndexRow>) -> Result<Step, JobError> {
        let Some(row) = row else { return Ok(Step::Done) };
        if is_directory(&row.record) {
            self.resolver.forget(path);
            if self.remove_below(path)? == Step::Full {
                return Ok(Step::Full);
            }
        }
        self.put_row(path, Some(row), None);
        Ok(Step::Done)
    }

    /// Takes out everything below a directory. Makes at least one change, if there is one to make,
    /// so that repeated calls end.
    pub(super) fn remove_below(&mut self, path: &Path) -> Result<Step, JobError> {
        let mut stack = vec![(path.clone(), None, RowPages::new(path, None))];
        let mut begun = false;
        while let Some((directory, _, rows)) = stack.last_mut() {
            let next = match rows.next(&self.pending)? {
                Some((name, row)) if is_directory(&row.record) => {
                    let below = directory.join(&name);
                    let rows = RowPages::new(&below, None);
                    stack.push((below, Some(row), rows));
                    continue;
                }
                Some((name, row)) => Some((directory.join(&name), row)),
                None => match stack.pop() {
                    Some((directory, Some(row), _)) => Some((directory, row)),
                    _ => None,
                },
            };
            let Some((path, row)) = next else { continue };
            if begun && self.changes_full() {
                return Ok(Step::Full);
            }
            self.put_row(&path, Some(&row), None);
            begun = true;
        }
        Ok(Step::Done)
    }
}

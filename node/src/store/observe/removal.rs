//! Takes out of the index and the tree what is not there any more, bottom-up. On an origin that
//! lost power, names may be gone that nobody removed: those are reported as damaged.

use mirrormesh_merkle::{File, Path, Record, Time};

use super::look::is_directory;
use super::name::At;
use super::observation::{Observation, Step};
use crate::store::disk::Disk;
use crate::store::index::{IndexRow, Seen};
use crate::store::job::JobError;
use crate::store::reason::failed_at;
use crate::store::rows::RowPages;

impl<D: Disk> Observation<'_, D> {
    /// Takes a path out, with everything below it. `Full`: a part of what is below is left.
    pub(super) fn remove(&mut self, path: &Path, row: Option<&IndexRow>) -> Result<Step, JobError> {
        let Some(row) = row else { return Ok(Step::Done) };
        let is_lost = self.is_origin() && row.local && row.seen == Seen::UNKNOWN;
        if is_lost && !self.judgement.recalls {
            // It is known to be gone, and stays as it was published.
            return Ok(Step::Done);
        }
        let changed = self.directory_changed(path)?;
        if is_directory(&row.record) {
            self.resolver.forget(path);
            if self.remove_below(path, changed, is_lost)? == Step::Full {
                return Ok(Step::Full);
            }
        }
        self.take_out(path, row, changed, is_lost);
        Ok(Step::Done)
    }

    /// Takes out what is not mirrored any more, and counts its files.
    pub(super) fn exclude(&mut self, at: &At<'_, D>) -> Result<Step, JobError> {
        let before = self.files_out;
        let step = self.remove(at.path, at.row);
        self.found.excluded += self.files_out - before;
        step
    }

    /// When the nearest directory above that is there was changed last, if it matters.
    fn directory_changed(&mut self, path: &Path) -> Result<Option<Time>, JobError> {
        if self.judgement.damage.is_none() || !self.is_origin() {
            return Ok(None);
        }
        for depth in (0..path.depth()).rev() {
            let above = path.ancestor(depth);
            let Ok(directory) = self.resolver.directory(&above) else { continue };
            let stat = self.disk.stat_directory(&directory);
            return Ok(Some(stat.map_err(|error| failed_at(&above, error))?.ctime));
        }
        Ok(None)
    }

    /// Takes out a row. What somebody removes with its directory is not lost, even if it was.
    fn take_out(&mut self, path: &Path, row: &IndexRow, changed: Option<Time>, is_lost: bool) {
        self.put_row(path, Some(row), None);
        self.files_out += u64::from(matches!(row.record, Record::File(_)));
        if is_lost || changed.is_some_and(|changed| self.was_cut(row, changed)) {
            self.found.damaged.push(path.clone());
        }
    }

    /// Takes out everything below a directory. Makes at least one change, if there is one to make,
    /// so that repeated calls end.
    pub(super) fn remove_below(
        &mut self,
        path: &Path,
        changed: Option<Time>,
        is_lost: bool,
    ) -> Result<Step, JobError> {
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
            self.take_out(&path, &row, changed, is_lost);
            begun = true;
        }
        Ok(Step::Done)
    }

    /// Marks every published file below a directory as not served: nobody can read it there.
    pub(super) fn unserve_below(&mut self, path: &Path) -> Result<Step, JobError> {
        let mut stack = vec![(path.clone(), RowPages::new(path, None))];
        while let Some((directory, rows)) = stack.last_mut() {
            let Some((name, row)) = rows.next(&self.pending)? else {
                stack.pop();
                continue;
            };
            let below = directory.join(&name);
            match &row.record {
                Record::Directory { .. } => {
                    let rows = RowPages::new(&below, None);
                    stack.push((below, rows));
                }
                Record::File(file) if !file.unserved => {
                    if self.changes_full() {
                        return Ok(Step::Full);
                    }
                    let record = Record::File(File { unserved: true, ..file.clone() });
                    self.put_row(&below, Some(&row), Some(IndexRow { record, ..row.clone() }));
                }
                _ => {}
            }
        }
        Ok(Step::Done)
    }
}

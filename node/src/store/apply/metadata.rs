//! Changes of mode and time without a change of content: in place, on an inode that the index
//! knows, that has one name, and whose stat has not moved.

use mirrormesh_merkle::{File, Record, Time};

use super::super::disk::{Disk, DiskError, DiskResult, Metadata, Stat};
use super::super::index::{IndexRow, Seen};
use super::super::job::JobError;
use super::super::plan::as_file;
use super::check::is_as_known;
use super::{Run, Task};

impl<D: Disk> Run<'_, D> {
    /// Sets mode and time of a file.
    pub(super) fn change_metadata(&mut self, task: Task) -> Result<(), JobError> {
        match self.set_in_place(&task) {
            Ok(Some(seen)) => {
                let record = task.new.clone();
                let row = record.clone().map(|record| IndexRow { record, seen, local: false });
                self.report.files += 1;
                self.record(&task.path, task.row, row, record);
                Ok(())
            }
            Ok(None) => {
                self.report.look(&task.path);
                Ok(())
            }
            Err(error) => self.report.fail_with(&task.path, &error),
        }
    }

    fn set_in_place(&mut self, task: &Task) -> DiskResult<Option<Seen>> {
        let (Some(row), Some(new)) = (&task.row, as_file(task.new.as_ref())) else {
            return Ok(None);
        };
        let was = as_file(Some(&row.record));
        let (parent, name) = task.place();
        let directory = self.docroot.directory(&parent)?;
        let file = self.disk.open_file(&directory, &name)?;
        let before = self.disk.stat_file(&file)?;
        if row.seen != Seen::of(&before) || before.links != 1 {
            return Ok(None);
        }
        let is_set = was.is_some_and(|was| (was.mode, was.mtime) == (new.mode, new.mtime));
        if is_set && !row.local {
            // Only whether it is served has changed.
            return Ok(Some(row.seen));
        }
        let metadata = Metadata { mode: Some(new.mode), mtime: Some(new.mtime), owner: None };
        self.disk.set_file_metadata(&file, metadata)?;
        let after = self.disk.stat_file(&file)?;
        if (before.inode, before.size) != (after.inode, after.size) || !self.shows(new, &after) {
            return Ok(None);
        }
        self.sync_file_later(&file)?;
        Ok(Some(self.seen(&after)))
    }

    /// Whether a file has the metadata that it was just given: a user may have set others since.
    fn shows(&self, file: &File, stat: &Stat) -> bool {
        let nanoseconds =
            |time: Time| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
        let off = (nanoseconds(file.mtime) - nanoseconds(stat.mtime)).abs();
        stat.mode == file.mode && off < i128::from(self.filesystem.time_step.max(1))
    }

    /// Sets the mode of a directory, or takes it over as it is.
    pub(super) fn change_mode(&mut self, task: Task) -> Result<(), JobError> {
        match self.set_mode(&task) {
            Ok(seen) => {
                let record = task.new.clone();
                let row = seen.and_then(|seen| {
                    record.clone().map(|record| IndexRow { record, seen, local: false })
                });
                if row.is_none() {
                    self.report.look(&task.path);
                    return Ok(());
                }
                self.touch(&task.path);
                self.touch(&task.place().0);
                self.record(&task.path, task.row, row, record);
                Ok(())
            }
            Err(error) => self.report.fail_with(&task.path, &error),
        }
    }

    fn set_mode(&mut self, task: &Task) -> DiskResult<Option<Seen>> {
        let Some(Record::Directory { mode, .. }) = &task.new else { return Ok(None) };
        self.docroot.forget(&task.path);
        let directory = self.docroot.directory(&task.path)?;
        let before = self.disk.stat_directory(&directory)?;
        let known = self.as_closed(&task.path, before);
        if task.row.as_ref().is_some_and(|row| !is_as_known(row, &known)) {
            return Ok(None);
        }
        self.opened.remove(&task.path);
        let mode_now = self.mode_to_begin_with(&task.path, *mode);
        if before.mode != mode_now {
            let metadata = Metadata { mode: Some(mode_now), ..Metadata::default() };
            self.disk.set_directory_metadata(&directory, metadata)?;
        }
        let after = self.as_closed(&task.path, self.disk.stat_directory(&directory)?);
        let seen = Seen::of(&after);
        if task.row.as_ref().is_some_and(|row| row.seen.is_doubted()) {
            // It may be looked into now.
            self.report.look(&task.path);
            return Ok((after.mode == *mode).then_some(seen.doubted()));
        }
        Ok((after.mode == *mode).then_some(seen))
    }

    /// Records a directory that took the place of something else.
    pub(super) fn record_directory(&mut self, task: &Task) -> Result<(), JobError> {
        let stat = self
            .docroot
            .directory(&task.path)
            .and_then(|directory| self.disk.stat_directory(&directory));
        let stat = match stat {
            Ok(stat) => self.as_closed(&task.path, stat),
            Err(error) => return self.report.fail_with(&task.path, &error),
        };
        let record = task.new.clone();
        let seen = Seen::of(&stat);
        let row = record.clone().map(|record| IndexRow { record, seen, local: false });
        self.record(&task.path, task.row.clone(), row, record);
        Ok(())
    }

    /// Makes changed metadata durable: at once for a few files, all together for many.
    fn sync_file_later(&mut self, file: &D::File) -> Result<(), DiskError> {
        const FEW: usize = 16;
        self.metadata_changes += 1;
        if !self.is_durable() {
            return Ok(());
        }
        if self.metadata_changes > FEW {
            self.sync_all = true;
            return Ok(());
        }
        self.disk.sync_file(file)
    }
}

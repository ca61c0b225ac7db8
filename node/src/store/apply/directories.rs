//! Makes directories, so that files can be staged in them.
//!
//! Under a free name a directory is made in its place: empty, so that nothing refers to it, and
//! with the label, default rights and group that its parent hands down. Where a file or link is, it
//! is made in `displaced` and takes its place when everything in it is staged.

use mirrormesh_merkle::{Name, Path, Record};

use super::super::disk::{Disk, DiskErrorKind, DiskResult};
use super::super::index::{IndexRow, Seen};
use super::super::job::JobError;
use super::super::new_file::give_directory_metadata;
use super::check::Steps;
use super::stage::Staged;
use super::{Run, Task};

impl<D: Disk> Run<'_, D> {
    pub(super) fn make_directories(&mut self, steps: &mut Steps) -> Result<(), JobError> {
        for task in &steps.conversions {
            self.conversions.insert(task.path.clone(), task.temporary.clone());
        }
        let is_visible = |task: &Task| self.conversion_of(&task.path).is_none();
        let shows = steps.directories.iter().any(is_visible) && !self.job.before.writes.is_empty();
        if shows || !steps.conversions.is_empty() {
            let before = std::mem::take(&mut self.before);
            self.disk.commit(before, self.is_durable())?;
        }
        let conversions = std::mem::take(&mut steps.conversions);
        for task in conversions {
            match self.make_in_displaced(&task) {
                Ok(()) => steps.conversions.push(task),
                Err(error) => {
                    self.report.fail_with(&task.path, &error)?;
                    self.conversions.remove(&task.path);
                }
            }
        }
        for task in std::mem::take(&mut steps.directories) {
            if self.report.is_below_failed(&task.path) || self.report.is_below_look(&task.path) {
                self.fail_below(&task.path);
                continue;
            }
            match self.make_in_place(&task) {
                Ok(Some(seen)) => {
                    let record = task.new.clone();
                    let row = record.clone().map(|record| IndexRow { record, seen, local: false });
                    self.record(&task.path, None, row, record);
                    self.touch(&task.place().0);
                    steps.directories.push(task);
                }
                Ok(None) => self.report.look(&task.path),
                Err(error) => self.report.fail_with(&task.path, &error)?,
            }
        }
        Ok(())
    }

    /// Something in a directory that could not be made; with one that is to be observed it comes
    /// again by itself.
    pub(super) fn fail_below(&mut self, path: &Path) {
        if !self.report.is_below_look(path) {
            self.report.fail(path, "its directory could not be made");
        }
    }

    /// `None` if the name is taken by now.
    fn make_in_place(&mut self, task: &Task) -> DiskResult<Option<Seen>> {
        let (parent, name) = task.place();
        let above = self.landing(&parent)?;
        let mode = self.mode_to_begin_with(&task.path, mode_of(task));
        match self.disk.make_directory(&above, &name, mode) {
            Ok(()) => {}
            Err(error) if error.kind == DiskErrorKind::Exists => {
                self.opened.remove(&task.path);
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        self.docroot.forget(&task.path);
        let made = self.landing(&task.path)?;
        give_directory_metadata(self.disk, &above, &made, mode)?;
        let stat = self.disk.stat_directory(&made)?;
        Ok(Some(Seen::of(&self.as_closed(&task.path, stat))))
    }

    fn make_in_displaced(&mut self, task: &Task) -> DiskResult<()> {
        let displaced = self.displaced()?;
        let mode = self.mode_to_begin_with(&task.path, mode_of(task));
        self.disk.make_directory(&displaced, &task.temporary, mode)?;
        let above = self.docroot.directory(&task.place().0)?;
        let made = self.disk.open_directory(&displaced, &task.temporary)?;
        give_directory_metadata(self.disk, &above, &made, mode)
    }

    /// Takes back what is not visible: the flush failed. Best effort.
    pub(super) fn undo(&mut self, staged: Vec<Staged<D>>) {
        for staged in staged {
            self.discard(staged).ok();
        }
        let conversions: Vec<Name> = self.conversions.values().cloned().collect();
        for (path, recorded) in std::mem::take(&mut self.records).into_iter().rev() {
            let made = matches!(
                (&recorded.old, &recorded.new),
                (None, Some(IndexRow { record: Record::Directory { .. }, .. }))
            );
            if made && let (Some(parent), Some(name)) = (path.parent(), path.name()) {
                let above = self.landing(&parent);
                above.and_then(|above| self.disk.remove_directory(&above, &name)).ok();
            }
        }
        for name in conversions {
            self.remove_displaced(&name).ok();
        }
    }
}

/// The mode of the directory that a task makes.
pub(super) fn mode_of(task: &Task) -> u16 {
    match &task.new {
        Some(Record::Directory { mode, .. }) => *mode,
        _ => 0o755,
    }
}

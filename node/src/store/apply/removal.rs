//! Takes away what the target has not: files and links first, then directories, deepest first.

use mirrormesh_merkle::{Path, Record};

use super::super::disk::{Disk, DiskErrorKind, DiskResult, FileKind};
use super::super::index::IndexRow;
use super::super::job::JobError;
use super::super::rows;
use super::check::{Steps, is_as_known, is_never_mirrored};
use super::{Run, Task};

/// Why a directory is not empty.
enum Inside {
    /// Only what is not mirrored.
    Unmanaged,
    /// Something unknown, to be observed.
    Unknown(Path),
    /// Something that the index knows: what failed or is looked at already, or came to be known
    /// after this was planned and is planned next.
    Known,
}

impl<D: Disk> Run<'_, D> {
    pub(super) fn remove(&mut self, steps: Steps) -> Result<(), JobError> {
        for task in steps.removals {
            // Renamed to another path already.
            if !self.records.contains_key(&task.path) {
                self.remove_name(task)?;
            }
        }
        let mut going = steps.going;
        going.sort_by(|left, right| right.path.cmp(&left.path));
        for task in going {
            self.remove_empty(task)?;
        }
        Ok(())
    }

    /// Removes a file, a link, or a directory in whose place an unserved file is left out.
    fn remove_name(&mut self, task: Task) -> Result<(), JobError> {
        if !self.still_is_as_known(&task)? {
            return Ok(());
        }
        let is_away = match self.move_away(&task) {
            Ok(()) => true,
            Err(error) if error.kind == DiskErrorKind::OtherFilesystem => false,
            Err(error) => {
                if error.kind == DiskErrorKind::NotFound {
                    self.report.look(&task.path);
                    return Ok(());
                }
                return self.report.fail_with(&task.path, &error);
            }
        };
        if !is_away && let Err(error) = self.remove_in_place(&task) {
            return self.report.fail_with(&task.path, &error);
        }
        self.touch(&task.place().0);
        if matches!(task.row, Some(IndexRow { record: Record::Directory { .. }, .. })) {
            self.docroot.forget(&task.path);
            self.dropped.push(task.path.clone());
        }
        self.report.files += 1;
        self.record(&task.path, task.row.clone(), None, task.new.clone());
        if is_away { self.retire(&task) } else { Ok(()) }
    }

    /// Sets aside a pipe, socket or device where something is wanted. If it cannot go, what was to
    /// come finds the name taken, and it is looked at again.
    pub(super) fn clear(&mut self, task: Task) -> Result<(), JobError> {
        let (parent, name) = task.place();
        let kind = self.docroot.directory(&parent).and_then(|at| self.disk.stat(&at, &name));
        if !kind.is_ok_and(|stat| is_never_mirrored(stat.kind)) {
            return Ok(());
        }
        match self.move_away(&task) {
            Ok(()) => {
                self.touch(&parent);
                self.retire(&task)
            }
            Err(error) => self.report.fail_with(&task.path, &error),
        }
    }

    /// Where nothing can be moved to the work directory: an edit is copied, then the name goes.
    fn remove_in_place(&mut self, task: &Task) -> DiskResult<()> {
        if task.row.as_ref().is_some_and(|row| row.local) {
            self.copy_aside(task)?;
        }
        let (parent, name) = task.place();
        let directory = self.docroot.directory(&parent)?;
        self.disk.remove(&directory, &name)
    }

    /// Removes a directory if nothing is left in it. One that holds only what is not mirrored
    /// stays, unmanaged.
    fn remove_empty(&mut self, task: Task) -> Result<(), JobError> {
        let path = task.path.clone();
        let (parent, name) = task.place();
        let removed = self.docroot.directory(&parent).and_then(|above| {
            let stat = self.disk.stat(&above, &name)?;
            match &task.row {
                Some(row) if is_as_known(row, &self.as_closed(&path, stat)) => {}
                _ => return Ok(false),
            }
            self.docroot.forget(&path);
            self.disk.remove_directory(&above, &name).map(|()| true)
        });
        match removed {
            Ok(true) => {
                self.touch(&parent);
                // A name below that vanished meanwhile still has its row, and no look comes to it.
                self.dropped.push(path.clone());
                self.record(&path, task.row, None, None);
            }
            Ok(false) => self.report.look(&path),
            Err(error) if error.kind == DiskErrorKind::NotEmpty => match self.inside(&path) {
                Ok(Inside::Unmanaged) => {
                    self.dropped.push(path.clone());
                    self.record(&path, task.row, None, None);
                }
                Ok(Inside::Unknown(below)) => self.report.look(&below),
                Ok(Inside::Known) => {}
                Err(error) => self.report.fail_with(&path, &error)?,
            },
            Err(error) if error.kind == DiskErrorKind::NotFound => self.report.look(&path),
            Err(error) => self.report.fail_with(&path, &error)?,
        }
        Ok(())
    }

    /// What keeps a directory from being removed.
    fn inside(&mut self, path: &Path) -> DiskResult<Inside> {
        let mut open = vec![path.clone()];
        while let Some(path) = open.pop() {
            let directory = match self.docroot.directory(&path) {
                Err(error) if error.kind == DiskErrorKind::OtherFilesystem => continue,
                directory => directory?,
            };
            let mut names = Vec::new();
            self.disk.list(&directory, &mut |name, _| names.push(name))?;
            for name in names {
                let kind = self.disk.stat(&directory, &name)?.kind;
                let below = path.join(&name);
                if self.job.excludes.matches(&below, kind == FileKind::Directory) {
                    continue;
                }
                let is_recorded_gone =
                    self.records.get(&below).is_some_and(|recorded| recorded.new.is_none());
                let row = match is_recorded_gone {
                    true => None,
                    false => rows::read(&self.pending, &below).ok().flatten(),
                };
                match (row, kind) {
                    (Some(_), _) => return Ok(Inside::Known),
                    (None, FileKind::Directory) => open.push(below),
                    (None, FileKind::File | FileKind::Symlink) => {
                        return Ok(Inside::Unknown(below));
                    }
                    (None, FileKind::Fifo | FileKind::Socket | FileKind::Device) => {}
                }
            }
        }
        Ok(Inside::Unmanaged)
    }
}

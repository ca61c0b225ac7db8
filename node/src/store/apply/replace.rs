//! Puts something staged where something else is.
//!
//! With exchange: the staged thing gets its name in `displaced`, the two change places in one step,
//! and what came out is looked at. Without: what may be an edit is copied to `kept` first, and a
//! plain rename replaces the rest, right after a last look; a directory is moved out of the way
//! first, which is the only moment at which a name is not there.

use mirrormesh_merkle::{Path, Record};

use super::super::area::Area;
use super::super::disk::{Disk, DiskError, DiskErrorKind, DiskResult, Rename};
use super::super::index::IndexRow;
use super::super::job::JobError;
use super::check::is_as_known;
use super::show::same_but_ctime;
use super::stage::{Spot, Staged};
use super::{Run, Task, split};

impl<D: Disk> Run<'_, D> {
    pub(super) fn replace(&mut self, mut staged: Staged<D>) -> Result<(), JobError> {
        if !self.still_is_as_known(&staged.task)? {
            return self.throw_away(staged);
        }
        match self.exchange(&mut staged) {
            Ok(true) => {
                let task = staged.task.clone();
                self.finish_shown(staged)?;
                self.retire(&task)
            }
            Ok(false) => self.replace_plainly(staged),
            Err(error) if error.kind == DiskErrorKind::NotFound => {
                // Either what was to be moved has changed, or what was there has gone.
                let source = staged.moved.as_ref().map(|(from, _)| from);
                if !source.is_some_and(|from| self.report.look.contains(from)) {
                    self.report.look(&staged.task.path);
                }
                self.throw_away(staged)
            }
            Err(error) => {
                self.report.fail_with(&staged.task.path, &error)?;
                self.throw_away(staged)
            }
        }
    }

    /// Looks once more at what is about to be displaced.
    pub(super) fn still_is_as_known(&mut self, task: &Task) -> Result<bool, JobError> {
        let (parent, name) = task.place();
        let stat =
            self.docroot.directory(&parent).and_then(|directory| self.disk.stat(&directory, &name));
        match (stat, &task.row) {
            (Ok(stat), Some(row)) if is_as_known(row, &self.as_closed(&task.path, stat)) => {
                return Ok(true);
            }
            (Err(error), _) if error.kind == DiskErrorKind::Crashed => return Err(error.into()),
            _ => {}
        }
        self.report.look(&task.path);
        Ok(false)
    }

    /// Exchanges the staged thing with what is in its place; `false` if that cannot be done here.
    fn exchange(&mut self, staged: &mut Staged<D>) -> DiskResult<bool> {
        if !self.filesystem.exchange {
            return Ok(false);
        }
        match self.bring_to_displaced(staged) {
            // A quota of its own, or another volume: what is here cannot leave.
            Err(error) if error.kind == DiskErrorKind::OtherFilesystem => return Ok(false),
            result => result?,
        }
        let (parent, name) = staged.task.place();
        let directory = self.docroot.directory(&parent)?;
        let displaced = self.displaced()?;
        let temporary = &staged.task.temporary;
        match self.disk.rename(&displaced, temporary, &directory, &name, Rename::Exchange) {
            Err(error) if error.kind == DiskErrorKind::Unsupported => {
                self.filesystem.exchange = false;
                Ok(false)
            }
            result => result.map(|()| true),
        }
    }

    /// Gives something staged its name in `displaced`. What is moved must still be what it was:
    /// else its path is to be observed, and the error is `NotFound`.
    pub(super) fn bring_to_displaced(&mut self, staged: &mut Staged<D>) -> DiskResult<()> {
        let displaced = self.displaced()?;
        let new = staged.task.temporary.clone();
        let (from, old) = match (&staged.spot, &staged.file) {
            (Spot::Displaced(_), _) | (Spot::Unnamed, None) => return Ok(()),
            (Spot::Unnamed, Some(file)) => {
                self.disk.link(file, &displaced, &new)?;
                staged.spot = Spot::Displaced(new);
                return Ok(());
            }
            (Spot::Beside(old), _) => (self.landing(&staged.task.place().0)?, old.clone()),
            (Spot::Large(old), _) => (Area::Large.open(self.disk)?, old.clone()),
            (Spot::Docroot, _) => {
                let from = staged.moved.as_ref().map_or_else(Path::root, |(from, _)| from.clone());
                let (parent, old) = split(&from);
                (self.docroot.directory(&parent)?, old)
            }
        };
        self.disk.rename(&from, &old, &displaced, &new, Rename::Keep)?;
        staged.spot = Spot::Displaced(new.clone());
        if let Some((from, _)) = &staged.moved
            && !same_but_ctime(&self.disk.stat(&displaced, &new)?, &staged.stat)
        {
            // A rename moves whatever has the name at that moment; this goes back.
            self.report.look(from);
            return Err(DiskError::new(DiskErrorKind::NotFound, "move"));
        }
        Ok(())
    }

    fn replace_plainly(&mut self, staged: Staged<D>) -> Result<(), JobError> {
        let path = staged.task.path.clone();
        let outcome = match &staged.task.row {
            Some(IndexRow { record: Record::Directory { .. }, .. }) => {
                return self.replace_directory_plainly(staged);
            }
            Some(IndexRow { local: true, .. }) => self.copy_aside(&staged.task),
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            self.report.fail_with(&path, &error)?;
            return self.throw_away(staged);
        }
        let replaced = self.open_replaced(&staged.task)?;
        match self.rename_over(&staged) {
            Ok(true) => {
                let task = staged.task.clone();
                self.finish_shown(staged)?;
                match replaced.map_or(Ok(()), |replaced| self.keep_if_edited(&task, &replaced)) {
                    Ok(()) => Ok(()),
                    Err(error) => self.report.fail_with(&task.path, &error),
                }
            }
            Ok(false) => {
                self.report.look(&path);
                self.throw_away(staged)
            }
            Err(error) => {
                self.report.fail_with(&path, &error)?;
                self.throw_away(staged)
            }
        }
    }

    /// `false` if something else is there by now.
    fn rename_over(&mut self, staged: &Staged<D>) -> DiskResult<bool> {
        let (parent, name) = staged.task.place();
        let directory = self.docroot.directory(&parent)?;
        let mut remove_after = None;
        let (from, old) = match (&staged.spot, &staged.file) {
            (Spot::Unnamed, Some(file)) => {
                let temporary = staged.task.temporary.clone();
                self.disk.link(file, &directory, &temporary)?;
                remove_after = Some(temporary.clone());
                (directory.clone(), temporary)
            }
            (Spot::Unnamed, None) => return Ok(false),
            (Spot::Beside(old), _) => (directory.clone(), old.clone()),
            (Spot::Displaced(old), _) => (self.displaced()?, old.clone()),
            (Spot::Large(old), _) => (Area::Large.open(self.disk)?, old.clone()),
            (Spot::Docroot, _) => {
                let from = staged.moved.as_ref().map_or_else(Path::root, |(from, _)| from.clone());
                let (parent, old) = split(&from);
                (self.docroot.directory(&parent)?, old)
            }
        };
        let renamed = match (self.disk.stat(&directory, &name), &staged.task.row) {
            (Ok(stat), Some(row)) if is_as_known(row, &stat) => {
                self.disk.rename(&from, &old, &directory, &name, Rename::Replace).map(|()| true)
            }
            (Err(error), _) if error.kind != DiskErrorKind::NotFound => Err(error),
            _ => Ok(false),
        };
        if let (Some(temporary), Ok(false) | Err(_)) = (remove_after, &renamed) {
            self.disk.remove(&directory, &temporary)?;
        }
        renamed
    }

    /// Moves a directory out of the way, then puts the staged thing there.
    fn replace_directory_plainly(&mut self, mut staged: Staged<D>) -> Result<(), JobError> {
        // Its first name in `displaced` may be taken by what is staged.
        let away = Task { temporary: staged.task.spare.clone(), ..staged.task.clone() };
        if let Err(error) = self.move_away(&away) {
            self.report.fail_with(&away.path, &error)?;
            return self.throw_away(staged);
        }
        self.docroot.forget(&away.path);
        staged.task.row = away.row.clone();
        self.show_new(staged)?;
        self.touch(&away.place().0);
        self.retire(&away)
    }

    /// Moves what is at a path into `displaced`.
    pub(super) fn move_away(&mut self, task: &Task) -> DiskResult<()> {
        let (parent, name) = task.place();
        let directory = self.docroot.directory(&parent)?;
        let displaced = self.displaced()?;
        self.disk.rename(&directory, &name, &displaced, &task.temporary, Rename::Keep)
    }

    /// Puts a directory that was made in `displaced` where a file or link is.
    pub(super) fn convert(&mut self, task: Task) -> Result<(), JobError> {
        let path = task.path.clone();
        let mut displaced_as = task.temporary.clone();
        let converted = match self.still_is_as_known(&task)? {
            true => self.exchange_directory(&task, &mut displaced_as),
            false => Ok(false),
        };
        self.conversions.remove(&path);
        let error = match converted {
            Ok(true) => {
                self.docroot.forget(&path);
                self.below_displaced()?.forget(&Path::from(&task.temporary));
                self.touch(&task.place().0);
                self.touched_below(&path);
                self.record_directory(&task)?;
                return self.retire(&Task { temporary: displaced_as, ..task });
            }
            Ok(false) => None,
            Err(error) => Some(error),
        };
        self.records.retain(|below, recorded| !below.starts_with(&path) || recorded.new.is_none());
        if let Some(error) = error {
            self.report.fail_with(&path, &error)?;
        }
        self.remove_displaced(&task.temporary)
    }

    fn exchange_directory(
        &mut self,
        task: &Task,
        displaced_as: &mut mirrormesh_merkle::Name,
    ) -> DiskResult<bool> {
        let (parent, name) = task.place();
        let directory = self.docroot.directory(&parent)?;
        let displaced = self.displaced()?;
        if self.filesystem.exchange {
            let made = &task.temporary;
            match self.disk.rename(&displaced, made, &directory, &name, Rename::Exchange) {
                Err(error) if error.kind == DiskErrorKind::Unsupported => {
                    self.filesystem.exchange = false;
                }
                result => return result.map(|()| true),
            }
        }
        *displaced_as = task.spare.clone();
        self.disk.rename(&directory, &name, &displaced, displaced_as, Rename::Keep)?;
        self.disk.rename(&displaced, &task.temporary, &directory, &name, Rename::Keep)?;
        Ok(true)
    }
}

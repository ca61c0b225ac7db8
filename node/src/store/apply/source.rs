//! Where the content of a file comes from.

use bytes::Bytes;
use mirrormesh_merkle::{File, Path, Record, lookup};

use super::super::disk::{Disk, FileKind};
use super::super::index::{IndexRow, Seen};
use super::super::job::{JobError, NOT_SENT};
use super::super::plan::as_file;
use super::super::sources;
use super::check::Steps;
use super::contents::Contents;
use super::{Run, Task, split};

/// Where a content comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// It came with the job.
    Pieces(Vec<Bytes>),
    /// It was staged in the work directory.
    Large,
    /// It lies in the docroot at one of these paths.
    Copy(Vec<(Path, IndexRow)>),
    /// It lies in the docroot at a path that the target has not: that file is renamed.
    Move(Path, IndexRow),
}

impl<D: Disk> Run<'_, D> {
    /// Decides where a file's content comes from.
    pub(super) fn sort_file(
        &mut self,
        task: Task,
        file: &File,
        is_here: bool,
        contents: &Contents,
        steps: &mut Steps,
    ) -> Result<(), JobError> {
        let source = self.source(&task, file, is_here, contents)?;
        match source {
            Some(source) => {
                if self.may_displace(&task)? {
                    steps.files.push((task, source));
                }
            }
            // It is on its way, and comes in a later pass.
            None if self.job.cut => self.report.postpone(&task.path),
            None if file.unserved => self.leave_out(task, steps)?,
            None => self.report.miss(&task.path, NOT_SENT),
        }
        Ok(())
    }

    fn source(
        &mut self,
        task: &Task,
        file: &File,
        is_here: bool,
        contents: &Contents,
    ) -> Result<Option<Source>, JobError> {
        if let (true, Some(row)) = (is_here, &task.row) {
            return Ok(Some(Source::Copy(vec![(task.path.clone(), row.clone())])));
        }
        if file.size == 0 {
            return Ok(Some(Source::Pieces(Vec::new())));
        }
        if let Some(pieces) = contents.get(file) {
            return Ok(Some(Source::Pieces(pieces)));
        }
        let large = self.job.parcel.large.as_ref();
        if large.is_some_and(|large| large.content == file.content) {
            return Ok(Some(Source::Large));
        }
        let places = sources::of(&self.pending, file)?;
        for (from, row) in &places {
            if !self.moving.contains(from) && self.may_move(task, file, from, row)? {
                self.moving.insert(from.clone());
                return Ok(Some(Source::Move(from.clone(), row.clone())));
            }
        }
        Ok((!places.is_empty()).then_some(Source::Copy(places)))
    }

    /// Whether the file at `from` may be renamed to the task's path: the target does not have it
    /// there, it is ours and certainly unchanged, and needs no other metadata.
    fn may_move(
        &mut self,
        task: &Task,
        file: &File,
        from: &Path,
        row: &IndexRow,
    ) -> Result<bool, JobError> {
        let is_same = as_file(Some(&row.record)) == Some(file) && !file.unserved;
        if !is_same || row.local || from == &task.path || self.job.excludes.covers(from, false) {
            return Ok(false);
        }
        if lookup(&self.pending, &self.job.target.root, from)?.is_some() {
            return Ok(false);
        }
        // Below a directory that gives way to something else, all goes at once.
        if matches!(task.row.as_ref().map(|row| &row.record), Some(Record::Directory { .. })) {
            return Ok(false);
        }
        let (parent, name) = split(from);
        let Ok(directory) = self.docroot.directory(&parent) else { return Ok(false) };
        let Ok(stat) = self.disk.stat(&directory, &name) else { return Ok(false) };
        if stat.kind != FileKind::File || row.seen != Seen::of(&stat) || stat.links != 1 {
            return Ok(false);
        }
        let owner = self.owner_at(&split(&task.path).0);
        Ok(owner.is_some_and(|owner| owner == (stat.user, stat.group)))
    }

    /// Owner and group of a directory of the docroot; of one that is still to be made, of the
    /// nearest above, from which it takes them.
    fn owner_at(&mut self, directory: &Path) -> Option<(u32, u32)> {
        for depth in (0..=directory.depth()).rev() {
            if let Ok(directory) = self.docroot.directory(&directory.ancestor(depth)) {
                let stat = self.disk.stat_directory(&directory).ok()?;
                return Some((stat.user, stat.group));
            }
        }
        None
    }

    /// An unserved file whose content nobody has: an older version of it stays, anything else
    /// goes, and the name is left out.
    fn leave_out(&mut self, task: Task, steps: &mut Steps) -> Result<(), JobError> {
        self.left_out.insert(task.path.clone());
        let is_older_version = task
            .row
            .as_ref()
            .is_some_and(|row| !row.local && matches!(row.record, Record::File(_)));
        if task.row.is_none() || is_older_version {
            let row = task.row.clone();
            self.record(&task.path, row.clone(), row, task.new);
        } else if self.may_displace(&task)? {
            steps.removals.push(task);
        }
        Ok(())
    }
}

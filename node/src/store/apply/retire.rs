//! What came out of the docroot: removed if it is the version the index knows, else set aside.

use mirrormesh_merkle::{Name, Path, Record};

use super::super::aside::{About, add_manifest, set_aside};
use super::super::copy::copy_file;
use super::super::disk::{Disk, DiskErrorKind, DiskResult, FileKind, Metadata, Stat};
use super::super::index::IndexRow;
use super::super::job::{JobError, Manifest};
use super::super::remove_tree::remove_tree;
use super::show::same_but_ctime;
use super::{Run, Task};

impl<D: Disk> Run<'_, D> {
    /// Removes or keeps what lies in `displaced` under the task's temporary name.
    pub(super) fn retire(&mut self, task: &Task) -> Result<(), JobError> {
        match self.try_retire(task) {
            Ok(()) => Ok(()),
            Err(error) => {
                // It stays in `displaced`, with its intent, for recovery.
                self.intents.remove(&task.temporary);
                self.report.fail_with(&task.path, &error)
            }
        }
    }

    fn try_retire(&mut self, task: &Task) -> DiskResult<()> {
        let displaced = self.displaced()?;
        let name = &task.temporary;
        let stat = self.disk.stat(&displaced, name)?;
        let (is_ours, bytes) = match (&task.row, stat.kind) {
            (_, FileKind::Directory) => {
                let survey = self.survey_displaced(name, &task.path)?;
                self.leave_open(&task.path);
                (survey.is_ours && is_directory(task.row.as_ref()), survey.bytes)
            }
            (Some(row), _) => (self.is_displaced_ours(&displaced, name, &stat, row)?, stat.size),
            (None, _) => (false, stat.size),
        };
        if is_ours {
            return self.remove_named(&displaced, name, stat.kind);
        }
        let kept = self.kept()?;
        let about = self.about(task, Some(&stat));
        let manifest =
            set_aside(self.disk, &mut self.pending, &displaced, &kept, name, about, bytes)?;
        self.count_kept(&manifest);
        Ok(())
    }

    /// Sets aside a file in `displaced` that cannot go back to where it lay.
    pub(super) fn keep_displaced(&mut self, name: &Name, from: &Path) -> DiskResult<()> {
        let displaced = self.displaced()?;
        let kept = self.kept()?;
        let bytes = self.disk.stat(&displaced, name)?.size;
        let (reason, wall) = (self.job.reason, self.job.wall);
        let about = About { path: from.clone(), record: None, reason, wall };
        let manifest =
            set_aside(self.disk, &mut self.pending, &displaced, &kept, name, about, bytes)?;
        self.count_kept(&manifest);
        Ok(())
    }

    /// What a manifest says. The record is known only if the thing is as the row says.
    fn about(&self, task: &Task, stat: Option<&Stat>) -> About {
        let is_as_seen = |row: &&IndexRow| {
            stat.is_none_or(|stat| row.seen.inode == stat.inode && row.seen.mtime == stat.mtime)
        };
        let record = task.row.as_ref().filter(is_as_seen).map(|row| row.record.clone());
        let (reason, wall) = (self.job.reason, self.job.wall);
        About { path: task.path.clone(), record, reason, wall }
    }

    fn count_kept(&mut self, manifest: &Manifest) {
        self.report.set_aside += 1;
        self.report.set_aside_bytes = self.report.set_aside_bytes.saturating_add(manifest.bytes);
    }

    /// Removes something of the program's own that never took its place.
    pub(super) fn remove_displaced(&mut self, name: &Name) -> Result<(), JobError> {
        let removed = self.displaced().and_then(|displaced| {
            let kind = self.disk.stat(&displaced, name)?.kind;
            self.remove_named(&displaced, name, kind)
        });
        match removed {
            Err(error) if error.kind == DiskErrorKind::Crashed => Err(error.into()),
            Ok(()) => Ok(()),
            Err(_) => {
                self.intents.remove(name);
                Ok(())
            }
        }
    }

    fn remove_named(
        &mut self,
        displaced: &D::Directory,
        name: &Name,
        kind: FileKind,
    ) -> DiskResult<()> {
        if kind != FileKind::Directory {
            return self.disk.remove(displaced, name);
        }
        if let Some(below) = &mut self.below {
            below.forget(&Path::from(name));
        }
        remove_tree(self.disk, displaced, name)
    }

    /// Copies what is at a path to `kept`, where it cannot be moved there in one step with its
    /// replacement. The copy is durable before the path changes.
    pub(super) fn copy_aside(&mut self, task: &Task) -> DiskResult<()> {
        let (parent, name) = task.place();
        let directory = self.docroot.directory(&parent)?;
        let kept = self.kept()?;
        let stored_as = &task.temporary;
        let stat = self.disk.stat(&directory, &name)?;
        if stat.kind == FileKind::Symlink {
            let target = self.disk.read_symlink(&directory, &name)?;
            self.disk.make_symlink(&kept, stored_as, &target)?;
        } else {
            let from = self.disk.open_file(&directory, &name)?;
            self.copy_to(&kept, stored_as, &from, &stat)?;
        }
        self.list_copy(task, &kept, &stat)
    }

    /// Opens the file that is about to be replaced, so that an edit in the last moment is not lost
    /// with its name.
    pub(super) fn open_replaced(&mut self, task: &Task) -> DiskResult<Option<(D::File, Stat)>> {
        if !matches!(task.row, Some(IndexRow { record: Record::File(_), .. })) {
            return Ok(None);
        }
        let (parent, name) = task.place();
        let opened = self
            .docroot
            .directory(&parent)
            .and_then(|directory| self.disk.open_file(&directory, &name))
            .and_then(|file| self.disk.stat_file(&file).map(|stat| (file, stat)));
        match opened {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.kind == DiskErrorKind::Crashed => Err(error),
            // What cannot be read cannot be kept either.
            Err(_) => Ok(None),
        }
    }

    /// Copies a file that has lost its name to `kept`, if it was edited since it was opened.
    pub(super) fn keep_if_edited(
        &mut self,
        task: &Task,
        (file, before): &(D::File, Stat),
    ) -> DiskResult<()> {
        let stat = self.disk.stat_file(file)?;
        if same_but_ctime(before, &stat) {
            return Ok(());
        }
        let kept = self.kept()?;
        self.copy_to(&kept, &task.temporary, file, &stat)?;
        self.list_copy(task, &kept, &stat)
    }

    fn copy_to(
        &self,
        kept: &D::Directory,
        stored_as: &Name,
        from: &D::File,
        stat: &Stat,
    ) -> DiskResult<()> {
        let copy = self.disk.create(kept, stored_as)?;
        copy_file(self.disk, from, &copy, stat.size)?;
        let metadata = Metadata { mode: Some(stat.mode), mtime: Some(stat.mtime), owner: None };
        self.disk.set_file_metadata(&copy, metadata)?;
        if self.is_durable() { self.disk.sync_file(&copy) } else { Ok(()) }
    }

    /// Writes the manifest of a copy in `kept`.
    fn list_copy(&mut self, task: &Task, kept: &D::Directory, stat: &Stat) -> DiskResult<()> {
        if self.is_durable() {
            self.disk.sync_directory(kept)?;
        }
        let about = self.about(task, Some(stat));
        let manifest = add_manifest(&mut self.pending, &task.temporary, about, stat.size)?;
        self.count_kept(&manifest);
        Ok(())
    }
}

fn is_directory(row: Option<&IndexRow>) -> bool {
    row.is_some_and(|row| matches!(row.record, Record::Directory { .. }))
}

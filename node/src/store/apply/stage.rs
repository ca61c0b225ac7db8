//! Stages contents: files with all they need but their names.
//!
//! A file is staged in the directory where it will lie, so that it inherits what files there
//! inherit; without a name where the file system can do that. Assets are staged before pages:
//! when room runs out, staging ends, and what is staged already refers to nothing that is not.

use bytes::Bytes;
use mirrormesh_merkle::{File, Hash, Name, Path, Record};

use super::super::area::{Area, large_name};
use super::super::copy::{copy_file, hash_pieces, write_pieces};
use super::super::disk::{Disk, DiskError, DiskErrorKind, DiskResult, Rename, Stat};
use super::super::doubt::same_or_doubtful;
use super::super::index::{IndexRow, Seen};
use super::super::job::JobError;
use super::super::new_file::{give_link_to_owner, give_metadata, new_file};
use super::super::plan::{as_file, is_page};
use super::check::Steps;
use super::source::Source;
use super::{Run, Task, split};

/// Something that waits to become visible.
pub(super) struct Staged<D: Disk> {
    pub(super) task: Task,
    /// The file; links have none.
    pub(super) file: Option<D::File>,
    pub(super) spot: Spot,
    /// What it is.
    pub(super) stat: Stat,
    /// The path that it is moved from, and the row there.
    pub(super) moved: Option<(Path, IndexRow)>,
}

/// Where something staged is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spot {
    /// It has no name.
    Unnamed,
    /// It has this name in the directory where it will lie.
    Beside(Name),
    /// It has this name in `displaced`.
    Displaced(Name),
    /// It has this name among the large files.
    Large(Name),
    /// It lies in the docroot, at the path that it is moved from.
    Docroot,
}

/// A path and what the index knows of it.
type Known = (Path, IndexRow);

/// An open file of the docroot, and where it is.
type FoundFile<D> = (<D as Disk>::File, Known);

/// Why something was not staged.
enum NotStaged {
    /// The content is not what it should be; the paths it was taken from are to be observed.
    Wrong(Vec<Path>, &'static str),
    Disk(DiskError),
}

impl From<DiskError> for NotStaged {
    fn from(error: DiskError) -> NotStaged {
        NotStaged::Disk(error)
    }
}

impl<D: Disk> Run<'_, D> {
    /// Stages everything that becomes visible under a name.
    pub(super) fn stage(&mut self, steps: &mut Steps) -> Result<Vec<Staged<D>>, JobError> {
        let mut files = std::mem::take(&mut steps.files);
        files.sort_by_key(|(task, _)| is_page(&task.path));
        let mut staged = Vec::new();
        let mut full: Option<DiskError> = None;
        for (task, source) in files {
            if self.report.is_below_failed(&task.path) || self.report.is_below_look(&task.path) {
                self.fail_below(&task.path);
                continue;
            }
            if let Some(error) = &full {
                // Too many open files are no error of a path: what is left comes next time.
                if error.kind == DiskErrorKind::NoSpace || staged.is_empty() {
                    self.report.fail_with(&task.path, &error.clone())?;
                }
                continue;
            }
            if let Source::Copy(places) = &source {
                for (place, _) in places {
                    self.open_way(&split(place).0)?;
                }
            }
            match self.stage_file(&task, &source) {
                Ok((file, spot, stat)) => {
                    let moved = match source {
                        Source::Move(from, row) => Some((from, row)),
                        _ => None,
                    };
                    staged.push(Staged { task, file: Some(file), spot, stat, moved });
                }
                Err(NotStaged::Wrong(places, reason)) => {
                    places.iter().for_each(|place| self.report.look(place));
                    match source {
                        Source::Pieces(_) => self.report.refuse(&task.path, reason),
                        _ => self.report.miss(&task.path, reason),
                    }
                }
                Err(NotStaged::Disk(error)) => {
                    let ends =
                        matches!(error.kind, DiskErrorKind::NoSpace | DiskErrorKind::TooManyOpen);
                    if error.kind != DiskErrorKind::TooManyOpen || staged.is_empty() {
                        self.report.fail_with(&task.path, &error)?;
                    }
                    full = ends.then_some(error);
                }
            }
        }
        Ok(staged)
    }

    /// Makes links in `displaced`, once it is durable what their names there are about. They have
    /// no data to be flushed.
    pub(super) fn stage_links(
        &mut self,
        steps: &mut Steps,
        staged: &mut Vec<Staged<D>>,
    ) -> Result<(), JobError> {
        for task in std::mem::take(&mut steps.links) {
            if self.report.is_below_failed(&task.path) || self.report.is_below_look(&task.path) {
                self.fail_below(&task.path);
                continue;
            }
            match self.stage_link(&task) {
                Ok(stat) => {
                    let spot = Spot::Displaced(task.temporary.clone());
                    staged.push(Staged { task, file: None, spot, stat, moved: None });
                }
                Err(error) => self.report.fail_with(&task.path, &error)?,
            }
        }
        Ok(())
    }

    fn stage_file(
        &mut self,
        task: &Task,
        source: &Source,
    ) -> Result<(D::File, Spot, Stat), NotStaged> {
        let Some(file) = as_file(task.new.as_ref()).cloned() else {
            return Err(NotStaged::Wrong(Vec::new(), "not a file"));
        };
        match source {
            Source::Move(from, row) => self.stage_move(from, row),
            Source::Large => self.stage_large(task, &file),
            Source::Pieces(pieces) => {
                if hash_pieces(pieces) != file.content {
                    return Err(NotStaged::Wrong(
                        Vec::new(),
                        "its content was not what it should be",
                    ));
                }
                self.stage_new(task, &file, |run, staged| {
                    write_pieces(run.disk, staged, pieces)?;
                    Ok(file.content)
                })
            }
            Source::Copy(places) => {
                let (from, is_readable) = self.open_first(places)?;
                let Some((from, place)) = from else {
                    let places = places.iter().map(|(path, _)| path.clone()).collect();
                    let reason = match is_readable {
                        true => "the file that had its content has changed",
                        false => "the file that has its content cannot be read",
                    };
                    return Err(NotStaged::Wrong(places, reason));
                };
                let staged = self.stage_new(task, &file, |run, staged| {
                    copy_file(run.disk, &from, staged, file.size)
                });
                match staged {
                    Err(NotStaged::Wrong(_, reason)) => {
                        self.doubted.push(place);
                        let places = places.iter().map(|(path, _)| path.clone()).collect();
                        Err(NotStaged::Wrong(places, reason))
                    }
                    staged => staged,
                }
            }
        }
    }

    /// Makes a file, has it filled, checks the hash and sets metadata.
    fn stage_new(
        &mut self,
        task: &Task,
        file: &File,
        fill: impl FnOnce(&Self, &D::File) -> DiskResult<Hash>,
    ) -> Result<(D::File, Spot, Stat), NotStaged> {
        let directory = self.landing(&task.place().0)?;
        let (staged, spot) = self.new_file(&directory)?;
        let filled = fill(self, &staged).and_then(|hash| {
            if hash == file.content {
                self.set_metadata(&directory, &staged, file).map(Some)
            } else {
                Ok(None)
            }
        });
        let outcome = match filled {
            Ok(Some(stat)) => return Ok((staged, spot, stat)),
            Ok(None) => NotStaged::Wrong(Vec::new(), "its content was not what it should be"),
            Err(error) => NotStaged::Disk(error),
        };
        if let Spot::Beside(name) = spot {
            self.disk.remove(&directory, &name)?;
        }
        Err(outcome)
    }

    fn new_file(&mut self, directory: &D::Directory) -> DiskResult<(D::File, Spot)> {
        let (file, name) =
            new_file(self.disk, directory, self.filesystem.unnamed_files, &mut self.names)?;
        Ok((file, name.map_or(Spot::Unnamed, Spot::Beside)))
    }

    fn stage_move(
        &mut self,
        from: &Path,
        row: &IndexRow,
    ) -> Result<(D::File, Spot, Stat), NotStaged> {
        let changed =
            || NotStaged::Wrong(vec![from.clone()], "the file that had its content has changed");
        let (parent, name) = split(from);
        let directory = self.docroot.directory(&parent)?;
        let file = self.disk.open_file(&directory, &name)?;
        let stat = self.disk.stat_file(&file)?;
        if row.seen != Seen::of(&stat) { Err(changed()) } else { Ok((file, Spot::Docroot, stat)) }
    }

    fn stage_large(
        &mut self,
        task: &Task,
        file: &File,
    ) -> Result<(D::File, Spot, Stat), NotStaged> {
        let wrong = NotStaged::Wrong(Vec::new(), "its content has not been transferred");
        let large = Area::Large.open(self.disk)?;
        let name = large_name(&file.content);
        let staged = match self.disk.open_file(&large, &name) {
            Err(error) if error.kind == DiskErrorKind::NotFound => return Err(wrong),
            opened => opened?,
        };
        if self.disk.stat_file(&staged)?.size != file.size {
            return Err(wrong);
        }
        let directory = self.landing(&task.place().0)?;
        let stat = self.set_metadata(&directory, &staged, file)?;
        Ok((staged, Spot::Large(name), stat))
    }

    /// The first of some files of the docroot that still is what its row says.
    fn open_first(&mut self, places: &[Known]) -> DiskResult<(Option<FoundFile<D>>, bool)> {
        let mut is_readable = true;
        for (path, row) in places {
            let (parent, name) = split(path);
            let opened = self
                .docroot
                .directory(&parent)
                .and_then(|directory| self.disk.open_file(&directory, &name))
                .and_then(|file| self.disk.stat_file(&file).map(|stat| (file, stat)));
            match opened {
                Ok((file, stat)) if same_or_doubtful(&row.seen, &stat) => {
                    return Ok((Some((file, (path.clone(), row.clone()))), true));
                }
                Err(error)
                    if matches!(
                        error.kind,
                        DiskErrorKind::Crashed | DiskErrorKind::TooManyOpen
                    ) =>
                {
                    return Err(error);
                }
                Err(error) if error.kind == DiskErrorKind::Permission => is_readable = false,
                _ => {}
            }
        }
        Ok((None, is_readable))
    }

    /// Gives a staged file mode, time, and owner and group of the directory it lands in.
    fn set_metadata(
        &self,
        directory: &D::Directory,
        staged: &D::File,
        file: &File,
    ) -> DiskResult<Stat> {
        give_metadata(self.disk, directory, staged, file.mode, file.mtime)
    }

    fn stage_link(&mut self, task: &Task) -> DiskResult<Stat> {
        let target: Bytes = match &task.new {
            Some(Record::Symlink(link)) => link.target.clone(),
            _ => Bytes::new(),
        };
        let displaced = self.displaced()?;
        self.disk.make_symlink(&displaced, &task.temporary, &target)?;
        let directory = self.landing(&task.place().0)?;
        give_link_to_owner(self.disk, &directory, &displaced, &task.temporary)?;
        self.disk.stat(&displaced, &task.temporary)
    }

    /// Throws away what was staged; a large file goes back to its place, a moved one to its own.
    pub(super) fn discard(&mut self, staged: Staged<D>) -> DiskResult<()> {
        let Staged { task, spot, moved, .. } = staged;
        match spot {
            Spot::Unnamed | Spot::Large(_) | Spot::Docroot => Ok(()),
            Spot::Beside(name) => {
                let directory = self.landing(&task.place().0)?;
                self.disk.remove(&directory, &name)
            }
            Spot::Displaced(name) => {
                let displaced = self.displaced()?;
                if let Some((from, _)) = &moved {
                    let (parent, old) = split(from);
                    let back = self.docroot.directory(&parent).and_then(|back| {
                        self.disk.rename(&displaced, &name, &back, &old, Rename::Keep)
                    });
                    return match back {
                        Err(error) if error.kind != DiskErrorKind::Crashed => {
                            self.keep_displaced(&name, from)
                        }
                        back => back,
                    };
                }
                self.disk.remove(&displaced, &name)
            }
        }
    }
}

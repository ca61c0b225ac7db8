//! Compares each item with the target, the index and the disk, and sorts what is to be done.
//!
//! What lies at a name must be what the index says, else it is reported to be observed and not
//! touched. Changes nothing.

use std::collections::BTreeMap;

use mirrormesh_merkle::{Entry, Path, Record, Trail};

use super::super::disk::{Disk, DiskErrorKind, FileKind, Stat};
use super::super::doubt::same_or_doubtful;
use super::super::index::{IndexRow, Seen};
use super::super::job::{Item, JobError, KeptReason};
use super::super::plan::as_file;
use super::super::rows;
use super::super::sources;
use super::contents::Contents;
use super::ours::as_published;
use super::source::Source;
use super::{Run, Task, split};

/// What is to be done, by kind, each in path order.
#[derive(Default)]
pub(super) struct Steps {
    /// Pipes, sockets and devices in the way: nothing that Observe takes.
    pub(super) obstacles: Vec<Task>,
    /// Directories to be made under free names.
    pub(super) directories: Vec<Task>,
    /// Directories to be made where a file or link is.
    pub(super) conversions: Vec<Task>,
    /// Directories that are there and get other modes.
    pub(super) modes: Vec<Task>,
    /// Files to be put.
    pub(super) files: Vec<(Task, Source)>,
    /// Links to be put.
    pub(super) links: Vec<Task>,
    /// Files that get other metadata.
    pub(super) metadata: Vec<Task>,
    /// Files and links that go, and whatever lies where an unserved file is left out.
    pub(super) removals: Vec<Task>,
    /// Directories that go.
    pub(super) going: Vec<Task>,
}

impl Steps {
    /// What gets a name in `displaced`.
    pub(super) fn displacing(&self) -> impl Iterator<Item = &Task> {
        let is_displacing = |(task, source): &&(Task, Source)| {
            task.row.is_some() || matches!(source, Source::Move(..))
        };
        let files = self.files.iter().filter(is_displacing).map(|(task, _)| task);
        let others = self.conversions.iter().chain(&self.links).chain(&self.removals);
        files.chain(others).chain(&self.obstacles)
    }
}

/// Directories that the current tree has not, and that there will be.
type Becoming = BTreeMap<Path, Made>;

/// Ways through the trees from one item to the next.
struct Trails {
    target: Trail,
    current: Trail,
}

enum Made {
    /// Nothing is there yet.
    ByThisRun,
    /// It is there, and empty.
    Before,
}

/// What the disk has at a path.
enum Found {
    Nothing,
    Thing(Stat),
    /// It was reported: nothing can be done.
    Reported,
}

impl<D: Disk> Run<'_, D> {
    pub(super) fn check(&mut self) -> Result<Steps, JobError> {
        let mut steps = Steps::default();
        let contents = Contents::of(self.job);
        let mut becoming = Becoming::new();
        let mut items: Vec<&Item> = self.job.parcel.items.iter().collect();
        items.sort_by(|left, right| left.path.cmp(&right.path));
        items.dedup_by(|left, right| left.path == right.path);
        let mut trails = Trails {
            target: Trail::new(self.job.target.root),
            current: Trail::new(self.job.current.root),
        };
        for item in items {
            if !self.is_wanted(item, &becoming, &mut trails)? {
                continue;
            }
            let row = rows::read(&self.pending, &item.path)?;
            let row = row.map(|row| as_published(&self.pending, self.job, &item.path, row));
            if self.leave_unmanaged(item, row.as_ref()) {
                continue;
            }
            if self.is_edited(item, row.as_ref()) {
                continue;
            }
            let found = match becoming.get(&split(&item.path).0) {
                Some(Made::ByThisRun) => Found::Nothing,
                _ => self.find(&item.path)?,
            };
            let row = match (row, found) {
                (_, Found::Reported) => continue,
                (None, Found::Nothing) => None,
                (Some(row), Found::Thing(stat)) if is_as_known(&row, &stat) => Some((row, stat)),
                (None, Found::Thing(stat)) if self.may_adopt(item, &stat)? => {
                    let task = self.task(item, None);
                    steps.modes.push(task);
                    becoming.insert(item.path.clone(), Made::Before);
                    continue;
                }
                (None, Found::Thing(stat)) if is_never_mirrored(stat.kind) => {
                    let task = self.task(item, None);
                    steps.obstacles.push(task);
                    None
                }
                (None, Found::Thing(stat))
                    if let Some(reason) = self.why_never_observed(&item.path, &stat) =>
                {
                    self.report.fail(&item.path, reason);
                    continue;
                }
                _ => {
                    self.report.look(&item.path);
                    continue;
                }
            };
            self.sort(item, row, &contents, &mut steps, &mut becoming)?;
        }
        Ok(steps)
    }

    fn task(&mut self, item: &Item, row: Option<IndexRow>) -> Task {
        let (temporary, spare) = (self.names.next_name(), self.names.next_name());
        Task { path: item.path.clone(), row, new: item.new.clone(), temporary, spare }
    }

    /// Whether the target still wants this, and there is a directory to do it in.
    fn is_wanted(
        &mut self,
        item: &Item,
        becoming: &Becoming,
        trails: &mut Trails,
    ) -> Result<bool, JobError> {
        let path = &item.path;
        let wanted = trails.target.find(&self.pending, path)?;
        if path.is_root() || wanted.as_ref().map(Record::from) != item.new {
            return Ok(false);
        }
        // What lies below a directory that gives way goes with it.
        let gives_way =
            (1..path.depth()).any(|depth| self.giving_way.contains(&path.ancestor(depth)));
        if gives_way || self.report.is_below_look(path) {
            return Ok(false);
        }
        if item.new.as_ref().is_some_and(|new| new.attributes().is_some()) {
            self.report.fail(path, "its owner or extended attributes cannot be stored here");
            return Ok(false);
        }
        let above = split(path).0;
        let is_known = above.is_root()
            || becoming.contains_key(&above)
            || matches!(trails.current.find(&self.pending, &above)?, Some(Entry::Directory(_)));
        if item.new.is_some() && (!is_known || self.report.is_below_failed(path)) {
            self.report.fail(path, "its directory could not be made");
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether something else is known to lie there than when the parcel was planned. On a replica
    /// that gives way all the same; on an origin it was edited.
    fn is_edited(&self, item: &Item, row: Option<&IndexRow>) -> bool {
        self.job.reason == KeptReason::Damage && row.map(|row| &row.record) != item.old.as_ref()
    }

    /// What leaves the tree because it is excluded is left where it lies.
    fn leave_unmanaged(&mut self, item: &Item, row: Option<&IndexRow>) -> bool {
        let known = row.map(|row| &row.record).or(item.old.as_ref());
        let is_directory = matches!(known, Some(Record::Directory { .. }));
        if item.new.is_some() || !self.job.excludes.covers(&item.path, is_directory) {
            return false;
        }
        if is_directory {
            self.dropped.push(item.path.clone());
        }
        self.record(&item.path, row.cloned(), None, None);
        true
    }

    fn find(&mut self, path: &Path) -> Result<Found, JobError> {
        let (parent, name) = split(path);
        let found =
            self.docroot.directory(&parent).map_err(|error| (true, error)).and_then(|directory| {
                self.disk.stat(&directory, &name).map_err(|error| (false, error))
            });
        match found {
            Ok(stat) => Ok(Found::Thing(self.as_closed(path, stat))),
            Err((false, error)) if error.kind == DiskErrorKind::NotFound => Ok(Found::Nothing),
            Err((true, error))
                if matches!(error.kind, DiskErrorKind::NotFound | DiskErrorKind::NotDirectory) =>
            {
                self.look_at_first_missing(&parent)?;
                Ok(Found::Reported)
            }
            Err((_, error)) => {
                self.report.fail_with(path, &error)?;
                Ok(Found::Reported)
            }
        }
    }

    /// A directory that should be there is not: the first one on the way is to be observed.
    fn look_at_first_missing(&mut self, directory: &Path) -> Result<(), JobError> {
        for depth in 1..=directory.depth() {
            let at = directory.ancestor(depth);
            match self.docroot.directory(&at) {
                Ok(_) => {}
                Err(error) if error.kind == DiskErrorKind::Crashed => return Err(error.into()),
                Err(_) => {
                    self.report.look(&at);
                    break;
                }
            }
        }
        Ok(())
    }

    /// An empty directory where one is wanted was made by an earlier run that ended too soon.
    fn may_adopt(&mut self, item: &Item, stat: &Stat) -> Result<bool, JobError> {
        let is_wanted = matches!(item.new, Some(Record::Directory { .. }));
        if !is_wanted || stat.kind != FileKind::Directory {
            return Ok(false);
        }
        let Ok(directory) = self.docroot.directory(&item.path) else { return Ok(false) };
        let mut is_empty = true;
        let listed = self.disk.list(&directory, &mut |name, _| is_empty &= name.is_reserved());
        Ok(listed.is_ok() && is_empty)
    }

    /// Why Observe passes over what lies there: to look again would bring nothing.
    fn why_never_observed(&mut self, path: &Path, stat: &Stat) -> Option<&'static str> {
        let is_directory = stat.kind == FileKind::Directory;
        if self.job.excludes.covers(path, is_directory) {
            return Some("something that is excluded here lies there: move it away");
        }
        let opened = if is_directory { self.docroot.directory(path).err() } else { None };
        let is_mount = opened.is_some_and(|error| error.kind == DiskErrorKind::OtherFilesystem);
        is_mount.then_some("another file system is mounted there: unmount it")
    }

    /// Decides what is to be done with a name that is as the index says.
    fn sort(
        &mut self,
        item: &Item,
        row: Option<(IndexRow, Stat)>,
        contents: &Contents,
        steps: &mut Steps,
        becoming: &mut Becoming,
    ) -> Result<(), JobError> {
        let stat = row.as_ref().map(|(_, stat)| *stat);
        let row = row.map(|(row, _)| row);
        let was = row.as_ref().map(|row| row.record.clone());
        if was == item.new {
            // Nothing to do but to say so; what was a local edit is none any more.
            let new = row.clone().map(|row| IndexRow { local: false, ..row });
            self.record(&item.path, row, new, item.new.clone());
            return Ok(());
        }
        let is_content_here = match (as_file(was.as_ref()), as_file(item.new.as_ref())) {
            (Some(was), Some(new)) => {
                let is_readable =
                    row.as_ref().is_some_and(|row| sources::is_readable(row.seen.mode));
                is_readable && was.content == new.content && was.size == new.size
            }
            _ => false,
        };
        let is_certain = match (&row, &stat) {
            (Some(row), Some(stat)) => row.seen == Seen::of(stat) && stat.links == 1,
            _ => false,
        };
        let is_directory =
            |record: &Option<Record>| matches!(record, Some(Record::Directory { .. }));
        if item.new.is_some() && is_directory(&was) && !is_directory(&item.new) {
            self.giving_way.insert(item.path.clone());
        }
        let task = self.task(item, row);
        match (&item.new, &was) {
            (Some(Record::Directory { .. }), Some(Record::Directory { .. })) => {
                steps.modes.push(task);
            }
            (Some(Record::Directory { .. }), None) => {
                becoming.insert(item.path.clone(), Made::ByThisRun);
                steps.directories.push(task);
            }
            (Some(Record::Directory { .. }), Some(_)) => {
                if self.may_displace(&task)? {
                    becoming.insert(item.path.clone(), Made::ByThisRun);
                    steps.conversions.push(task);
                }
            }
            (Some(Record::File(_)), Some(_)) if is_content_here && is_certain => {
                steps.metadata.push(task);
            }
            (Some(Record::File(file)), _) => {
                self.sort_file(task, file, is_content_here, contents, steps)?;
            }
            (Some(Record::Symlink(_)), _) => {
                if self.may_displace(&task)? {
                    steps.links.push(task);
                }
            }
            (None, Some(Record::Directory { .. })) => steps.going.push(task),
            (None, Some(_)) => {
                if self.may_displace(&task)? {
                    steps.removals.push(task);
                }
            }
            (None, None) => self.record(&item.path, None, None, None),
        }
        Ok(())
    }

    /// Whether what lies there may be set aside, if it has to be. What that takes is taken off
    /// the budget.
    pub(super) fn may_displace(&mut self, task: &Task) -> Result<bool, JobError> {
        let Some(row) = &task.row else { return Ok(true) };
        let bytes = match &row.record {
            Record::Directory { .. } => match self.survey_docroot(&task.path) {
                Ok(survey) if survey.is_ours => None,
                Ok(survey) => Some(survey.bytes),
                Err(error) => {
                    self.report.fail_with(&task.path, &error)?;
                    return Ok(false);
                }
            },
            _ => row.local.then_some(row.seen.size),
        };
        match bytes {
            None => Ok(true),
            Some(bytes) => match self.keep_left.checked_sub(bytes) {
                Some(left) => {
                    self.keep_left = left;
                    Ok(true)
                }
                None => {
                    let reason = format!(
                        "{bytes} bytes edited here would have to be set aside, and there is room \
                         for {}: drop something kept, or raise the budget",
                        self.keep_left
                    );
                    self.report.fail(&task.path, reason);
                    Ok(false)
                }
            },
        }
    }
}

/// Whether what is on the disk is what a row says.
pub(super) fn is_as_known(row: &IndexRow, stat: &Stat) -> bool {
    match &row.record {
        Record::Directory { .. } => {
            let is_same = row.seen.same_directory(stat)
                || row.seen.is_doubted() && row.seen.mode == stat.mode;
            stat.kind == FileKind::Directory && is_same
        }
        Record::File(_) => stat.kind == FileKind::File && same_or_doubtful(&row.seen, stat),
        Record::Symlink(_) => stat.kind == FileKind::Symlink && same_or_doubtful(&row.seen, stat),
    }
}

/// Whether Observe passes over whatever is of this kind.
pub(super) fn is_never_mirrored(kind: FileKind) -> bool {
    matches!(kind, FileKind::Fifo | FileKind::Socket | FileKind::Device)
}

//! Brings the docroot in line with the target for one parcel.
//!
//! Straight-line, in this order: check each name against the index; make directories; stage all
//! contents; make them durable together with what must be durable first; make them visible, what
//! is new before what is replaced, assets before pages, pages before links; take away what goes;
//! make the directories durable; record everything in one commit.
//!
//! Invariants: nothing is visible before the flush returned (but for empty directories, which come
//! after `before` is durable); a name that is in the old and in the new tree can be opened at every
//! moment; what takes a name is exchanged with what was there, never put over it, so that what came
//! out can be looked at before it is removed: if it is not what the index knows, it is kept. A crash
//! leaves at worst names in `displaced`, each with an intent. One path's failure blocks no other.
//!
//! Never opens an existing file of the docroot for writing, never follows a symlink, never syncs a
//! file again after a sync failed.

use std::collections::{BTreeMap, BTreeSet};

use mirrormesh_merkle::{Name, Path, Record};

use super::area::Area;
use super::disk::{Batch, Disk, DiskErrorKind, DiskResult, Filesystem};
use super::index::IndexRow;
use super::intent::{self, Intent, Role};
use super::job::{Applied, Apply, Durability, JobError};
use super::pending::Pending;
use super::resolve::Resolver;
use super::temporary::TemporaryNames;
use super::{Table, tree_value};

mod check;
mod closed;
mod contents;
mod directories;
mod metadata;
mod ours;
mod removal;
mod replace;
mod report;
mod retire;
mod settle;
mod show;
mod source;
mod stage;

use check::Steps;
use report::Report;
use stage::Staged;

/// Applies a parcel.
pub fn apply<D: Disk>(disk: &D, job: &Apply) -> Result<Applied, JobError> {
    let mut run = Run::new(disk, job)?;
    match run.change_docroot() {
        Ok(()) => run.settle(),
        Err(error) => {
            run.close_again().ok();
            Err(error)
        }
    }
}

/// One name, checked.
#[derive(Debug, Clone)]
struct Task {
    path: Path,
    /// What the index knows to be there, and the disk has confirmed; `None`: the name is free.
    row: Option<IndexRow>,
    /// What the target wants.
    new: Option<Record>,
    /// Its name in `displaced`, if it gets one.
    temporary: Name,
    /// A second one, where two things cannot change places in one step.
    spare: Name,
}

impl Task {
    /// The directory and the name in it.
    fn place(&self) -> (Path, Name) {
        split(&self.path)
    }
}

/// The directory and the name in it. The docroot itself is never an item.
fn split(path: &Path) -> (Path, Name) {
    match (path.parent(), path.name()) {
        (Some(parent), Some(name)) => (parent, name),
        _ => (Path::root(), super::temporary::work_name(".mirrormesh")),
    }
}

/// What a path's row was and is to be.
struct Recorded {
    old: Option<IndexRow>,
    new: Option<IndexRow>,
    /// What the tree says there; not always the row's record, for an unserved file may be missing.
    record: Option<Record>,
}

/// One run of the job.
struct Run<'d, D: Disk> {
    disk: &'d D,
    job: &'d Apply,
    pending: Pending<'d, D>,
    docroot: Resolver<'d, D>,
    filesystem: Filesystem,
    displaced: Option<D::Directory>,
    /// Below `displaced`, opened when first needed.
    below: Option<Resolver<'d, D>>,
    kept: Option<D::Directory>,
    names: TemporaryNames,
    report: Report,
    /// What must be durable before the first visible change, and is not yet.
    before: Batch,
    /// Names in `displaced` for which there are intents.
    intents: BTreeSet<Name>,
    /// Files that are renamed to other paths.
    moving: BTreeSet<Path>,
    /// Directories that are made in `displaced` to take the place of a file or link.
    conversions: BTreeMap<Path, Name>,
    /// Directories in whose place the target has something else.
    giving_way: BTreeSet<Path>,
    records: BTreeMap<Path, Recorded>,
    /// Directories opened to this process for the run, and the modes that they get back.
    opened: BTreeMap<Path, u16>,
    /// Unserved files whose content is not here.
    left_out: BTreeSet<Path>,
    /// Paths that were directories and are not: the rows below go.
    dropped: Vec<Path>,
    /// Directories of the docroot in which names changed.
    touched: BTreeSet<Path>,
    /// Files whose metadata was changed in place.
    metadata_changes: usize,
    /// Whether that were more than are worth a sync each.
    sync_all: bool,
    keep_left: u64,
    /// Files that turned out not to have the content that their unchanged stat promises.
    doubted: Vec<(Path, IndexRow)>,
}

impl<'d, D: Disk> Run<'d, D> {
    fn new(disk: &'d D, job: &'d Apply) -> Result<Run<'d, D>, JobError> {
        let pending = Pending::new(disk);
        tree_value::check_current(&pending, &job.current)?;
        let docroot = Resolver::new(disk)?;
        let filesystem = disk.filesystem(docroot.root())?;
        Ok(Run {
            disk,
            job,
            pending,
            docroot,
            filesystem,
            displaced: None,
            below: None,
            kept: None,
            names: TemporaryNames::new(job.seed),
            report: Report::default(),
            before: job.before.clone(),
            intents: BTreeSet::new(),
            moving: BTreeSet::new(),
            conversions: BTreeMap::new(),
            giving_way: BTreeSet::new(),
            records: BTreeMap::new(),
            opened: BTreeMap::new(),
            left_out: BTreeSet::new(),
            dropped: Vec::new(),
            touched: BTreeSet::new(),
            metadata_changes: 0,
            sync_all: false,
            keep_left: job.keep_bytes,
            doubted: Vec::new(),
        })
    }

    /// Everything but making it durable and recording it.
    fn change_docroot(&mut self) -> Result<(), JobError> {
        self.open_closed()?;
        let mut steps = self.check()?;
        self.write_intents(&steps);
        self.make_directories(&mut steps)?;
        let staged = self.stage(&mut steps)?;
        let mut staged = self.make_durable(staged)?;
        self.stage_links(&mut steps, &mut staged)?;
        self.show(staged, &mut steps)?;
        self.remove(steps)?;
        self.close_again()
    }

    fn is_durable(&self) -> bool {
        self.job.durability == Durability::Durable
    }

    /// Says in the ordered store what the names in `displaced` will be about.
    fn write_intents(&mut self, steps: &Steps) {
        for task in steps.displacing() {
            let intent = Intent {
                role: Role::Judged,
                path: task.path.clone(),
                reason: self.job.reason,
                wall: self.job.wall,
            };
            let spare = (!self.filesystem.exchange).then_some(&task.spare);
            for name in [Some(&task.temporary), spare].into_iter().flatten() {
                self.before.put(Table::State, intent::key(name), intent.encode());
                self.intents.insert(name.clone());
            }
        }
    }

    /// Makes durable what must be before the first visible change, and all staged files. If that
    /// fails, nothing is visible, what was staged is dropped, and no file is ever synced again.
    fn make_durable(&mut self, staged: Vec<Staged<D>>) -> Result<Vec<Staged<D>>, JobError> {
        let batch = std::mem::take(&mut self.before);
        let files: Vec<&D::File> =
            staged.iter().filter_map(|staged| staged.file.as_ref()).collect();
        let flushed = match self.is_durable() {
            true if files.is_empty() && batch.writes.is_empty() => Ok(()),
            true => self.disk.sync_files_and_commit(&files, batch),
            false if batch.writes.is_empty() => Ok(()),
            false => self.disk.commit(batch, false),
        };
        match flushed {
            Ok(()) => Ok(staged),
            Err(error) => {
                if error.kind != DiskErrorKind::Crashed {
                    self.undo(staged);
                }
                Err(error.into())
            }
        }
    }

    /// The directory `displaced`.
    fn displaced(&mut self) -> DiskResult<D::Directory> {
        match &self.displaced {
            Some(directory) => Ok(directory.clone()),
            None => {
                let directory = Area::Displaced.open(self.disk)?;
                Ok(self.displaced.insert(directory).clone())
            }
        }
    }

    /// The directory `kept`.
    fn kept(&mut self) -> DiskResult<D::Directory> {
        match &self.kept {
            Some(directory) => Ok(directory.clone()),
            None => {
                let directory = Area::Kept.open(self.disk)?;
                Ok(self.kept.insert(directory).clone())
            }
        }
    }

    /// Opens directories below `displaced`.
    fn below_displaced(&mut self) -> DiskResult<&mut Resolver<'d, D>> {
        let directory = self.displaced()?;
        let disk = self.disk;
        Ok(self.below.get_or_insert_with(|| Resolver::at(disk, directory)))
    }

    /// Where the names of a directory of the docroot are made: in it, or, while it has not taken
    /// its place yet, in `displaced`.
    fn landing(&mut self, directory: &Path) -> DiskResult<D::Directory> {
        match self.conversion_of(directory) {
            Some(path) => self.below_displaced()?.directory(&path),
            None => self.docroot.directory(directory),
        }
    }

    /// Where below `displaced` a path lies, if a directory at or above it is being made there.
    fn conversion_of(&self, path: &Path) -> Option<Path> {
        if self.conversions.is_empty() {
            return None;
        }
        for depth in 1..=path.depth() {
            if let Some(name) = self.conversions.get(&path.ancestor(depth)) {
                let names = path.components().skip(depth);
                return Some(names.fold(Path::from(name), |path, name| path.join(&name)));
            }
        }
        None
    }

    /// Notes that names changed in a directory.
    fn touch(&mut self, directory: &Path) {
        if self.conversion_of(directory).is_none() {
            self.touched.insert(directory.clone());
        }
    }

    /// Records what lies at a path from now on.
    fn record(
        &mut self,
        path: &Path,
        old: Option<IndexRow>,
        new: Option<IndexRow>,
        record: Option<Record>,
    ) {
        self.records.insert(path.clone(), Recorded { old, new, record });
    }
}

//! Makes visible what is staged, in the order in which things may refer to each other.

use mirrormesh_merkle::Record;

use super::super::area::Area;
use super::super::disk::{Disk, DiskErrorKind, DiskResult, Rename, Stat};
use super::super::index::{IndexRow, Seen};
use super::super::job::JobError;
use super::super::plan::is_page;
use super::check::Steps;
use super::stage::{Spot, Staged};
use super::{Run, split};

/// The order in which staged things become visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    NewAsset,
    NewPage,
    NewLink,
    Asset,
    Page,
    Link,
    /// Last: what moves out of a directory that gives way must be out by then.
    Directory,
}

fn rank<D: Disk>(staged: &Staged<D>) -> Rank {
    let is_link = matches!(staged.task.new, Some(Record::Symlink(_)));
    let was = staged.task.row.as_ref().map(|row| &row.record);
    match was {
        None if is_link => Rank::NewLink,
        None if is_page(&staged.task.path) => Rank::NewPage,
        None => Rank::NewAsset,
        Some(Record::File(_)) if is_link => Rank::Link,
        Some(Record::File(_)) if is_page(&staged.task.path) => Rank::Page,
        Some(Record::File(_)) => Rank::Asset,
        Some(Record::Symlink(_)) => Rank::Link,
        Some(Record::Directory { .. }) => Rank::Directory,
    }
}

impl<D: Disk> Run<'_, D> {
    pub(super) fn show(
        &mut self,
        mut staged: Vec<Staged<D>>,
        steps: &mut Steps,
    ) -> Result<(), JobError> {
        for task in std::mem::take(&mut steps.obstacles) {
            self.clear(task)?;
        }
        staged.sort_by_key(rank);
        let first_taken = staged.partition_point(|staged| rank(staged) < Rank::Asset);
        let taken = staged.split_off(first_taken);
        for staged in staged {
            self.show_new(staged)?;
        }
        for task in std::mem::take(&mut steps.conversions) {
            self.convert(task)?;
        }
        let mut metadata = std::mem::take(&mut steps.metadata);
        metadata.sort_by_key(|task| is_page(&task.path));
        let first_page = metadata.partition_point(|task| !is_page(&task.path));
        let pages = metadata.split_off(first_page);
        for task in metadata {
            self.change_metadata(task)?;
        }
        for staged in taken {
            self.replace(staged)?;
        }
        for task in pages {
            self.change_metadata(task)?;
        }
        for task in std::mem::take(&mut steps.modes) {
            self.change_mode(task)?;
        }
        Ok(())
    }

    /// Gives something staged its name, which is free.
    pub(super) fn show_new(&mut self, mut staged: Staged<D>) -> Result<(), JobError> {
        let path = staged.task.path.clone();
        match self.name_it(&mut staged) {
            Ok(()) => self.finish_shown(staged),
            Err(error) if error.kind == DiskErrorKind::Exists => {
                self.report.look(&path);
                self.throw_away(staged)
            }
            Err(error) if error.kind == DiskErrorKind::NotFound && staged.moved.is_some() => {
                // What was to be moved is no more what it was: that is observed first.
                self.throw_away(staged)
            }
            Err(error) => {
                self.report.fail_with(&path, &error)?;
                self.throw_away(staged)
            }
        }
    }

    fn name_it(&mut self, staged: &mut Staged<D>) -> DiskResult<()> {
        if staged.spot == Spot::Docroot {
            // A rename moves whatever has the name at that moment: it is looked at on the way.
            self.bring_to_displaced(staged)?;
        }
        let (parent, name) = staged.task.place();
        let directory = self.landing(&parent)?;
        let (from, old) = match (&staged.spot, &staged.file) {
            (Spot::Unnamed, Some(file)) => return self.disk.link(file, &directory, &name),
            (Spot::Unnamed, None) | (Spot::Docroot, _) => return Ok(()),
            (Spot::Beside(old), _) => (directory.clone(), old.clone()),
            (Spot::Displaced(old), _) => (self.displaced()?, old.clone()),
            (Spot::Large(old), _) => (Area::Large.open(self.disk)?, old.clone()),
        };
        self.disk.rename(&from, &old, &directory, &name, Rename::Keep)
    }

    /// Drops something staged that did not become visible. What cannot be dropped is left to
    /// recovery.
    pub(super) fn throw_away(&mut self, staged: Staged<D>) -> Result<(), JobError> {
        let temporary = staged.task.temporary.clone();
        match self.discard(staged) {
            Err(error) if error.kind == DiskErrorKind::Crashed => Err(error.into()),
            Err(_) => {
                self.intents.remove(&temporary);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Records what became visible, if it still is what was staged.
    pub(super) fn finish_shown(&mut self, staged: Staged<D>) -> Result<(), JobError> {
        let path = staged.task.path.clone();
        let (parent, name) = staged.task.place();
        self.touch(&parent);
        let now = match &staged.file {
            Some(file) => self.disk.stat_file(file),
            None => self.landing(&parent).and_then(|directory| self.disk.stat(&directory, &name)),
        };
        let now = match now {
            Err(error) if error.kind == DiskErrorKind::Crashed => return Err(error.into()),
            now => now.ok(),
        };
        let is_same = now.is_some_and(|now| same_but_ctime(&now, &staged.stat));
        if !is_same {
            // Edited already: the row says what was put, and the look finds the edit.
            self.report.look(&path);
        }
        let seen = self.seen(if is_same { now.as_ref() } else { None }.unwrap_or(&staged.stat));
        self.report.files += 1;
        self.report.bytes += staged.file.as_ref().map_or(0, |_| staged.stat.size);
        let record = staged.task.new.clone();
        let row = record.clone().map(|record| IndexRow { record, seen, local: false });
        if let Some((from, row)) = staged.moved {
            self.touch(&split(&from).0);
            self.record(&from, Some(row), None, None);
        }
        if matches!(staged.task.row, Some(IndexRow { record: Record::Directory { .. }, .. })) {
            self.docroot.forget(&path);
            self.dropped.push(path.clone());
        }
        self.record(&path, staged.task.row, row, record);
        Ok(())
    }

    /// What to remember of a file that was put or left. Where time stamps are coarse, a file whose
    /// time of change is the present may be written to once more without a trace.
    pub(super) fn seen(&self, stat: &Stat) -> Seen {
        let nanoseconds = |time: mirrormesh_merkle::Time| {
            i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds)
        };
        let step = i128::from(self.filesystem.time_step);
        let is_recent = nanoseconds(stat.mtime) + step > nanoseconds(stat.ctime);
        match step > i128::from(super::super::doubt::FINE_STEP) && is_recent {
            true => super::super::doubt::doubtful(Seen::of(stat)),
            false => Seen::of(stat),
        }
    }
}

/// Whether a file is what it was before it was renamed or linked.
pub(super) fn same_but_ctime(left: &Stat, right: &Stat) -> bool {
    let mut same = *right;
    same.ctime = left.ctime;
    left.kind == right.kind && Seen::of(left) == Seen::of(&same)
}

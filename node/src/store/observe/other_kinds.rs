//! Looks at a directory's own name, and at a symlink.

use mirrormesh_merkle::limits::MAX_TARGET_BYTES;
use mirrormesh_merkle::{Path, Record, Symlink};

use super::look::is_directory;
use super::name::{At, Outcome};
use super::observation::{Observation, Step};
use crate::store::disk::{Disk, Stat};
use crate::store::failed_name::{FailedName, failed_name};
use crate::store::index::{IndexRow, Seen};
use crate::store::job::{Depth, JobError, Unlisted};

impl<D: Disk> Observation<'_, D> {
    /// A directory that is as the index says needs nothing; one that is new or another has to be
    /// scanned wholly.
    pub(super) fn directory(&mut self, at: &At<'_, D>, stat: Stat) -> Result<Outcome, JobError> {
        if self.excludes.matches(at.path, true) {
            return self.exclude(at).map(Outcome::Step);
        }
        if self.is_elsewhere(&stat) {
            return self.not_there(at, FailedName::Mount).map(Outcome::Step);
        }
        let known = at.row.filter(|row| is_directory(&row.record));
        if known.is_some_and(|row| row.seen.same_directory(&stat)) {
            return Ok(Outcome::Step(Step::Directory(None)));
        }
        self.resolver.forget(at.path);
        // A directory that cannot be opened stays as it was published, its own mode too: what is
        // below could not be kept in step with it.
        let directory = match self.disk.open_directory(at.directory, at.name) {
            Ok(directory) => directory,
            Err(error) => {
                return match failed_name(error, at.path)? {
                    FailedName::OtherKind => Ok(Outcome::Again),
                    failure => self.not_there(at, failure).map(Outcome::Step),
                };
            }
        };
        if at.row.is_none() && self.is_left_alone(at.path, &directory)? {
            return Ok(Outcome::Step(Step::Done));
        }
        let same = known.is_some_and(|row| row.seen.inode == stat.inode);
        let depth = if same { Depth::Directory } else { Depth::Subtree };
        let record = Record::Directory { mode: stat.mode & 0o7777, attributes: None };
        self.set(at.path, at.row, record, Seen::of(&stat))?;
        Ok(Outcome::Step(Step::Directory(Some(depth))))
    }

    /// Lists a name that could not be looked at. If the index knows it as a directory, its entries
    /// stay, and it is scanned wholly as soon as it can be: this job's scan passes it by.
    ///
    /// What lies in a replica's directory whose mode keeps this process out is as it was left.
    pub(super) fn put_off(&mut self, path: &Path, why: Unlisted) -> Result<(), JobError> {
        if matches!(why, Unlisted::Unreadable(_)) && self.is_closed(path)? {
            return Ok(());
        }
        self.unlist(path, why);
        if let Some(row) = self.row(path)?.filter(|row| is_directory(&row.record)) {
            let doubted = IndexRow { seen: row.seen.doubted(), ..row.clone() };
            self.put_row(path, Some(&row), Some(doubted));
        }
        Ok(())
    }

    /// Whether this is, or lies in, a directory of a replica that its mode closes to its owner, as
    /// the tree wants it.
    fn is_closed(&self, path: &Path) -> Result<bool, JobError> {
        const OWNER_LISTS: u16 = 0o500;
        if self.is_origin() {
            return Ok(false);
        }
        for depth in 1..=path.depth() {
            let is_closed = self.row(&path.ancestor(depth))?.is_some_and(|row| {
                is_directory(&row.record)
                    && !row.local
                    && row.seen.mode & OWNER_LISTS != OWNER_LISTS
            });
            if is_closed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn symlink(&mut self, at: &At<'_, D>, stat: Stat) -> Result<Outcome, JobError> {
        let known = at.row.filter(|row| matches!(row.record, Record::Symlink(_)));
        let seen = Seen::of(&stat);
        let is_read = self.rehash || self.is_recalled(at.row);
        if !is_read && known.is_some_and(|row| row.seen == seen) {
            return Ok(Outcome::Step(Step::Done));
        }
        let target = match self.disk.read_symlink(at.directory, at.name) {
            Ok(target) => target,
            Err(error) => {
                return match failed_name(error, at.path)? {
                    FailedName::OtherKind => Ok(Outcome::Again),
                    failure => self.not_there(at, failure).map(Outcome::Step),
                };
            }
        };
        if target.is_empty() || target.len() > MAX_TARGET_BYTES || target.contains(&0) {
            self.unlist(at.path, Unlisted::TooLong);
            return self.remove(at.path, at.row).map(Outcome::Step);
        }
        let record = Record::Symlink(Symlink { target, attributes: None });
        self.replace(at.path, at.row, record, seen).map(Outcome::Step)
    }

    /// Puts a file or symlink where something else may have been: what was below a directory goes
    /// first. A power cut may have brought back what was there before, a directory with all in it
    /// gone.
    pub(super) fn replace(
        &mut self,
        path: &Path,
        row: Option<&IndexRow>,
        record: Record,
        seen: Seen,
    ) -> Result<Step, JobError> {
        let was_cut = row.is_some_and(|row| self.is_of_before(row, &record, seen));
        if row.is_some_and(|row| is_directory(&row.record)) {
            self.resolver.forget(path);
            if self.remove_below(path, None, was_cut)? == Step::Full {
                return Ok(Step::Full);
            }
        }
        self.set(path, row, record, seen)?;
        if was_cut {
            self.damaged(path)?;
        }
        Ok(Step::Done)
    }

    /// Whether a file or symlink where another kind of thing, or another symlink, was published is
    /// of a power cut, and no edit. Files where files were are judged by their content.
    fn is_of_before(&self, row: &IndexRow, now: &Record, seen: Seen) -> bool {
        let is_another = match (&row.record, now) {
            (Record::Symlink(old), Record::Symlink(now)) => old.target != now.target,
            (old, now) => old.kind() != now.kind(),
        };
        let data = |seen: &Seen| (seen.inode, seen.mtime, seen.size);
        let was_damaged = row.local && data(&row.seen) == data(&seen);
        let came_back = seen.ctime <= row.seen.ctime && self.was_cut(row, seen.ctime);
        self.is_origin() && is_another && (was_damaged || came_back)
    }
}

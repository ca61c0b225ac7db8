//! Looks at one name: what it is, whether the index says so, and what is to be done if not.

use mirrormesh_merkle::{Name, Path, Record};

use super::observation::{Observation, Step};
use crate::store::disk::{Disk, FileKind, Stat};
use crate::store::failed_name::{FailedName, failed_name};
use crate::store::index::IndexRow;
use crate::store::job::{INLINE_FILE_BYTES, JobError, Unlisted};

/// How often a name that becomes another kind while it is looked at is looked at again.
const ATTEMPTS: usize = 3;
/// Most names that vanished and stay for now.
const VANISHED: usize = 256;

/// Whether the directory that holds a name could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It could.
    Open(Step),
    /// It could not: a name on the way is not what the index says.
    Barred,
}

/// What a first look at a name led to.
pub(super) enum Outcome {
    /// It is dealt with, or has to be looked at again in another job.
    Step(Step),
    /// It became another kind meanwhile.
    Again,
}

/// A name being looked at.
pub(super) struct At<'a, D: Disk> {
    pub(super) directory: &'a D::Directory,
    pub(super) path: &'a Path,
    pub(super) name: &'a Name,
    pub(super) row: Option<&'a IndexRow>,
}

impl<D: Disk> Observation<'_, D> {
    /// Looks at the name of a path.
    pub(super) fn examine(&mut self, path: &Path) -> Result<Way, JobError> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Ok(Way::Open(Step::Done));
        };
        let directory = match self.resolver.directory(&parent) {
            Ok(directory) => directory,
            Err(error) => {
                return match failed_name(error, &parent)? {
                    FailedName::Unreadable(reason) => {
                        self.put_off(path, Unlisted::Unreadable(reason))?;
                        Ok(Way::Open(Step::Done))
                    }
                    _ => Ok(Way::Barred),
                };
            }
        };
        let row = self.row(path)?;
        self.examine_at(&directory, path, &name, row).map(Way::Open)
    }

    /// Looks at a name in an open directory.
    pub(super) fn examine_at(
        &mut self,
        directory: &D::Directory,
        path: &Path,
        name: &Name,
        mut row: Option<IndexRow>,
    ) -> Result<Step, JobError> {
        self.names += 1;
        if !path.is_within_limits() {
            self.unlist(path, Unlisted::TooLong);
            return Ok(Step::Done);
        }
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                row = self.row(path)?;
            }
            let at = At { directory, path, name, row: row.as_ref() };
            match self.examine_once(&at)? {
                Outcome::Step(step) => return Ok(step),
                Outcome::Again => {}
            }
        }
        self.put_off(path, Unlisted::Moving)?;
        Ok(Step::Done)
    }

    fn examine_once(&mut self, at: &At<'_, D>) -> Result<Outcome, JobError> {
        if self.excludes.matches(at.path, false) {
            return self.exclude(at).map(Outcome::Step);
        }
        let stat = match self.disk.stat(at.directory, at.name) {
            Ok(stat) => stat,
            Err(error) => {
                let failure = failed_name(error, at.path)?;
                return self.not_there(at, failure).map(Outcome::Step);
            }
        };
        match stat.kind {
            FileKind::File => self.file(at, stat),
            FileKind::Directory => self.directory(at, stat),
            FileKind::Symlink => self.symlink(at, stat),
            kind => {
                self.unlist(at.path, Unlisted::Skipped(kind));
                self.remove(at.path, at.row).map(Outcome::Step)
            }
        }
    }

    /// A primitive says that the name is not what it was: takes it out of the tree, or leaves it
    /// as it was published, listed.
    pub(super) fn not_there(
        &mut self,
        at: &At<'_, D>,
        failure: FailedName,
    ) -> Result<Step, JobError> {
        match failure {
            FailedName::Gone if self.waits_for(at) => {
                self.found.vanished.push(at.path.clone());
                Ok(Step::Done)
            }
            FailedName::Gone => self.remove(at.path, at.row),
            FailedName::Mount => {
                self.unlist(at.path, Unlisted::Mount);
                self.remove(at.path, at.row)
            }
            FailedName::OtherKind => {
                self.put_off(at.path, Unlisted::Moving)?;
                Ok(Step::Done)
            }
            FailedName::Unreadable(reason) => self.not_read(at, Unlisted::Unreadable(reason)),
        }
    }

    /// Whether a name that vanished stays for now: what it was may be on its way to another name,
    /// and is dear to fetch again.
    fn waits_for(&self, at: &At<'_, D>) -> bool {
        let Some(gone) = &self.judgement.vanished else { return false };
        let is_dear = match at.row.map(|row| &row.record) {
            Some(Record::Directory { .. }) => true,
            Some(Record::File(file)) => file.size > INLINE_FILE_BYTES,
            _ => false,
        };
        is_dear && !gone.contains(at.path) && self.found.vanished.len() < VANISHED
    }

    /// Whether this stat lies on another file system than the docroot.
    pub(super) fn is_elsewhere(&self, stat: &Stat) -> bool {
        stat.device != self.device
    }
}

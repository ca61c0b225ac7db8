//! Looks at a regular file: reads it if its stat is not as in the index.

use mirrormesh_merkle::{File, Hash, Path, Record, Time};

use super::name::{At, Outcome};
use super::observation::{Observation, Step};
use crate::store::disk::{Disk, Stat};
use crate::store::failed_name::FailedName;
use crate::store::index::{IndexRow, Seen};
use crate::store::job::{JobError, Unlisted};
use crate::store::reading::{FileAt, Reading};

impl<D: Disk> Observation<'_, D> {
    pub(super) fn file(&mut self, at: &At<'_, D>, stat: Stat) -> Result<Outcome, JobError> {
        let is_read = self.rehash || self.is_suspect(at.row) || self.is_recalled(at.row);
        if !is_read && self.is_unchanged(at.row, &stat) {
            return Ok(Outcome::Step(Step::Done));
        }
        match self.hashed.get(at.path) {
            Some(Ok((hashed, content))) if Seen::of(hashed) == Seen::of(&stat) => {
                let (seen, content) = (Seen::of(hashed), *content);
                return self.take(at, &stat, stat.size, content, seen).map(Outcome::Step);
            }
            Some(Err(Unlisted::Unreadable(_))) if self.is_foreign(at.row, &stat) => {
                return self.take_unread(at, &stat).map(Outcome::Step);
            }
            Some(Err(why)) => {
                let why = why.clone();
                return self.not_read(at, why).map(Outcome::Step);
            }
            _ => {}
        }
        if stat.size > self.large_bytes {
            self.found.large.insert(at.path.clone());
            return Ok(Outcome::Step(Step::Done));
        }
        self.stamps.begin(self.disk, self.resolver.root());
        let (disk, directory) = (self.disk, at.directory);
        let place = FileAt { disk, directory, name: at.name, path: at.path };
        let reading = if self.is_origin() {
            place.read_stable(&mut self.buffer)?
        } else {
            place.read_as_it_is(&mut self.buffer)?
        };
        match reading {
            Reading::Whole { stat, size, content, bytes } => {
                self.bytes += size;
                if let Some(bytes) = bytes.filter(|_| self.inline) {
                    self.found.hold(at.path, content, bytes);
                }
                let seen = self.stamps.seen(&stat);
                self.take(at, &stat, size, content, seen).map(Outcome::Step)
            }
            Reading::Not(Unlisted::Mount) => {
                self.not_there(at, FailedName::Mount).map(Outcome::Step)
            }
            Reading::Not(Unlisted::Unreadable(_)) if self.is_foreign(at.row, &stat) => {
                self.take_unread(at, &stat).map(Outcome::Step)
            }
            Reading::Not(why) => {
                // It was read, in vain.
                self.bytes += if why == Unlisted::Moving { stat.size } else { 0 };
                self.not_read(at, why).map(Outcome::Step)
            }
            Reading::Gone => self.remove(at.path, at.row).map(Outcome::Step),
            Reading::OtherKind => Ok(Outcome::Again),
        }
    }

    /// Whether a file that cannot be read is certainly not what a replica put there.
    fn is_foreign(&self, row: Option<&IndexRow>, stat: &Stat) -> bool {
        !self.is_origin() && row.is_none_or(|row| row.seen != Seen::of(stat))
    }

    /// Takes a file that cannot be read as a local edit. No content has the hash that it gets, so
    /// that it is in nobody's way and is nowhere looked for.
    fn take_unread(&mut self, at: &At<'_, D>, stat: &Stat) -> Result<Step, JobError> {
        let file = File {
            mode: stat.mode & 0o7777,
            mtime: stat.mtime,
            size: stat.size,
            content: Hash::ZERO,
            unserved: false,
            attributes: None,
        };
        self.replace(at.path, at.row, Record::File(file), Seen::of(stat))
    }

    /// Whether the row says what the file is. A content that the origin could not serve any more
    /// may be readable again. A stat without doubt that lies in the future says nothing: the clock
    /// was set back, and a later change may leave it as it is.
    fn is_unchanged(&mut self, row: Option<&IndexRow>, stat: &Stat) -> bool {
        let is_known = row.is_some_and(|row| match &row.record {
            Record::File(file) => {
                row.seen == Seen::of(stat) && !(file.unserved && self.is_origin())
            }
            _ => false,
        });
        if is_known {
            self.stamps.begin(self.disk, self.resolver.root());
        }
        is_known && !self.stamps.is_young(stat)
    }

    fn take(
        &mut self,
        at: &At<'_, D>,
        stat: &Stat,
        size: u64,
        content: Hash,
        seen: Seen,
    ) -> Result<Step, JobError> {
        let record = Record::File(File {
            mode: stat.mode & 0o7777,
            mtime: stat.mtime,
            size,
            content,
            unserved: false,
            attributes: None,
        });
        if record.check().is_err() {
            return self
                .not_read(at, Unlisted::Unreadable("its time or size is impossible".into()));
        }
        self.found.linked |= stat.links > 1 && at.row.is_some();
        let damaged = self.is_damaged(at.row, stat, &record);
        let step = self.replace(at.path, at.row, record, seen)?;
        if damaged {
            self.damaged(at.path)?;
        }
        Ok(step)
    }

    /// What lies there is not what was published, and nobody edited it.
    pub(super) fn damaged(&mut self, path: &Path) -> Result<(), JobError> {
        if let Some(row) = self.row(path)? {
            let local = IndexRow { local: true, ..row.clone() };
            self.put_row(path, Some(&row), Some(local));
            self.found.damaged.push(path.clone());
        }
        Ok(())
    }

    /// A damaged file that was not brought back is read again when somebody may serve it: the tree
    /// may say what was published of it, and not what lies there.
    pub(super) fn is_recalled(&self, row: Option<&IndexRow>) -> bool {
        self.is_origin() && self.judgement.recalls && row.is_some_and(|row| row.local)
    }

    /// Whether a power cut may have damaged the file without its stat showing it.
    fn is_suspect(&self, row: Option<&IndexRow>) -> bool {
        let bounds = self.judgement.damage.filter(|_| self.is_origin());
        bounds.is_some_and(|bounds| row.is_some_and(|row| row.seen.ctime >= bounds.since))
    }

    /// Whether a published file that differs is damaged rather than edited.
    fn is_damaged(&self, row: Option<&IndexRow>, stat: &Stat, now: &Record) -> bool {
        let Some(row) = row.filter(|_| self.is_origin()) else { return false };
        let (Record::File(old), Record::File(new)) = (&row.record, now) else { return false };
        let was_damaged = row.local && row.seen.same_data(stat);
        if old.content == new.content || old.unserved {
            return was_damaged || row.local && self.was_cut(row, stat.ctime);
        }
        let is_as_it_was = row.seen == Seen::of(stat);
        was_damaged || is_as_it_was && self.rehash || self.was_cut(row, stat.ctime)
    }

    /// Whether a change at this time to what the row says was a power cut's.
    pub(super) fn was_cut(&self, row: &IndexRow, changed: Time) -> bool {
        let bounds = self.judgement.damage.filter(|_| self.is_origin());
        bounds.is_some_and(|bounds| {
            let is_old = changed <= bounds.until || row.seen == Seen::UNKNOWN;
            row.seen.ctime >= bounds.since && changed < bounds.boot && is_old
        })
    }

    /// A name that is there and was not read stays as it was last published. The origin marks a
    /// file that the core has given up as unserved; what was never published as a file then has
    /// nothing to stay.
    pub(super) fn not_read(&mut self, at: &At<'_, D>, why: Unlisted) -> Result<Step, JobError> {
        self.put_off(at.path, why)?;
        if !self.is_origin() || !self.give_up.contains(at.path) {
            return Ok(Step::Done);
        }
        self.give_up(at.path, at.row)
    }

    fn give_up(&mut self, path: &Path, row: Option<&IndexRow>) -> Result<Step, JobError> {
        let Some(row) = row else { return Ok(Step::Done) };
        let Record::File(file) = &row.record else { return self.remove(path, Some(row)) };
        if !file.unserved {
            let mut given_up = row.clone();
            given_up.record = Record::File(File { unserved: true, ..file.clone() });
            self.put_row(path, Some(row), Some(given_up));
        }
        Ok(Step::Done)
    }
}

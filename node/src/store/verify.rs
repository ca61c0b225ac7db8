//! Verify: re-reads every byte of the docroot against the index, which is the current tree.
//!
//! Goes through the index in the order of its keys, a bounded part a job. A file whose stat is not
//! as its row says differs as much as one whose bytes do. With `repair`, what differs is observed
//! as it lies, so that it becomes a local edit, and reconciling brings the tree's version back.
//! Never changes the docroot itself.

use mirrormesh_merkle::{Path, Record};

use super::Table;
use super::disk::{Disk, FileKind, Stat};
use super::doubt::same_or_doubtful;
use super::failed_name::{FailedName, failed_name};
use super::index::{IndexRow, index_key, index_path};
use super::job::{
    Depth, DocrootState, JobError, Judgement, Look, Observe, ObserveLimits, Unlisted, Verified,
    Verify,
};
use super::observe::observe;
use super::pending::Pending;
use super::reading::{FileAt, READ_BYTES, Reading};
use super::resolve::Resolver;
use super::rows;

/// Rows looked at by one job.
const ROWS: usize = 4_096;
/// Rows read at a time.
const PAGE: usize = 256;
/// Bytes read by one job, but for one file.
const BYTES: u64 = 256 * 1024 * 1024;
/// Differences told by one job.
const DIFFERENCES: usize = 256;
/// What repairing may change in one job: what is below a directory that is gone comes later.
const REPAIR: ObserveLimits = ObserveLimits { changes: 4_096, names: 8_192, bytes: u64::MAX };

/// Executes the job.
pub(crate) fn verify<D: Disk>(job: Verify, disk: &D) -> Result<Verified, JobError> {
    let mut reader = Reader {
        disk,
        job: &job,
        pending: Pending::new(disk),
        resolver: Resolver::new(disk)?,
        buffer: vec![0; READ_BYTES],
        found: Verified {
            tree: job.current,
            files: 0,
            bytes: 0,
            differs: Vec::new(),
            damaged: Vec::new(),
            next: None,
        },
    };
    reader.read_rows()?;
    let mut found = reader.found;
    if job.repair && !found.differs.is_empty() {
        let paths = found.differs.iter().map(|(path, _)| path.clone()).collect();
        let observed = observe(repair(job, paths), disk)?;
        if let DocrootState::Same(_) = observed.docroot {
            found.tree = observed.tree;
            found.damaged = observed.damaged;
        }
    }
    Ok(found)
}

fn repair(job: Verify, paths: Vec<Path>) -> Observe {
    let look = |path| Look { path, depth: Depth::Name, after: None };
    Observe {
        side: job.side,
        current: job.current,
        looks: paths.into_iter().map(look).collect(),
        hashed: Vec::new(),
        excludes: job.excludes,
        expected: None,
        large_bytes: u64::MAX,
        give_up: Vec::new(),
        inline: false,
        limits: REPAIR,
        rehash: true,
        judgement: Judgement::default(),
    }
}

struct Reader<'job, 'disk, D: Disk> {
    disk: &'disk D,
    job: &'job Verify,
    pending: Pending<'disk, D>,
    resolver: Resolver<'disk, D>,
    buffer: Vec<u8>,
    found: Verified,
}

impl<D: Disk> Reader<'_, '_, D> {
    fn read_rows(&mut self) -> Result<(), JobError> {
        let mut start = match &self.job.after {
            Some(after) => rows::after_key(&index_key(after)),
            None => bytes::Bytes::new(),
        };
        let mut looked_at = 0;
        loop {
            let page = self.pending.range(Table::Index, &start, None, PAGE)?;
            let is_last = page.len() < PAGE;
            for (key, value) in page {
                let path = index_path(&key);
                let damaged = || JobError::Inconsistent("a key of the index is damaged".into());
                let path = path.ok_or_else(damaged)?;
                let row = rows::decode(&path, &value)?;
                self.compare(&path, row)?;
                looked_at += 1;
                let found = &mut self.found;
                if looked_at >= ROWS || found.bytes >= BYTES || found.differs.len() >= DIFFERENCES {
                    found.next = Some(path);
                    return Ok(());
                }
                start = rows::after_key(&key);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn compare(&mut self, path: &Path, mut row: IndexRow) -> Result<(), JobError> {
        let is_directory = matches!(row.record, Record::Directory { .. });
        if self.job.excludes.covers(path, is_directory) {
            return Ok(());
        }
        // Without `repair` others may change disk and index beside this job: a difference counts
        // only if the row is still the same.
        while let Some(how) = self.difference(path, &row)? {
            match rows::read(&self.pending, path)? {
                Some(again) if again != row => row = again,
                Some(_) => {
                    self.found.differs.push((path.clone(), how));
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// In what the disk differs from a row.
    fn difference(&mut self, path: &Path, row: &IndexRow) -> Result<Option<String>, JobError> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(None) };
        let directory = match self.resolver.directory(&parent) {
            Ok(directory) => directory,
            Err(error) => return failed_name(error, path).map(|failed| Some(told(failed))),
        };
        let stat = match self.disk.stat(&directory, &name) {
            Ok(stat) => stat,
            Err(error) => return failed_name(error, path).map(|failed| Some(told(failed))),
        };
        if let Some(how) = stat_difference(row, &stat) {
            return Ok(Some(how.into()));
        }
        match &row.record {
            Record::Directory { .. } => Ok(None),
            Record::Symlink(link) => match self.disk.read_symlink(&directory, &name) {
                Ok(target) if target == link.target => Ok(None),
                Ok(_) => Ok(Some("the link leads elsewhere".into())),
                Err(error) => failed_name(error, path).map(|failed| Some(told(failed))),
            },
            Record::File(file) => {
                let place = FileAt { disk: self.disk, directory: &directory, name: &name, path };
                let reading = place.read_as_it_is(&mut self.buffer)?;
                self.found.files += 1;
                Ok(match reading {
                    Reading::Whole { size, content, .. } => {
                        self.found.bytes += size;
                        (content != file.content).then(|| "the content differs".into())
                    }
                    Reading::Not(Unlisted::Unreadable(reason)) => {
                        Some(format!("it cannot be read: {reason}"))
                    }
                    Reading::Not(Unlisted::OpenForWriting) => Some("it is open for writing".into()),
                    Reading::Not(_) => Some("it changed while it was read".into()),
                    Reading::Gone => Some(told(FailedName::Gone)),
                    Reading::OtherKind => Some(told(FailedName::OtherKind)),
                })
            }
        }
    }
}

fn told(failed: FailedName) -> String {
    match failed {
        FailedName::Gone => "it is missing".into(),
        FailedName::OtherKind => "it is of another kind".into(),
        FailedName::Mount => "a mount lies over it".into(),
        FailedName::Unreadable(reason) => format!("it cannot be read: {reason}"),
    }
}

fn stat_difference(row: &IndexRow, stat: &Stat) -> Option<&'static str> {
    let kind = match &row.record {
        Record::File(_) => FileKind::File,
        Record::Directory { .. } => FileKind::Directory,
        Record::Symlink(_) => FileKind::Symlink,
    };
    if stat.kind != kind {
        return Some("it is of another kind");
    }
    match &row.record {
        Record::Directory { mode, .. } if *mode != stat.mode & 0o7777 => Some("the mode differs"),
        Record::Directory { .. } => None,
        _ if same_or_doubtful(&row.seen, stat) => None,
        _ => Some("it was changed since it was last looked at"),
    }
}

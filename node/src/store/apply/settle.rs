//! Makes what was done durable and records it: names first, then index and tree in one commit.

use mirrormesh_merkle::{Change, Path, Record, update};

use super::super::disk::{Disk, DiskErrorKind};
use super::super::doubt::doubtful;
use super::super::index::{IndexRow, content_key};
use super::super::intent;
use super::super::job::{Applied, JobError, KeptReason};
use super::super::{Table, rows, state, tree_value};
use super::Run;

/// Directories that are synced one by one; more are synced with everything else.
const FEW_DIRECTORIES: usize = 64;

/// Rows below a path that was a directory, removed in one commit.
const ROWS: usize = 4_096;

impl<D: Disk> Run<'_, D> {
    pub(super) fn settle(mut self) -> Result<Applied, JobError> {
        if self.is_durable() {
            self.sync_names()?;
        }
        self.record_doubts();
        let (left_out, served) = self.record_left_out()?;
        let mut changes = Vec::with_capacity(self.records.len());
        for (path, recorded) in std::mem::take(&mut self.records) {
            rows::write(&mut self.pending, &path, recorded.old.as_ref(), recorded.new.as_ref());
            changes.push(Change { path, record: recorded.record });
        }
        let tree = update(&mut self.pending, &self.job.current, &changes)?;
        self.pending.put(Table::State, state::CURRENT, tree_value::encode_tree(&tree));
        for name in &self.intents {
            self.pending.remove(Table::State, intent::key(name));
        }
        let Run { disk, mut pending, dropped, report, .. } = self;
        for path in dropped {
            pending = drop_rows_below(disk, pending, &path)?;
        }
        pending.commit(false)?;
        Ok(Applied {
            tree,
            failed: report.failed,
            failed_more: report.failed_more,
            missing: report.missing,
            wrong: report.wrong,
            files: report.files,
            bytes: report.bytes,
            set_aside: report.set_aside,
            set_aside_bytes: report.set_aside_bytes,
            look: report.look.into_iter().collect(),
            left_out,
            served,
        })
    }

    /// Whoever looks next at a file that has not the content of its row reads it, whatever its stat
    /// says. An origin is spared that: it would publish as an edit what is damage.
    fn record_doubts(&mut self) {
        let doubted = std::mem::take(&mut self.doubted);
        for (path, row) in doubted.into_iter().filter(|_| self.job.reason != KeptReason::Damage) {
            let doubtful = IndexRow { seen: doubtful(row.seen), ..row.clone() };
            rows::write(&mut self.pending, &path, Some(&row), Some(&doubtful));
        }
    }

    /// Records which unserved files are left out, and of which that is no longer so.
    fn record_left_out(&mut self) -> Result<(Vec<Path>, Vec<Path>), JobError> {
        let first = self.pending.range(Table::State, state::LEFT_OUT, None, 1)?;
        let is_any = first.iter().any(|(key, _)| key.starts_with(state::LEFT_OUT));
        let (mut left_out, mut served) = (Vec::new(), Vec::new());
        for path in self.records.keys() {
            let key = [state::LEFT_OUT, path.as_bytes()].concat();
            if self.left_out.contains(path) {
                self.pending.put(Table::State, key, Vec::new());
                left_out.push(path.clone());
            } else if is_any && self.pending.get(Table::State, &key)?.is_some() {
                self.pending.remove(Table::State, key);
                served.push(path.clone());
            }
        }
        Ok((left_out, served))
    }

    fn sync_names(&mut self) -> Result<(), JobError> {
        if self.sync_all || self.touched.len() > FEW_DIRECTORIES {
            self.disk.sync_all(self.docroot.root())?;
            return Ok(());
        }
        for path in std::mem::take(&mut self.touched) {
            let directory = match self.docroot.directory(&path) {
                Ok(directory) => directory,
                // Gone meanwhile, and its names with it.
                Err(error)
                    if matches!(
                        error.kind,
                        DiskErrorKind::NotFound | DiskErrorKind::NotDirectory
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.disk.sync_directory(&directory)?;
        }
        for directory in [self.displaced.take(), self.kept.take()].into_iter().flatten() {
            self.disk.sync_directory(&directory)?;
        }
        Ok(())
    }

    /// Directories that were filled before they took their place have to be synced too.
    pub(super) fn touched_below(&mut self, path: &Path) {
        self.touched.insert(path.clone());
        let below = self.records.range(path.clone()..);
        let below = below.take_while(|(below, _)| below.starts_with(path));
        for (directory, recorded) in below {
            if matches!(&recorded.new, Some(IndexRow { record: Record::Directory { .. }, .. })) {
                self.touched.insert(directory.clone());
            }
        }
    }
}

/// Removes the rows of everything that lay below a path. So many rows are removed with the first
/// commit; what is left over after a crash is found to be wrong when somebody looks at it.
fn drop_rows_below<'d, D: Disk>(
    disk: &'d D,
    mut pending: super::super::pending::Pending<'d, D>,
    path: &Path,
) -> Result<super::super::pending::Pending<'d, D>, JobError> {
    for separator in [0, b'/'] {
        let mut start = path.as_bytes().to_vec();
        let mut end = start.clone();
        start.push(separator);
        end.push(separator + 1);
        loop {
            let found = pending.range(Table::Index, &start, Some(&end), ROWS)?;
            for (key, value) in &found {
                let below = super::super::index::index_path(key);
                if let (Some(below), Some(row)) = (below, IndexRow::decode(value))
                    && let Record::File(file) = &row.record
                {
                    pending.remove(Table::Contents, content_key(&file.content, &below));
                }
                pending.remove(Table::Index, key.clone());
            }
            if found.len() < ROWS {
                break;
            }
            pending.commit(false)?;
            pending = super::super::pending::Pending::new(disk);
        }
    }
    Ok(pending)
}

//! Whether something is the version that the index knows, and so may be removed.

use std::collections::BTreeMap;

use mirrormesh_merkle::{Kind, Name, Path, Record, lookup};

use super::super::Table;
use super::super::copy::has_content;
use super::super::disk::{Disk, DiskErrorKind, DiskResult, FileKind, Stat};
use super::super::doubt::same_or_doubtful;
use super::super::index::{IndexRow, Seen, index_key};
use super::super::job::Apply;
use super::super::pending::Pending;
use super::super::resolve::Resolver;
use super::closed::{as_closed, open_up};
use super::{Run, split};

/// What lies below a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Survey {
    /// Whether all of it is as the index says and no local edit.
    pub(super) is_ours: bool,
    /// Bytes in files.
    pub(super) bytes: u64,
}

impl<D: Disk> Run<'_, D> {
    /// Compares what lies below a directory of the docroot with the index.
    pub(super) fn survey_docroot(&mut self, path: &Path) -> DiskResult<Survey> {
        let opened = self.filesystem.obeys_modes.then_some(&mut self.opened);
        let known = Known { pending: &self.pending, job: self.job };
        survey(self.disk, known, &mut self.docroot, path, path, opened)
    }

    /// Compares what lies below a name in `displaced` with the rows of the path it came from.
    pub(super) fn survey_displaced(&mut self, name: &Name, path: &Path) -> DiskResult<Survey> {
        self.below_displaced()?;
        let Some(below) = &mut self.below else {
            return Ok(Survey { is_ours: false, bytes: 0 });
        };
        let opened = self.filesystem.obeys_modes.then_some(&mut self.opened);
        let known = Known { pending: &self.pending, job: self.job };
        survey(self.disk, known, below, &Path::from(name), path, opened)
    }

    /// Whether a name in `displaced` is what a row said before it was brought there: a rename
    /// may change nothing but its ctime. A row whose stat is doubtful is checked by content.
    pub(super) fn is_displaced_ours(
        &self,
        displaced: &D::Directory,
        name: &Name,
        stat: &Stat,
        row: &IndexRow,
    ) -> DiskResult<bool> {
        let mut seen = row.seen;
        seen.ctime = stat.ctime;
        if row.local || !is_kind(&row.record, stat.kind) || seen != Seen::of(stat) {
            return Ok(false);
        }
        if is_doubtful(&row.seen) { has_content(self.disk, displaced, name, row) } else { Ok(true) }
    }
}

/// What the store knows of the docroot.
struct Known<'r, 'd, D: Disk> {
    pending: &'r Pending<'d, D>,
    job: &'r Apply,
}

impl<D: Disk> Clone for Known<'_, '_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Disk> Copy for Known<'_, '_, D> {}

/// A row, of which it is not said that it is a local edit if it is what was published there. A
/// tree that is not held says nothing.
pub(super) fn as_published<D: Disk>(
    pending: &Pending<'_, D>,
    job: &Apply,
    path: &Path,
    row: IndexRow,
) -> IndexRow {
    let published = job.published.filter(|_| row.local);
    let entry = published.and_then(|tree| lookup(pending, &tree.root, path).ok()?);
    let is_published = entry.is_some_and(|entry| Record::from(&entry) == row.record);
    IndexRow { local: row.local && !is_published, ..row }
}

/// Whether a row's stat may not have changed with the file.
fn is_doubtful(seen: &Seen) -> bool {
    // No stat has such a time.
    seen.ctime.nanoseconds >= 1_000_000_000
}

pub(super) fn is_kind(record: &Record, kind: FileKind) -> bool {
    matches!(
        (record.kind(), kind),
        (Kind::File, FileKind::File)
            | (Kind::Directory, FileKind::Directory)
            | (Kind::Symlink, FileKind::Symlink)
    )
}

/// Walks what lies at `at` and compares it with the rows below `path`. `opened` gets the
/// directories that have to be opened for that.
fn survey<D: Disk>(
    disk: &D,
    known: Known<'_, '_, D>,
    resolver: &mut Resolver<'_, D>,
    at: &Path,
    path: &Path,
    mut opened: Option<&mut BTreeMap<Path, u16>>,
) -> DiskResult<Survey> {
    let mut survey = Survey { is_ours: true, bytes: 0 };
    let mut open = vec![(at.clone(), path.clone())];
    while let Some((at, path)) = open.pop() {
        let mut directory = resolver.directory(&at);
        if let (Ok(handle), Some(opened)) = (&directory, opened.as_deref_mut())
            && open_up(disk, handle, &path, opened)?
        {
            // The handle may be one that cannot be listed.
            resolver.forget(&at);
            directory = resolver.directory(&at);
        }
        let directory = match directory {
            Ok(directory) => directory,
            Err(error) if error.kind == DiskErrorKind::OtherFilesystem => {
                survey.is_ours = false;
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        disk.list(&directory, &mut |name, _| names.push(name))?;
        for name in names {
            let mut stat = disk.stat(&directory, &name)?;
            if stat.kind == FileKind::File {
                survey.bytes = survey.bytes.saturating_add(stat.size);
            }
            let path = path.join(&name);
            if let Some(opened) = opened.as_deref() {
                stat = as_closed(opened, &path, stat);
            }
            if survey.is_ours {
                survey.is_ours = is_ours(disk, known, &directory, &path, &stat)?;
            }
            if stat.kind == FileKind::Directory {
                open.push((at.join(&name), path));
            }
        }
    }
    Ok(survey)
}

fn is_ours<D: Disk>(
    disk: &D,
    known: Known<'_, '_, D>,
    directory: &D::Directory,
    path: &Path,
    stat: &Stat,
) -> DiskResult<bool> {
    let row = known.pending.get(Table::Index, &index_key(path))?;
    let Some(row) = row.and_then(|row| IndexRow::decode(&row)) else { return Ok(false) };
    let row = as_published(known.pending, known.job, path, row);
    if row.local || !is_kind(&row.record, stat.kind) {
        return Ok(false);
    }
    if stat.kind == FileKind::Directory {
        return Ok(row.seen.same_directory(stat));
    }
    if row.seen == Seen::of(stat) {
        return Ok(true);
    }
    Ok(same_or_doubtful(&row.seen, stat) && has_content(disk, directory, &split(path).1, &row)?)
}

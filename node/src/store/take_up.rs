//! TakeUp: an origin's index says of every name what a later head of its own published there.
//!
//! The head left before it was durable, and members have brought it back. What really lies at those
//! names is not known: their rows bear a stat that no file has, so that the next Observe reads
//! them, judges what a power cut may have damaged, and publishes what was edited. A name that cannot
//! be read then stays as it was published.

use mirrormesh_merkle::{Change, Difference, Kind, Path, Record, Tree, difference, update};

use super::disk::{Disk, Table};
use super::index::{IndexRow, Seen};
use super::job::{JobError, TakeUp};
use super::pending::Pending;
use super::tree_value::encode_tree;
use super::{rows, state};

/// Differences taken up in one commit.
const PAGE: usize = 4_096;

/// Executes the job.
pub(crate) fn take_up<D: Disk>(job: &TakeUp, disk: &D) -> Result<Tree, JobError> {
    let mut tree = job.current;
    let mut after: Option<Path> = None;
    // A name that is another kind of thing now is left to Observe, with all below it, unless a
    // power cut made it so.
    let mut left: Option<Path> = None;
    loop {
        let mut pending = Pending::new(disk);
        let (old, new) = (&job.current.root, &job.published.root);
        let page = difference(&pending, old, new, after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(tree) };
        after = Some(last.path.clone());
        let mut changes = Vec::new();
        for Difference { path, old, new } in page {
            let is_below = left.as_ref().is_some_and(|above| path.starts_with(above));
            let Some(record) = new.filter(|_| !is_below) else { continue };
            if let Some(old) = old.as_ref().filter(|old| old.kind() != record.kind()) {
                let row = rows::read(&pending, &path)?;
                if old.kind() == Kind::Directory || !row.is_some_and(|row| row.local) {
                    left = Some(path);
                    continue;
                }
            } else if job.only_missing && old.is_some() {
                continue;
            }
            take(&mut pending, &path, &record, job.only_missing)?;
            changes.push(Change { path, record: Some(record) });
        }
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        tree = update(&mut pending, &tree, &changes)?;
        pending.put(Table::State, state::CURRENT, encode_tree(&tree));
        pending.commit(false)?;
    }
}

fn take<D: Disk>(
    pending: &mut Pending<'_, D>,
    path: &Path,
    record: &Record,
    local: bool,
) -> Result<(), JobError> {
    let old = rows::read(pending, path)?;
    // What is known to be damaged stays so.
    let damaged = old.as_ref().filter(|old| old.local && old.record.kind() == record.kind());
    let seen = damaged.map_or(Seen::UNKNOWN, |old| old.seen);
    let new = IndexRow { record: record.clone(), seen, local: local || damaged.is_some() };
    rows::write(pending, path, old.as_ref(), Some(&new));
    Ok(())
}

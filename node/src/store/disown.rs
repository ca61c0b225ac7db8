//! Disown: a damaged file of an origin that nobody can serve stays as it lies, and a name that a
//! power cut took away stays gone, with its directory, but neither is published so: the current
//! tree goes on saying what was published. What somebody put there meanwhile is left alone, and so
//! is a directory in which nothing is lost.

use mirrormesh_merkle::{Change, Kind, Path, Record, lookup, update};

use super::disk::{Disk, Table};
use super::index::{IndexRow, Seen};
use super::job::{Disown, Disowned, JobError};
use super::pending::Pending;
use super::tree_value::encode_tree;
use super::{rows, state};

/// Executes the job.
pub(crate) fn disown<D: Disk>(job: &Disown, disk: &D) -> Result<Disowned, JobError> {
    let mut pending = Pending::new(disk);
    let mut paths = job.paths.clone();
    paths.sort();
    paths.dedup();
    let mut changes = Vec::new();
    let mut disowned = Vec::new();
    for path in paths {
        let published = lookup(&pending, &job.published.root, &path)?;
        let Some(record) = published.as_ref().map(Record::from) else { continue };
        if record.kind() == Kind::Directory {
            continue;
        }
        let old = rows::read(&pending, &path)?;
        let seen = match &old {
            Some(row) if row.local && row.record.kind() != Kind::Directory => row.seen,
            None if keep_way(&mut pending, job, &path, &mut changes)? => Seen::UNKNOWN,
            _ => continue,
        };
        let new = IndexRow { record: record.clone(), seen, local: true };
        rows::write(&mut pending, &path, old.as_ref(), Some(&new));
        changes.push(Change { path: path.clone(), record: Some(record) });
        disowned.push(path);
    }
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    let tree = update(&mut pending, &job.current, &changes)?;
    pending.put(Table::State, state::CURRENT, encode_tree(&tree));
    pending.commit(false)?;
    Ok(Disowned { tree, paths: disowned })
}

/// Keeps the directories on the way to a name in the tree too, if they are gone. Returns whether
/// there is a way.
fn keep_way<D: Disk>(
    pending: &mut Pending<'_, D>,
    job: &Disown,
    path: &Path,
    changes: &mut Vec<Change>,
) -> Result<bool, JobError> {
    let mut gone = Vec::new();
    for depth in 1..path.depth() {
        let above = path.ancestor(depth);
        match rows::read(pending, &above)? {
            Some(row) if row.record.kind() == Kind::Directory => {}
            Some(_) => return Ok(false),
            None => gone.push(above),
        }
    }
    for above in gone {
        let published = lookup(pending, &job.published.root, &above)?;
        let Some(record) = published.as_ref().map(Record::from) else { return Ok(false) };
        let row = IndexRow { record: record.clone(), seen: Seen::UNKNOWN, local: true };
        rows::write(pending, &above, None, Some(&row));
        changes.push(Change { path: above, record: Some(record) });
    }
    Ok(true)
}

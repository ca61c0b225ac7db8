//! Disown: a damaged file of an origin that nobody can serve stays as it lies, but it is not
//! published as it lies: the current tree goes on saying what was published.

use mirrormesh_merkle::{Change, Record, Tree, lookup, update};

use super::disk::{Disk, Table};
use super::index::IndexRow;
use super::job::{Disown, JobError};
use super::pending::Pending;
use super::tree_value::encode_tree;
use super::{rows, state};

/// Executes the job.
pub(crate) fn disown<D: Disk>(job: &Disown, disk: &D) -> Result<Tree, JobError> {
    let mut pending = Pending::new(disk);
    let mut paths = job.paths.clone();
    paths.sort();
    paths.dedup();
    let mut changes = Vec::new();
    for path in paths {
        let Some(old) = rows::read(&pending, &path)?.filter(|row| row.local) else { continue };
        let published = lookup(&pending, &job.published.root, &path)?;
        let Some(record) = published.as_ref().map(Record::from) else { continue };
        if !matches!((&record, &old.record), (Record::File(_), Record::File(_))) {
            continue;
        }
        let new = IndexRow { record: record.clone(), ..old.clone() };
        rows::write(&mut pending, &path, Some(&old), Some(&new));
        changes.push(Change { path, record: Some(record) });
    }
    let tree = update(&mut pending, &job.current, &changes)?;
    pending.put(Table::State, state::CURRENT, encode_tree(&tree));
    pending.commit(false)?;
    Ok(tree)
}

//! Disown: a damaged file of an origin that nobody can serve stays as it lies, and a name that a
//! power cut took away stays gone, but neither is published so: the current tree goes on saying what
//! was published.

use mirrormesh_merkle::{Change, Entry, Path, Record, Tree, lookup, update};

use super::disk::{Disk, Table};
use super::index::{IndexRow, Seen};
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
        let published = lookup(&pending, &job.published.root, &path)?;
        let Some(record @ Record::File(_)) = published.as_ref().map(Record::from) else { continue };
        let old = rows::read(&pending, &path)?;
        let seen = match &old {
            Some(row) if row.local && matches!(row.record, Record::File(_)) => row.seen,
            None if has_parent(&pending, &job.current, &path)? => Seen::UNKNOWN,
            _ => continue,
        };
        let new = IndexRow { record: record.clone(), seen, local: true };
        rows::write(&mut pending, &path, old.as_ref(), Some(&new));
        changes.push(Change { path, record: Some(record) });
    }
    let tree = update(&mut pending, &job.current, &changes)?;
    pending.put(Table::State, state::CURRENT, encode_tree(&tree));
    pending.commit(false)?;
    Ok(tree)
}

/// Whether the directory of a name is in the tree.
fn has_parent<D: Disk>(
    pending: &Pending<'_, D>,
    tree: &Tree,
    path: &Path,
) -> Result<bool, JobError> {
    let above = path.ancestor(path.depth().saturating_sub(1));
    let entry = lookup(pending, &tree.root, &above)?;
    Ok(above.is_root() || matches!(entry, Some(Entry::Directory(_))))
}

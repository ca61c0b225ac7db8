//! Collect: removes tree nodes that none of the given roots needs.
//!
//! Mark: goes through the trees and notes the hashes of what is live, of a range of hashes at a
//! time, so that memory is bounded whatever the trees' size: when the notes are full, the range is
//! halved, and the rest is left to another pass. Sweep: what lies in the range and is not live
//! becomes *dead*; only when nothing is left to be marked are the dead removed. A dead node is held
//! by nobody's book: a crash in the middle leaves no node whose children are gone and that still
//! passes for whole. Live nodes are not written, only read.
//!
//! Must not run while a walk is under way that relies on nodes of no root. Never removes anything
//! if a tree is not whole.

use std::collections::BTreeSet;

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Wanted, empty_node};

use super::Table;
use super::disk::{Batch, Disk};
use super::generation::{GENERATION_DEAD, is_dead};
use super::job::{Collect, Collected, JobError};
use super::node_references::{below, root};
use super::pending::{node_bytes, node_value};
use super::rows::after_key;

/// Hashes noted at a time: about 20 MB.
const NOTED: usize = 262_144;
/// Rows changed by one commit.
const BATCH_ROWS: usize = 4_096;
/// Bytes changed by one commit.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Executes the job.
pub(crate) fn collect<D: Disk>(job: &Collect, disk: &D) -> Result<Collected, JobError> {
    collect_within(job, disk, NOTED)
}

/// Executes the job within other bounds: notes at most `noted` hashes at a time.
pub fn collect_within<D: Disk>(
    job: &Collect,
    disk: &D,
    noted: usize,
) -> Result<Collected, JobError> {
    let mut collected = Collected { live: 0, removed: 0 };
    let mut from = Some(Hash::ZERO);
    while let Some(start) = from {
        let live = mark(job, disk, start, noted.max(2))?;
        collected.live += live.hashes.len() as u64;
        kill(disk, &live)?;
        from = live.end;
    }
    collected.removed = bury(disk)?;
    Ok(collected)
}

/// What is live among the hashes from `start` to `end` (excluded; `None`: the last).
struct Live {
    hashes: BTreeSet<Hash>,
    start: Hash,
    end: Option<Hash>,
}

impl Live {
    /// Whether the hash lies in the range and was not noted yet.
    fn is_new(&self, hash: &Hash) -> bool {
        let inside = *hash >= self.start && self.end.is_none_or(|end| *hash < end);
        inside && !self.hashes.contains(hash)
    }

    fn is_behind(&self, hash: &Hash) -> bool {
        self.hashes.contains(hash)
    }

    fn note(&mut self, hash: Hash, limit: usize) {
        if !self.is_new(&hash) {
            return;
        }
        self.hashes.insert(hash);
        while self.hashes.len() > limit {
            // The upper half is left to another pass.
            let middle = self.hashes.iter().nth(limit / 2).copied();
            let Some(middle) = middle else { return };
            self.hashes.split_off(&middle);
            self.end = Some(middle);
        }
    }
}

/// Goes through all trees.
fn mark<D: Disk>(job: &Collect, disk: &D, start: Hash, limit: usize) -> Result<Live, JobError> {
    let mut live = Live { hashes: BTreeSet::new(), start, end: None };
    let empty = empty_node().0;
    for tree in &job.roots {
        let mut stack = vec![root(*tree)];
        while let Some(at) = stack.pop() {
            // What was noted was gone through, unless the range has shrunk since.
            if at.hash == empty || live.is_behind(&at.hash) {
                continue;
            }
            match node(disk, &at)? {
                Some(bytes) => stack.extend(below(&at, &bytes)?),
                None if at.hash == *tree => continue,
                None => {
                    return Err(JobError::Inconsistent(format!("node {} is missing", at.hash)));
                }
            }
            live.note(at.hash, limit);
        }
    }
    Ok(live)
}

fn node<D: Disk>(disk: &D, at: &Wanted) -> Result<Option<Bytes>, JobError> {
    let value = disk.get(Table::Nodes, at.hash.as_bytes())?;
    Ok(value.filter(|value| !is_dead(value)).map(|value| node_bytes(&value)))
}

/// Marks as dead what lies in the range and is not live.
fn kill<D: Disk>(disk: &D, live: &Live) -> Result<(), JobError> {
    let end = live.end.map(|end| Bytes::copy_from_slice(end.as_bytes()));
    let start = Bytes::copy_from_slice(live.start.as_bytes());
    let is_to_die = |key: &[u8], value: &[u8]| {
        let hash = <[u8; 32]>::try_from(key).map(Hash::from_bytes);
        !is_dead(value) && hash.is_ok_and(|hash| !live.hashes.contains(&hash))
    };
    for_each_batch(disk, start, end.as_deref(), is_to_die, |batch, key, value| {
        let value = Bytes::copy_from_slice(value);
        batch.put(Table::Nodes, key, node_value(GENERATION_DEAD, &node_bytes(&value)));
    })?;
    Ok(())
}

/// Removes the dead.
fn bury<D: Disk>(disk: &D) -> Result<u64, JobError> {
    let remove = |batch: &mut Batch, key: Bytes, _: &[u8]| batch.remove(Table::Nodes, key);
    for_each_batch(disk, Bytes::new(), None, |_, value| is_dead(value), remove)
}

/// Changes those rows of a range that are `chosen`, batch by batch. Returns how many.
fn for_each_batch<D: Disk>(
    disk: &D,
    mut start: Bytes,
    end: Option<&[u8]>,
    chosen: impl Fn(&[u8], &[u8]) -> bool,
    change: impl Fn(&mut Batch, Bytes, &[u8]),
) -> Result<u64, JobError> {
    let mut changed = 0;
    loop {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut is_whole = true;
        let mut last = Bytes::new();
        disk.range(Table::Nodes, &start, end, &mut |key, value| {
            if chosen(key, value) {
                last = Bytes::copy_from_slice(key);
                change(&mut batch, last.clone(), value);
                bytes += value.len();
                is_whole = batch.writes.len() < BATCH_ROWS && bytes < BATCH_BYTES;
            }
            is_whole
        })?;
        changed += batch.writes.len() as u64;
        if !batch.writes.is_empty() {
            disk.commit(batch, false)?;
        }
        if is_whole {
            return Ok(changed);
        }
        start = after_key(&last);
    }
}

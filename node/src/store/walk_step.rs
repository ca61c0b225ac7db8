//! WalkStep: one step of proving a target tree node by node.
//!
//! Nodes that come are kept apart, in [`Table::Incoming`], until everything below the target is
//! there; then they move to [`Table::Nodes`], children first, so that whatever happens everything
//! below a node in that table is in it too. A walk that is begun anew finds what came before.
//!
//! State between the steps: the walk itself, and in [`Table::State`] what was asked for last. What
//! a peer left out of its answer is asked for again.

use bytes::{Bytes, BytesMut};
use mirrormesh_merkle::{
    Hash, NodeSource, NodeStore, Position, Walk, WalkError, WalkStore, Wanted, empty_node, tree_of,
};

use super::disk::{Batch, Disk, DiskError, DiskResult, Table};
use super::generation::is_dead;
use super::job::{JobError, WalkStep, WalkStepped};
use super::node_references::{below, root};
use super::pending::{GENERATION_NEW, Pending, StoredNodes, node_bytes, node_value};
use super::request::MAX_NODES;

/// Hashes of the nodes that were asked for last, one after the other.
const ASKED: &[u8] = b"walk-asked";
/// Nodes moved by one commit.
const BATCH_NODES: usize = 1_024;
/// Bytes moved by one commit.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Executes the job.
pub(crate) fn walk_step<D: Disk>(job: WalkStep, disk: &D) -> Result<WalkStepped, JobError> {
    let WalkStep { mut walk, reply } = job;
    let mut nodes = Held { pending: Pending::new(disk) };
    let accepted = walk.accept(&mut nodes, &reply);
    if let Err(error) = accepted {
        // What was taken before the bad node is proved: the next walk begins with it.
        let failed = walk_error(error);
        nodes.pending.commit(false)?;
        return Err(failed);
    }
    walk.requeue(&asked(&nodes.pending)?);
    let mut wanted = walk.next_request(&nodes, MAX_NODES).map_err(walk_error)?;
    let is_finished = walk.is_finished();
    remember(&mut nodes.pending, &wanted);
    nodes.pending.commit(false)?;
    if is_finished {
        if promote(disk, walk.target())? {
            clear(disk)?;
            return Ok(WalkStepped::Finished(tree_of(&StoredNodes(disk), &walk.target())?));
        }
        // Something that was held when the walk came by is not any more: again, over what there is.
        *walk = Walk::new(walk.target());
        let mut nodes = Held { pending: Pending::new(disk) };
        wanted = walk.next_request(&nodes, MAX_NODES).map_err(walk_error)?;
        remember(&mut nodes.pending, &wanted);
        nodes.pending.commit(false)?;
    }
    let nodes = walk.progress().nodes;
    Ok(WalkStepped::Ask { walk, wanted, nodes })
}

fn walk_error(error: WalkError<DiskError>) -> JobError {
    match error {
        WalkError::Source(error) => error.into(),
        other => JobError::Unproved(other.to_string()),
    }
}

fn asked<D: Disk>(pending: &Pending<'_, D>) -> Result<Vec<Wanted>, JobError> {
    let hashes = pending.get(Table::State, ASKED)?.unwrap_or_default();
    let wanted = hashes.chunks_exact(Hash::LENGTH).filter_map(|bytes| {
        let hash = Hash::from_bytes(bytes.try_into().ok()?);
        // The walk knows the place itself.
        Some(Wanted { hash, position: Position::ROOT })
    });
    Ok(wanted.collect())
}

fn remember<D: Disk>(pending: &mut Pending<'_, D>, wanted: &[Wanted]) {
    let mut hashes = BytesMut::with_capacity(wanted.len() * Hash::LENGTH);
    for wanted in wanted {
        hashes.extend_from_slice(wanted.hash.as_bytes());
    }
    pending.put(Table::State, ASKED, hashes.freeze());
}

/// The nodes that are held, in either table; new ones are kept apart.
struct Held<'disk, D: Disk> {
    pending: Pending<'disk, D>,
}

impl<D: Disk> NodeSource for Held<'_, D> {
    type Error = DiskError;

    fn node(&self, hash: &Hash) -> DiskResult<Option<Bytes>> {
        match self.pending.get(Table::Incoming, hash.as_bytes())? {
            Some(bytes) => Ok(Some(bytes)),
            None => living(&self.pending, hash),
        }
    }
}

impl<D: Disk> NodeStore for Held<'_, D> {
    fn put(&mut self, hash: Hash, bytes: Bytes) -> DiskResult<()> {
        self.pending.put(Table::Incoming, Bytes::copy_from_slice(hash.as_bytes()), bytes);
        Ok(())
    }
}

impl<D: Disk> WalkStore for Held<'_, D> {
    fn is_complete(&self, hash: &Hash) -> DiskResult<bool> {
        Ok(living(&self.pending, hash)?.is_some())
    }
}

/// A node in [`Table::Nodes`] that no collection has given up.
fn living<D: Disk>(pending: &Pending<'_, D>, hash: &Hash) -> DiskResult<Option<Bytes>> {
    let value = pending.get(Table::Nodes, hash.as_bytes())?;
    Ok(value.filter(|value| !is_dead(value)).map(|value| node_bytes(&value)))
}

/// A node whose children are being moved.
struct Frame {
    hash: Hash,
    bytes: Bytes,
    below: Vec<Wanted>,
}

/// Moves the tree's nodes to [`Table::Nodes`], children first. False if one is missing: then what
/// was moved stays, and is whole.
fn promote<D: Disk>(disk: &D, target: Hash) -> Result<bool, JobError> {
    let mut pending = Pending::new(disk);
    let mut bytes = 0;
    let mut stack: Vec<Frame> = Vec::new();
    let mut next = Some(root(target));
    loop {
        if let Some(at) = next.take() {
            if at.hash == empty_node().0 || living(&pending, &at.hash)?.is_some() {
                // It and everything below it is there.
            } else if let Some(found) = pending.get(Table::Incoming, at.hash.as_bytes())? {
                let below = below(&at, &found)?;
                stack.push(Frame { hash: at.hash, bytes: found, below });
            } else {
                pending.commit(false)?;
                return Ok(false);
            }
        }
        let Some(frame) = stack.last_mut() else { break };
        next = frame.below.pop();
        if next.is_some() {
            continue;
        }
        let Some(Frame { hash, bytes: found, .. }) = stack.pop() else { break };
        let key = Bytes::copy_from_slice(hash.as_bytes());
        pending.put(Table::Nodes, key, node_value(GENERATION_NEW, &found));
        bytes += found.len();
        if pending.len() >= BATCH_NODES || bytes >= BATCH_BYTES {
            pending.commit(false)?;
            (pending, bytes) = (Pending::new(disk), 0);
        }
    }
    pending.commit(false)?;
    Ok(true)
}

/// Empties [`Table::Incoming`].
fn clear<D: Disk>(disk: &D) -> Result<(), JobError> {
    loop {
        let mut batch = Batch::default();
        disk.range(Table::Incoming, &[], None, &mut |key, _| {
            batch.remove(Table::Incoming, Bytes::copy_from_slice(key));
            batch.writes.len() < BATCH_NODES
        })?;
        if batch.writes.is_empty() {
            return Ok(());
        }
        disk.commit(batch, false)?;
    }
}

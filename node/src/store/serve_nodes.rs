//! ServeNodes: reads tree nodes for a peer, as a list.

use bytes::Bytes;

use super::disk::Disk;
use super::job::{JobError, ServeNodes};
use super::pending::StoredNodes;
use super::reply::encode_list;

/// Executes the job.
pub(crate) fn serve_nodes<D: Disk>(job: &ServeNodes, disk: &D) -> Result<Bytes, JobError> {
    let nodes = StoredNodes(disk);
    let served = mirrormesh_merkle::serve_nodes(&nodes, &job.wanted, job.levels, job.budget)?;
    Ok(encode_list(&served))
}

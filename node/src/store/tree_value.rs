//! A tree as a value of the ordered store: root (32 bytes), files, bytes (both big-endian).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mirrormesh_merkle::{Hash, Tree};

use super::disk::Disk;
use super::job::JobError;
use super::pending::Pending;
use super::{Table, state};

const LENGTH: usize = Hash::LENGTH + 16;

/// The tree as bytes.
pub fn encode_tree(tree: &Tree) -> Bytes {
    let mut out = BytesMut::with_capacity(LENGTH);
    out.put_slice(tree.root.as_bytes());
    out.put_u64(tree.files);
    out.put_u64(tree.bytes);
    out.freeze()
}

/// Reads a tree; `None` if the bytes are none.
pub fn decode_tree(bytes: &[u8]) -> Option<Tree> {
    let (root, mut rest) = bytes.split_first_chunk::<32>()?;
    if bytes.len() != LENGTH {
        return None;
    }
    Some(Tree { root: Hash::from_bytes(*root), files: rest.get_u64(), bytes: rest.get_u64() })
}

/// Refuses to go on from a current tree that is not the one the index belongs to: changes laid
/// over the wrong tree would never be found again.
pub(crate) fn check_current<D: Disk>(
    pending: &Pending<'_, D>,
    current: &Tree,
) -> Result<(), JobError> {
    let stored = pending.get(Table::State, state::CURRENT)?;
    let stored = match stored {
        Some(bytes) => decode_tree(&bytes),
        None => Some(Tree::empty()),
    };
    if stored.is_some_and(|stored| stored.root == current.root) {
        return Ok(());
    }
    Err(JobError::Inconsistent(format!("the index does not belong to the tree {}", current.root)))
}

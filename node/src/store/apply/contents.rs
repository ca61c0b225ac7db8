//! Contents that came with the job: the reply to the parcel's request, and what was pushed.

use std::collections::BTreeMap;

use bytes::Bytes;
use mirrormesh_merkle::{File, Hash};

use super::super::job::Apply;
use super::super::request;

/// Contents by hash, in pieces. They are checked when they are staged.
pub(super) struct Contents(BTreeMap<Hash, Vec<Bytes>>);

impl Contents {
    pub(super) fn of(job: &Apply) -> Contents {
        let mut contents = BTreeMap::new();
        for inline in &job.inline {
            contents.insert(inline.content, vec![inline.bytes.clone()]);
        }
        contents.extend(request::contents(&job.parcel.wants, &job.contents));
        Contents(contents)
    }

    /// The content of a file, if it came and is as long as it should be.
    pub(super) fn get(&self, file: &File) -> Option<Vec<Bytes>> {
        let pieces = self.0.get(&file.content)?;
        let length: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        (length == file.size).then(|| pieces.clone())
    }
}

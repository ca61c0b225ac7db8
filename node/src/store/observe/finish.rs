//! The end of an Observe: the new tree, the delta, and the commit.

use std::collections::BTreeSet;

use mirrormesh_merkle::{Change, Delta, DeltaChange, Hash, Record, Tree, update};

use super::observation::{LISTED, Observation};
use crate::store::disk::{Disk, Table};
use crate::store::job::{DocrootState, INLINE_TOTAL_BYTES, Inline, JobError, Observe, Observed};
use crate::store::state;
use crate::store::tree_value::encode_tree;

/// The answer when the docroot was not observed: all looks are left.
pub(super) fn nothing(docroot: DocrootState, job: Observe) -> Observed {
    Observed {
        docroot,
        tree: job.current,
        delta: None,
        changes: 0,
        excluded: 0,
        inline: Vec::new(),
        unlisted: Vec::new(),
        unlisted_more: 0,
        finished: Vec::new(),
        linked: false,
        vanished: Vec::new(),
        damaged: Vec::new(),
        edited: BTreeSet::new(),
        large: Vec::new(),
        more: job.looks,
        names: 0,
        unwatched: 0,
        watched: 0,
    }
}

impl<D: Disk> Observation<'_, D> {
    /// Changes tree, index and contents together and says what was found.
    pub(super) fn finish(mut self) -> Result<Observed, JobError> {
        let tree = self.update_tree()?;
        let delta = self.delta(&tree);
        let inline = self.inline_contents();
        let changes = self.changes.len() as u64;
        for path in &self.found.damaged {
            self.found.edited.remove(path);
        }
        // Whoever goes on after a crash must know that the tree may say what was damaged.
        if !self.found.damaged.is_empty() {
            let known = self.pending.get(Table::State, state::DAMAGE)?.unwrap_or_default();
            self.pending.put(Table::State, state::DAMAGE, known);
        }
        if !self.pending.is_empty() {
            self.pending.commit(false)?;
        }
        let mut more = self.found.more;
        more.sort();
        Ok(Observed {
            docroot: DocrootState::Same(self.docroot),
            tree,
            delta,
            changes,
            excluded: self.found.excluded,
            inline,
            unlisted: self.found.unlisted.into_iter().collect(),
            unlisted_more: self.found.unlisted_more,
            finished: self.found.finished,
            linked: self.found.linked,
            vanished: self.found.vanished,
            damaged: self.found.damaged,
            edited: self.found.edited,
            large: self.found.large.into_iter().collect(),
            more,
            names: self.names,
            unwatched: self.found.unwatched,
            watched: self.found.watched,
        })
    }

    fn update_tree(&mut self) -> Result<Tree, JobError> {
        if self.changes.is_empty() {
            return Ok(self.current);
        }
        let changes: Vec<Change> = self
            .changes
            .iter()
            .map(|(path, changed)| Change { path: path.clone(), record: changed.new.clone() })
            .collect();
        let tree = update(&mut self.pending, &self.current, &changes)?;
        self.pending.put(Table::State, state::CURRENT, encode_tree(&tree));
        Ok(tree)
    }

    /// The delta, unless nothing changed or it does not fit one.
    fn delta(&self, tree: &Tree) -> Option<bytes::Bytes> {
        if self.changes.is_empty() {
            return None;
        }
        let changes = self.changes.iter().map(|(path, changed)| DeltaChange {
            path: path.clone(),
            old: changed.old.clone(),
            new: changed.new.clone(),
        });
        let (base, target) = (self.current.root, tree.root);
        let delta = Delta { base, target, moves: Vec::new(), changes: changes.collect() };
        delta.encode().ok()
    }

    /// Contents of small files that became part of the tree, as many as fit a push: the smallest.
    fn inline_contents(&mut self) -> Vec<Inline> {
        let mut left = INLINE_TOTAL_BYTES;
        let mut taken: BTreeSet<Hash> = BTreeSet::new();
        let mut inline = Vec::new();
        let mut contents: Vec<_> = std::mem::take(&mut self.found.contents).into_iter().collect();
        contents.sort_by_key(|(_, (_, bytes))| bytes.len());
        for (path, (content, bytes)) in contents {
            let Some(changed) = self.changes.get(&path) else { continue };
            let is_new = file_content(changed.new.as_ref()) == Some(content)
                && file_content(changed.old.as_ref()) != Some(content);
            let length = bytes.len() as u64;
            if !is_new || length > left || inline.len() >= LISTED || !taken.insert(content) {
                continue;
            }
            left -= length;
            inline.push(Inline { content, bytes });
        }
        inline
    }
}

fn file_content(record: Option<&Record>) -> Option<Hash> {
    match record {
        Some(Record::File(file)) => Some(file.content),
        _ => None,
    }
}

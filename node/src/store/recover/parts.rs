//! Parts of large files: cut to what is certainly on the medium, and removed if nobody wants them.

use std::collections::BTreeMap;

use mirrormesh_merkle::{Differences, Hash, Name, Record, Tree};

use super::super::disk::{Disk, DiskErrorKind, FileKind, Table};
use super::super::job::JobError;
use super::super::remove_tree::remove_any;
use super::super::stage;
use super::Recovery;

impl<D: Disk> Recovery<'_, D> {
    pub(super) fn settle_parts(&mut self, current: &Tree) -> Result<(), JobError> {
        let mut parts: BTreeMap<Name, Option<Hash>> = BTreeMap::new();
        for name in self.names(&self.large)? {
            let hash = std::str::from_utf8(name.as_bytes()).ok().and_then(|text| text.parse().ok());
            parts.insert(name, hash);
        }
        self.forget_lengths(&parts)?;
        let wanted = self.wanted(current, &parts)?;
        for (name, hash) in parts {
            let is_wanted = hash.is_some_and(|hash| wanted.contains(&hash));
            let outcome = match (hash, is_wanted) {
                (Some(hash), true) => self.cut(&name, &hash),
                _ => self.remove_part(&name, hash),
            };
            match outcome {
                Err(JobError::Disk { kind, path, detail }) if kind == DiskErrorKind::Crashed => {
                    return Err(JobError::Disk { kind, path, detail });
                }
                Err(error) => self.note(format!("part {name} of a large file: {error}")),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Of the parts that are there, those that lead from the current tree to the target.
    fn wanted(
        &self,
        current: &Tree,
        parts: &BTreeMap<Name, Option<Hash>>,
    ) -> Result<Vec<Hash>, JobError> {
        let mut left: Vec<Hash> = parts.values().copied().flatten().collect();
        let mut wanted = Vec::new();
        let Some(target) = &self.target else { return Ok(wanted) };
        if left.is_empty() {
            return Ok(wanted);
        }
        for difference in Differences::new(&self.pending, &current.root, &target.root, None) {
            let Some(Record::File(file)) = difference?.new else { continue };
            if let Some(at) = left.iter().position(|hash| *hash == file.content) {
                wanted.push(left.swap_remove(at));
                if left.is_empty() {
                    break;
                }
            }
        }
        Ok(wanted)
    }

    /// Cuts a part to the length that was made durable.
    fn cut(&mut self, name: &Name, hash: &Hash) -> Result<(), JobError> {
        let stat = self.disk.stat(&self.large, name)?;
        let synced = super::aside::number(&self.pending, &stage::synced_key(hash))?;
        if stat.kind != FileKind::File || synced == 0 {
            return self.remove_part(name, Some(*hash));
        }
        if stat.size > synced {
            let file = self.disk.reopen(&self.large, name)?;
            self.disk.set_length(&file, synced)?;
        }
        Ok(())
    }

    fn remove_part(&mut self, name: &Name, hash: Option<Hash>) -> Result<(), JobError> {
        if let Some(hash) = hash {
            self.pending.remove(Table::State, stage::synced_key(&hash));
        }
        remove_any(self.disk, &self.large, name)?;
        Ok(())
    }

    /// Forgets how much was durable of parts that are not there any more.
    fn forget_lengths(&mut self, parts: &BTreeMap<Name, Option<Hash>>) -> Result<(), JobError> {
        let mut end = stage::SYNCED_PREFIX.to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let rows =
            self.pending.range(Table::State, stage::SYNCED_PREFIX, Some(&end), usize::MAX)?;
        for (key, _) in rows {
            let name = key.strip_prefix(stage::SYNCED_PREFIX).and_then(|name| Name::new(name).ok());
            if name.is_none_or(|name| !parts.contains_key(&name)) {
                self.pending.remove(Table::State, key);
            }
        }
        Ok(())
    }
}

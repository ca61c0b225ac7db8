//! Looking into directories and files, and setting what is not their content.

use mirrormesh::core::HintKind;
use mirrormesh::store::{DiskErrorKind, FileKind, Metadata, Writing};
use mirrormesh_merkle::Name;

use super::draw::mix_bytes;
use super::options::Listing;
use super::state::{Outcome, State};
use super::tree::Key;

impl State {
    pub(super) fn regular(&self, at: Key, name: &Name) -> Outcome<Key> {
        let key = self.lookup(at, name)?;
        self.inode(key)?.sectors().ok_or(DiskErrorKind::NotRegular)?;
        self.check_allowed(key)?;
        Ok(key)
    }

    pub(super) fn set_metadata(
        &mut self,
        key: Key,
        metadata: Metadata,
        with_time: bool,
    ) -> Outcome<()> {
        self.check_writable(key)?;
        let is_file = self.inode(key)?.sectors().is_some();
        if let Some((user, group)) = metadata.owner {
            let old = self.inode(key)?.attributes;
            if !self.options.may_change_owner && (user, group) != (old.user, old.group) {
                return Err(DiskErrorKind::Permission);
            }
            self.set_attributes(key, |attributes| {
                (attributes.user, attributes.group) = (user, group);
                if is_file {
                    // As chown does, lest a set-id program changes hands.
                    attributes.mode &= !0o6000;
                }
            })?;
        }
        if let Some(mode) = metadata.mode {
            self.set_attributes(key, |attributes| attributes.mode = mode & 0o7777)?;
        }
        if let Some(mtime) = metadata.mtime.filter(|_| with_time) {
            let mtime = self.in_steps(mtime);
            self.set_attributes(key, |attributes| attributes.mtime = mtime)?;
        }
        self.hint_at(key, HintKind::Complete);
        Ok(())
    }

    pub(super) fn listed(&self, at: Key) -> Outcome<Vec<(Name, FileKind)>> {
        self.check_allowed(at)?;
        let inode = self.inode(at)?;
        let entries = inode.entries().ok_or(DiskErrorKind::NotDirectory)?;
        if inode.links == 0 {
            return Err(DiskErrorKind::NotFound);
        }
        let kind = |key: &Key| self.live.get(*key).map(|inode| inode.kind());
        let mut listed: Vec<(Name, FileKind)> =
            entries.iter().filter_map(|(name, key)| Some((name.clone(), kind(key)?))).collect();
        if self.options.listing == Listing::Shuffled {
            let seed = self.options.seed;
            listed.sort_by_cached_key(|(name, _)| mix_bytes(seed, name.as_bytes()));
        }
        Ok(listed)
    }

    pub(super) fn read(&self, key: Key, offset: u64, buffer: &mut [u8]) -> Outcome<usize> {
        if self.faults.unreadable.contains(&key) {
            return Err(DiskErrorKind::Failed);
        }
        let inode = self.inode(key)?;
        let sectors = inode.sectors().ok_or(DiskErrorKind::NotRegular)?;
        let left = inode.attributes.size.saturating_sub(offset);
        let mut length = left.min(buffer.len() as u64) as usize;
        if self.options.short_reads && length > 1 {
            let drawn = mix_bytes(self.options.seed, &self.process.primitives.to_be_bytes());
            length = 1 + (drawn % length as u64) as usize;
        }
        sectors.read(offset, &mut buffer[..length]);
        Ok(length)
    }

    pub(super) fn who_writes(&self, key: Key) -> Writing {
        let told = match self.faults.writing.is_empty() {
            true => None,
            false => self.path_in_docroot(key).and_then(|path| self.faults.writing.get(&path)),
        };
        match told {
            Some(&answer) => answer,
            None if !self.options.may_ask_who_writes => Writing::Unknown,
            None if self.writers.contains_key(&key) => Writing::Yes,
            None => Writing::No,
        }
    }
}

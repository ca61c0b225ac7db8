//! What is done once at start, before any other job: puts the work directory in order.
//!
//! After a crash names may be left in `displaced`, manifests may lack their things or things their
//! manifests, and parts of large files may hold what never reached the medium. What is left over
//! and is byte for byte what the index or the target says is the program's own, and is removed;
//! everything else is kept, with the path it came from. Never touches the docroot: what is left
//! over there is found by the first scan.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Name, NodeSource, Path, Tree, empty_node};

use super::area::Area;
use super::aside::{self, About, add_manifest, id_key, manifests};
use super::disk::{Disk, DiskErrorKind, Table};
use super::intent::{self, Intent, Role};
use super::job::{JobError, KeptReason};
use super::kept::size_below;
use super::pending::Pending;
use super::{state, tree_value};

mod leftover;
mod parts;

/// What there was at start.
#[derive(Debug)]
pub struct Recovered {
    /// All of the table of state.
    pub state: BTreeMap<Bytes, Bytes>,
    /// The current tree.
    pub current: Tree,
    /// The target tree, if there is one.
    pub target: Option<Tree>,
    /// Number of things set aside.
    pub kept_count: u64,
    /// Bytes of them.
    pub kept_bytes: u64,
    /// Unserved files whose content is not here.
    pub left_out: Vec<Path>,
    /// What an operator should know.
    pub notes: Vec<String>,
}

/// Most notes.
const NOTES: usize = 256;

/// Rows read or removed at a time.
const PAGE: usize = 1_024;

/// Recovers. Everything it did is durable.
pub fn recover<D: Disk>(disk: &D) -> Result<Recovered, JobError> {
    let mut recovery = Recovery {
        disk,
        pending: Pending::new(disk),
        kept: Area::Kept.open(disk)?,
        displaced: Area::Displaced.open(disk)?,
        large: Area::Large.open(disk)?,
        intents: BTreeMap::new(),
        kept_contents: BTreeSet::new(),
        target: None,
        notes: Vec::new(),
    };
    let current = recovery.current()?;
    recovery.target = recovery.target()?;
    recovery.read_intents()?;
    let (kept_count, kept_bytes) = recovery.settle_kept()?;
    let (more_count, more_bytes) = recovery.settle_displaced()?;
    recovery.settle_parts(&current)?;
    disk.sync_directory(&recovery.kept)?;
    disk.sync_directory(&recovery.displaced)?;
    disk.sync_directory(&recovery.large)?;
    for name in recovery.intents.keys() {
        recovery.pending.remove(Table::State, intent::key(name));
    }
    let Recovery { pending, target, notes, .. } = recovery;
    pending.commit(true)?;
    let mut state = BTreeMap::new();
    disk.range(Table::State, &[], None, &mut |key, value| {
        state.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        true
    })?;
    let (kept_count, kept_bytes) = (kept_count + more_count, kept_bytes + more_bytes);
    let left_out = state.range(Bytes::from_static(state::LEFT_OUT)..);
    let left_out = left_out
        .map_while(|(key, _)| key.strip_prefix(state::LEFT_OUT))
        .filter_map(|path| Path::from_bytes(path).ok())
        .collect();
    Ok(Recovered { state, current, target, kept_count, kept_bytes, left_out, notes })
}

struct Recovery<'d, D: Disk> {
    disk: &'d D,
    pending: Pending<'d, D>,
    kept: D::Directory,
    displaced: D::Directory,
    large: D::Directory,
    intents: BTreeMap<Name, Intent>,
    /// Contents of single files that are kept.
    kept_contents: BTreeSet<Hash>,
    target: Option<Tree>,
    notes: Vec<String>,
}

impl<D: Disk> Recovery<'_, D> {
    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES {
            self.notes.push(note);
        }
    }

    fn holds(&self, tree: &Tree) -> Result<bool, JobError> {
        Ok(tree.root == empty_node().0 || self.pending.node(&tree.root)?.is_some())
    }

    /// The current tree. If the store has lost it, the index is worth nothing either: all is
    /// forgotten, and the docroot is looked at as if for the first time.
    fn current(&mut self) -> Result<Tree, JobError> {
        let Some(value) = self.pending.get(Table::State, state::CURRENT)? else {
            return Ok(Tree::empty());
        };
        if let Some(tree) = tree_value::decode_tree(&value)
            && self.holds(&tree)?
        {
            return Ok(tree);
        }
        self.note("the store has lost the current tree: the docroot is scanned anew".into());
        for table in [Table::Index, Table::Contents] {
            loop {
                let rows = self.pending.range(table, &[], None, PAGE)?;
                let is_last = rows.len() < PAGE;
                rows.into_iter().for_each(|(key, _)| self.pending.remove(table, key));
                self.commit_page()?;
                if is_last {
                    break;
                }
            }
        }
        let empty = Tree::empty();
        self.pending.put(Table::State, state::CURRENT, tree_value::encode_tree(&empty));
        Ok(empty)
    }

    fn commit_page(&mut self) -> Result<(), JobError> {
        let page = std::mem::replace(&mut self.pending, Pending::new(self.disk));
        Ok(page.commit(false)?)
    }

    fn target(&mut self) -> Result<Option<Tree>, JobError> {
        let Some(value) = self.pending.get(Table::State, state::TARGET)? else { return Ok(None) };
        if let Some(tree) = tree_value::decode_tree(&value)
            && self.holds(&tree)?
        {
            return Ok(Some(tree));
        }
        self.note("the store has lost the target tree: it is fetched again".into());
        self.pending.remove(Table::State, state::TARGET);
        Ok(None)
    }

    fn read_intents(&mut self) -> Result<(), JobError> {
        let mut end = intent::PREFIX.to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let rows = self.pending.range(Table::State, intent::PREFIX, Some(&end), usize::MAX)?;
        for (key, value) in rows {
            match (intent::name(&key), Intent::decode(&value)) {
                (Some(name), Some(intent)) => {
                    self.intents.insert(name, intent);
                }
                _ => self.pending.remove(Table::State, key),
            }
        }
        Ok(())
    }

    fn names(&self, directory: &D::Directory) -> Result<BTreeSet<Name>, JobError> {
        let mut names = BTreeSet::new();
        self.disk.list(directory, &mut |name, _| {
            names.insert(name);
        })?;
        Ok(names)
    }

    /// Brings manifests and the things in `kept` in line. Returns number and bytes of both.
    fn settle_kept(&mut self) -> Result<(u64, u64), JobError> {
        let mut things = self.names(&self.kept)?;
        let displaced = self.names(&self.displaced)?;
        let (mut count, mut bytes, mut after) = (0, 0_u64, 0);
        loop {
            let page = manifests(&self.pending, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for manifest in page {
                let name = Name::new(&manifest.stored_as).ok();
                let is_there = match &name {
                    Some(name) if things.remove(name) => true,
                    Some(name) if displaced.contains(name) => self.keep_now(name)?,
                    _ => false,
                };
                if is_there {
                    count += 1;
                    bytes = bytes.saturating_add(manifest.bytes);
                    let file = super::plan::as_file(manifest.record.as_ref());
                    self.kept_contents.extend(file.map(|file| file.content));
                } else {
                    self.note(format!("what was kept of {} is gone", manifest.path));
                    self.pending.remove(Table::Kept, id_key(manifest.id));
                }
            }
        }
        let next = aside::number(&self.pending, state::NEXT_KEPT)?.max(after.saturating_add(1));
        self.pending.put(Table::State, state::NEXT_KEPT, id_key(next));
        self.pending.put(Table::State, state::KEPT_BYTES, id_key(bytes));
        for name in things {
            count += 1;
            bytes = bytes.saturating_add(self.add_lost_manifest(&name)?);
        }
        Ok((count, bytes))
    }

    fn keep_now(&mut self, name: &Name) -> Result<bool, JobError> {
        let keep = super::disk::Rename::Keep;
        match self.disk.rename(&self.displaced, name, &self.kept, name, keep) {
            Ok(()) => Ok(true),
            Err(error) if error.kind == DiskErrorKind::Crashed => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    /// Writes the manifest of what lies in `kept` without one.
    fn add_lost_manifest(&mut self, name: &Name) -> Result<u64, JobError> {
        let stat = self.disk.stat(&self.kept, name)?;
        let bytes = match stat.kind {
            super::disk::FileKind::Directory => size_below(self.disk, &self.kept, name)?,
            _ => stat.size,
        };
        let intent = self.intents.get(name).cloned().unwrap_or_else(|| Intent {
            role: Role::Judged,
            path: Path::from(name),
            reason: KeptReason::Crash,
            wall: 0,
        });
        let Intent { path, reason, wall, .. } = intent;
        self.note(format!("kept what lay at {path} before the last crash"));
        let about = About { path, record: None, reason, wall };
        add_manifest(&mut self.pending, name, about, bytes)?;
        Ok(bytes)
    }
}

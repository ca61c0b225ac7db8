//! Changes of names, whoever makes them.

use mirrormesh::core::HintKind;
use mirrormesh::store::{DiskErrorKind, Rename};
use mirrormesh_merkle::Name;

use super::seen::{Actor, VisibleChange};
use super::state::{Outcome, State};
use super::tree::{Binding, Body, Change, Inode, Key, Naming};

impl State {
    /// What a name shows.
    pub(super) fn lookup(&self, directory: Key, name: &Name) -> Outcome<Key> {
        self.inode(directory)?;
        self.check_allowed(directory)?;
        self.live.lookup(directory, name).ok_or(DiskErrorKind::NotFound)
    }

    /// What a name is bound to, if names in this directory may be changed by whoever acts.
    fn bound_for_change(&self, directory: Key, name: &Name) -> Outcome<Option<Key>> {
        let inode = self.inode(directory)?;
        if inode.entries().is_none() {
            return Err(DiskErrorKind::NotDirectory);
        }
        if inode.links == 0 {
            return Err(DiskErrorKind::NotFound);
        }
        self.check_writable(directory)?;
        self.check_allowed(directory)?;
        Ok(self.live.bound(directory, name))
    }

    /// A busy mount point, which no name may leave.
    fn check_not_mounted_on(&self, key: Key) -> Outcome<()> {
        match self.live.covers.contains_key(&key) {
            true => Err(DiskErrorKind::OtherFilesystem),
            false => Ok(()),
        }
    }

    pub(super) fn check_writable(&self, key: Key) -> Outcome<()> {
        let mount = self.inode(key)?.mount;
        match self.mounts.get(&mount) {
            Some(mount) if mount.is_read_only => Err(DiskErrorKind::ReadOnly),
            _ => Ok(()),
        }
    }

    /// Whether the process may use this inode by its path. Users may always.
    pub(super) fn check_allowed(&self, key: Key) -> Outcome<()> {
        if self.actor == Actor::User || self.faults.denied.is_empty() {
            return Ok(());
        }
        match self.path_in_docroot(key) {
            Some(path) if self.faults.denied.contains(&path) => Err(DiskErrorKind::Permission),
            _ => Ok(()),
        }
    }

    /// Makes an inode with a name that is free.
    pub(super) fn make_at(&mut self, at: Key, name: &Name, body: Body, mode: u16) -> Outcome<Key> {
        if self.bound_for_change(at, name)?.is_some() {
            return Err(DiskErrorKind::Exists);
        }
        let is_directory = matches!(body, Body::Directory(_));
        let key = self.make(at, body, mode)?;
        self.change_names(Naming {
            bindings: vec![Binding::new(at, name, Some(key))],
            born: is_directory.then_some(key),
            ..Naming::default()
        });
        Ok(key)
    }

    /// Gives an inode that is no directory one more name.
    pub(super) fn link_at(&mut self, key: Key, at: Key, name: &Name) -> Outcome<()> {
        if self.bound_for_change(at, name)?.is_some() {
            return Err(DiskErrorKind::Exists);
        }
        if self.inode(key)?.mount != self.inode(at)?.mount {
            return Err(DiskErrorKind::OtherFilesystem);
        }
        self.change_names(Naming {
            bindings: vec![Binding::new(at, name, Some(key))],
            ..Naming::default()
        });
        Ok(())
    }

    pub(super) fn remove_at(&mut self, at: Key, name: &Name) -> Outcome<()> {
        let key = self.bound_for_change(at, name)?.ok_or(DiskErrorKind::NotFound)?;
        if self.inode(key)?.is_directory() {
            return Err(DiskErrorKind::NotRegular);
        }
        self.unbind(at, name, key, false);
        Ok(())
    }

    pub(super) fn remove_directory_at(&mut self, at: Key, name: &Name) -> Outcome<()> {
        let key = self.bound_for_change(at, name)?.ok_or(DiskErrorKind::NotFound)?;
        self.check_not_mounted_on(key)?;
        match self.inode(key)?.entries() {
            None => Err(DiskErrorKind::NotDirectory),
            Some(entries) if !entries.is_empty() => Err(DiskErrorKind::NotEmpty),
            Some(_) => {
                self.unbind(at, name, key, true);
                Ok(())
            }
        }
    }

    fn unbind(&mut self, at: Key, name: &Name, key: Key, is_directory: bool) {
        self.change_names(Naming {
            bindings: vec![Binding::new(at, name, None)],
            removed: is_directory.then_some(key),
            ..Naming::default()
        });
        self.release(key);
    }

    pub(super) fn rename_at(
        &mut self,
        (from, old): (Key, &Name),
        (to, new): (Key, &Name),
        how: Rename,
    ) -> Outcome<()> {
        if how == Rename::Exchange && !self.options.exchange {
            return Err(DiskErrorKind::Unsupported);
        }
        let source = self.bound_for_change(from, old)?.ok_or(DiskErrorKind::NotFound)?;
        let target = self.bound_for_change(to, new)?;
        if self.inode(from)?.mount != self.inode(to)?.mount {
            return Err(DiskErrorKind::OtherFilesystem);
        }
        if how == Rename::Keep && target.is_some() {
            return Err(DiskErrorKind::Exists);
        }
        self.check_not_mounted_on(source)?;
        let moved = self.inode(source)?.is_directory();
        if moved && self.live.is_within(to, source) {
            return Err(DiskErrorKind::Invalid);
        }
        let mut naming = Naming {
            bindings: vec![Binding::new(from, old, None), Binding::new(to, new, Some(source))],
            is_move: true,
            moves_directory: moved && from != to,
            ..Naming::default()
        };
        let Some(target) = target else {
            if how == Rename::Exchange {
                return Err(DiskErrorKind::NotFound);
            }
            self.change_names(naming);
            return Ok(());
        };
        if target == source {
            // Two names of one inode: nothing happens, and both stay.
            return Ok(());
        }
        self.check_not_mounted_on(target)?;
        let displaced = self.inode(target)?;
        let displaced_directory = displaced.is_directory();
        if how == Rename::Exchange {
            if displaced_directory && self.live.is_within(from, target) {
                return Err(DiskErrorKind::Invalid);
            }
            naming.bindings[0].inode = Some(target);
            naming.moves_directory = (moved || displaced_directory) && from != to;
        } else {
            match (moved, displaced.entries()) {
                (false, Some(_)) => return Err(DiskErrorKind::NotRegular),
                (true, None) => return Err(DiskErrorKind::NotDirectory),
                (_, Some(entries)) if !entries.is_empty() => return Err(DiskErrorKind::NotEmpty),
                _ => {}
            }
            naming.removed = displaced_directory.then_some(target);
        }
        self.change_names(naming);
        self.release(target);
        Ok(())
    }

    /// Changes names, hints at it and remembers it for whoever observes.
    pub(super) fn change_names(&mut self, mut naming: Naming) {
        naming.time = self.stamp();
        for binding in &mut naming.bindings {
            binding.was = self.live.bound(binding.directory, &binding.name);
        }
        let places: Vec<Binding> = naming.bindings.clone();
        let is_move = naming.is_move;
        let before: Vec<Option<VisibleChange>> = match self.is_observed {
            true => places.iter().map(|place| self.before(place)).collect(),
            false => Vec::new(),
        };
        self.record(Change::Names(naming));
        let mut group = Vec::new();
        for change in before.into_iter().zip(&places) {
            if let (Some(mut change), place) = change {
                let key = place.inode.map(|key| self.live.mounted(key));
                change.after = key.and_then(|key| self.live.get(key)).map(Inode::seen);
                group.push(change);
            }
        }
        if !group.is_empty() {
            self.visible.push(group);
        }
        for place in &places {
            let kind = match place.inode.and_then(|key| self.live.get(key)) {
                Some(inode) if inode.is_directory() => HintKind::Lost,
                Some(inode) if inode.sectors().is_some() && !is_move => HintKind::Changing,
                None if !is_move => HintKind::Removed,
                _ => HintKind::Complete,
            };
            self.hint(place.directory, &place.name, kind);
        }
    }

    /// A change of a name in the docroot that is about to be made; `None` elsewhere.
    fn before(&self, place: &Binding) -> Option<VisibleChange> {
        let mut path = self.path_in_docroot(place.directory)?;
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(place.name.as_bytes());
        let before = self.live.lookup(place.directory, &place.name);
        Some(VisibleChange {
            path,
            before: before.and_then(|key| self.live.get(key)).map(Inode::seen),
            after: None,
            actor: self.actor,
            operation: self.operation,
        })
    }

    /// Runs a change of an inode's data or attributes, and remembers it if it shows.
    pub(super) fn in_place<T>(
        &mut self,
        key: Key,
        change: impl FnOnce(&mut State) -> Outcome<T>,
    ) -> Outcome<T> {
        // What is held to be compared has to be copied on writing: only if somebody looks.
        let path = if self.is_observed { self.path_in_docroot(key) } else { None };
        let Some(path) = path else { return change(self) };
        let before = self.live.get(key).map(Inode::seen);
        let outcome = change(self);
        let after = self.live.get(key).map(Inode::seen);
        if before != after {
            let (actor, operation) = (self.actor, self.operation);
            self.visible.push(vec![VisibleChange { path, before, after, actor, operation }]);
        }
        outcome
    }
}

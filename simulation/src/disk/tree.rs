//! A tree of inodes at one moment, and the changes that lead from one to the next.
//!
//! The same changes are applied to what programs see and, later and perhaps in part, to what is
//! durable. Inodes are known by a key that is never used twice; the number that programs see is a
//! property, and may be.
//!
//! Invariants: `links` is the number of names in this tree; `home` is one of these names, if the
//! inode has any that is known. Roots (the top and what is mounted) have one link and no home.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use mirrormesh::store::FileKind;
use mirrormesh_merkle::{Name, Time};

use super::content::Sectors;

/// Identity of an inode inside the simulator.
pub(super) type Key = u64;
/// Number of a change; later ones are higher.
pub(super) type ChangeId = u64;

/// The directory that holds the docroot and, beside it, the work directory.
pub(super) const TOP: Key = 0;

/// What is written as one with an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) mode: u16,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) size: u64,
    pub(super) mtime: Time,
    pub(super) ctime: Time,
    /// The change that set `ctime`.
    pub(super) changed_by: ChangeId,
    /// The change that set `mtime`, of directories only.
    pub(super) modified_by: ChangeId,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    File(Rc<Sectors>),
    Directory(BTreeMap<Name, Key>),
    Symlink(Bytes),
    Other(FileKind),
}

#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) number: u64,
    pub(super) mount: u64,
    pub(super) attributes: Attributes,
    pub(super) body: Body,
    pub(super) links: u32,
    pub(super) home: Option<(Key, Name)>,
    /// How many of its sectors are shared with other files, so cost no room.
    pub(super) shared: u64,
}

impl Inode {
    pub(super) fn kind(&self) -> FileKind {
        match self.body {
            Body::File(_) => FileKind::File,
            Body::Directory(_) => FileKind::Directory,
            Body::Symlink(_) => FileKind::Symlink,
            Body::Other(kind) => kind,
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    pub(super) fn entries(&self) -> Option<&BTreeMap<Name, Key>> {
        match &self.body {
            Body::Directory(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn sectors(&self) -> Option<&Rc<Sectors>> {
        match &self.body {
            Body::File(sectors) => Some(sectors),
            _ => None,
        }
    }
}

/// A name is bound to an inode, or to nothing.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) directory: Key,
    pub(super) name: Name,
    pub(super) inode: Option<Key>,
    /// What it was bound to before.
    pub(super) was: Option<Key>,
}

impl Binding {
    /// A binding to come; what it replaces is filled in when it is made.
    pub(super) fn new(directory: Key, name: &Name, inode: Option<Key>) -> Binding {
        Binding { directory, name: name.clone(), inode, was: None }
    }
}

/// Bindings that change together or not at all.
#[derive(Debug, Clone, Default)]
pub(super) struct Naming {
    pub(super) bindings: Vec<Binding>,
    pub(super) time: Time,
    /// The inode had a name before: a rename.
    pub(super) is_move: bool,
    /// A directory goes to another directory.
    pub(super) moves_directory: bool,
    /// A directory gets its first name.
    pub(super) born: Option<Key>,
    /// An empty directory loses its name.
    pub(super) removed: Option<Key>,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A sector has this content from now on.
    Sector { inode: Key, index: u64, bytes: Bytes },
    /// The content is shared with another file.
    Share { inode: Key, sectors: Rc<Sectors> },
    /// The attributes are these from now on.
    Attributes { inode: Key, attributes: Attributes },
    /// Names change.
    Names(Naming),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) inodes: BTreeMap<Key, Rc<Inode>>,
    /// Directory on which something is mounted -> root of what is mounted.
    pub(super) covers: BTreeMap<Key, Key>,
}

impl Tree {
    pub(super) fn get(&self, key: Key) -> Option<&Inode> {
        self.inodes.get(&key).map(Rc::as_ref)
    }

    pub(super) fn change(&mut self, key: Key, change: impl FnOnce(&mut Inode)) {
        if let Some(inode) = self.inodes.get_mut(&key) {
            change(Rc::make_mut(inode));
        }
    }

    /// What a name is bound to, below anything that is mounted there.
    pub(super) fn bound(&self, directory: Key, name: &Name) -> Option<Key> {
        self.get(directory)?.entries()?.get(name).copied()
    }

    /// What a name shows, which is the root of what is mounted there.
    pub(super) fn lookup(&self, directory: Key, name: &Name) -> Option<Key> {
        self.bound(directory, name).map(|key| self.mounted(key))
    }

    /// What is mounted on a directory, or the directory itself.
    pub(super) fn mounted(&self, mut key: Key) -> Key {
        while let Some(&root) = self.covers.get(&key) {
            key = root;
        }
        key
    }

    pub(super) fn apply(&mut self, id: ChangeId, change: &Change) {
        match change {
            Change::Sector { inode, index, bytes } => self.change(*inode, |inode| {
                if let Body::File(sectors) = &mut inode.body {
                    Rc::make_mut(sectors).set(*index, bytes.clone());
                }
            }),
            Change::Share { inode, sectors } => self.change(*inode, |inode| {
                inode.shared = sectors.count();
                inode.body = Body::File(Rc::clone(sectors));
            }),
            Change::Attributes { inode, attributes } => {
                self.change(*inode, |inode| set_attributes(inode, *attributes));
            }
            Change::Names(naming) => self.apply_names(id, naming),
        }
    }

    fn apply_names(&mut self, id: ChangeId, naming: &Naming) {
        for binding in &naming.bindings {
            let place = (binding.directory, binding.name.clone());
            let old = self.bound(binding.directory, &binding.name);
            self.change(binding.directory, |directory| {
                if let Body::Directory(entries) = &mut directory.body {
                    match binding.inode {
                        Some(key) => entries.insert(binding.name.clone(), key),
                        None => entries.remove(&binding.name),
                    };
                }
                if id > directory.attributes.modified_by {
                    directory.attributes.mtime = naming.time;
                    directory.attributes.modified_by = id;
                }
                set_ctime(directory, id, naming.time);
            });
            if let Some(old) = old {
                self.change(old, |inode| {
                    inode.links = inode.links.saturating_sub(1);
                    if inode.home.as_ref() == Some(&place) {
                        inode.home = None;
                    }
                    set_ctime(inode, id, naming.time);
                });
            }
            if let Some(new) = binding.inode {
                self.change(new, |inode| {
                    inode.links += 1;
                    inode.home = Some(place);
                    set_ctime(inode, id, naming.time);
                });
            }
        }
    }

    /// Whether `key` is `ancestor` or lies below it.
    pub(super) fn is_within(&self, key: Key, ancestor: Key) -> bool {
        let mut at = Some(key);
        while let Some(key) = at {
            if key == ancestor {
                return true;
            }
            at = self.get(key).and_then(|inode| inode.home.as_ref()).map(|(parent, _)| *parent);
        }
        false
    }

    /// Path of an inode below `root`; `None` if it has no known name there. Nothing for the root.
    pub(super) fn path_below(&self, root: Key, key: Key) -> Option<Vec<u8>> {
        let mut names = Vec::new();
        let mut at = key;
        while at != root {
            let (parent, name) = self.get(at)?.home.as_ref()?;
            names.push(name);
            at = *parent;
        }
        names.reverse();
        let names: Vec<&[u8]> = names.into_iter().map(Name::as_bytes).collect();
        Some(names.join(&b'/'))
    }

    /// Drops what has no name, and counts links again: what a check of the file system does.
    pub(super) fn settle(&mut self) {
        let mut names: BTreeMap<Key, Vec<(Key, Name)>> = BTreeMap::new();
        let mut open: Vec<Key> = vec![TOP];
        names.insert(TOP, Vec::new());
        while let Some(directory) = open.pop() {
            let Some(inode) = self.get(directory) else { continue };
            if let Some(&root) = self.covers.get(&directory)
                && names.insert(root, Vec::new()).is_none()
            {
                open.push(root);
            }
            for (name, &key) in inode.entries().into_iter().flatten() {
                let homes = names.entry(key).or_default();
                homes.push((directory, name.clone()));
                assert!(self.inodes.contains_key(&key), "a name leads to an inode: {name:?}");
                if self.get(key).is_some_and(Inode::is_directory) {
                    assert_eq!(homes.len(), 1, "a directory has one name: {name:?}");
                    open.push(key);
                }
            }
        }
        self.inodes.retain(|key, _| names.contains_key(key));
        for (key, mut homes) in names {
            let Some(inode) = self.get(key) else { continue };
            let links = homes.len().max(1) as u32;
            let home = homes.pop();
            let size = inode.attributes.size;
            let is_cut = inode.sectors().is_some_and(|sectors| !sectors.beyond(size).is_empty());
            // What is right already stays shared with other trees.
            if is_cut || inode.links != links || inode.home != home || inode.shared != 0 {
                self.change(key, |inode| {
                    inode.links = links;
                    inode.home = home;
                    inode.shared = 0;
                    if let Body::File(sectors) = &mut inode.body {
                        Rc::make_mut(sectors).cut(size);
                    }
                });
            }
        }
    }
}

fn set_ctime(inode: &mut Inode, id: ChangeId, time: Time) {
    if id > inode.attributes.changed_by {
        inode.attributes.ctime = time;
        inode.attributes.changed_by = id;
    }
}

/// A version of the attributes says nothing about times that a later change of names has set.
fn set_attributes(inode: &mut Inode, attributes: Attributes) {
    let old = inode.attributes;
    inode.attributes = attributes;
    if attributes.changed_by < old.changed_by {
        inode.attributes.ctime = old.ctime;
        inode.attributes.changed_by = old.changed_by;
    }
    if inode.is_directory() && attributes.modified_by < old.modified_by {
        inode.attributes.mtime = old.mtime;
        inode.attributes.modified_by = old.modified_by;
    }
}

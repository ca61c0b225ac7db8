//! What anybody who looks sees: for checkers, which never look at anything else.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use mirrormesh::store::FileKind;
use mirrormesh_merkle::Time;

use super::content::Content;
use super::tree::{Body, Inode, Key, Tree};

/// One name as it looks. Equal if nothing that mirrormesh mirrors differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u16,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Time of the last change of content, of regular files only.
    pub mtime: Option<Time>,
    /// Content of a regular file.
    pub content: Option<Content>,
    /// Target of a symlink.
    pub target: Option<Bytes>,
}

/// Who does something on a simulated machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The program under test.
    Mirrormesh,
    /// A local user.
    User,
}

/// A name in the docroot looks different from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleChange {
    /// Path below the docroot. A directory stands for all that lies below it.
    pub path: Vec<u8>,
    /// How it looked before; `None` if the name was free.
    pub before: Option<Seen>,
    /// How it looks now.
    pub after: Option<Seen>,
    /// Who did it.
    pub actor: Actor,
    /// By which primitive or edit.
    pub operation: &'static str,
}

impl Inode {
    pub(super) fn seen(&self) -> Seen {
        let content = self
            .sectors()
            .map(|sectors| Content { size: self.attributes.size, sectors: Rc::clone(sectors) });
        let target = match &self.body {
            Body::Symlink(target) => Some(target.clone()),
            _ => None,
        };
        Seen {
            kind: self.kind(),
            mode: self.attributes.mode,
            owner: (self.attributes.user, self.attributes.group),
            mtime: content.as_ref().map(|_| self.attributes.mtime),
            content,
            target,
        }
    }
}

impl Tree {
    /// Everything below a directory, by path; nothing below `except`, nor below other mounts.
    pub(super) fn seen_below(&self, root: Key, except: Option<Key>) -> BTreeMap<Vec<u8>, Seen> {
        let mut seen = BTreeMap::new();
        let mut open = vec![(Vec::new(), root)];
        while let Some((prefix, directory)) = open.pop() {
            let entries = self.get(directory).and_then(Inode::entries);
            for (name, &bound) in entries.into_iter().flatten() {
                let key = self.mounted(bound);
                let Some(inode) = self.get(key).filter(|_| Some(key) != except) else { continue };
                let mut path: Vec<u8> = prefix.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name.as_bytes());
                if inode.is_directory() && key == bound {
                    open.push((path.clone(), key));
                }
                seen.insert(path, inode.seen());
            }
        }
        seen
    }
}

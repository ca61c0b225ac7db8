//! From one tree to the next: applies changes and touches only what they touch.
//!
//! Changes come in path order, so that the directories which lead to the current one are a stack.
//! A directory collects the changes of its own names; when the last one is in, its trie is rebuilt
//! once and its new entry becomes a change of the directory above. The stack is on the heap:
//! [`crate::limits::MAX_DEPTH`] levels of directories need no deep recursion.

use std::sync::Arc;

use crate::attributes::Attributes;
use crate::entry::{Directory, Entry};
use crate::error::TreeError;
use crate::name::Name;
use crate::node::empty_node;
use crate::path::Path;
use crate::record::Record;
use crate::source::NodeStore;
use crate::tree::{OpenDirectory, Tree};
use crate::trie;

/// What one path is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where. Never the docroot itself, never reserved.
    pub path: Path,
    /// What is to be there; `None` removes the path with everything below it.
    pub record: Option<Record>,
}

/// Applies `changes`, strictly ascending by path, to `base` and stores the nodes of the tree they
/// lead to. Nodes of `base` stay.
///
/// - A directory put where one is gives it mode and attributes and keeps what is in it; put
///   elsewhere it is empty.
/// - A file or symlink put over a directory takes everything below away.
/// - What is put must lie in a directory, after the changes before it; what is removed need not be
///   there, nor its parent.
pub fn update<S: NodeStore>(
    store: &mut S,
    base: &Tree,
    changes: &[Change],
) -> Result<Tree, TreeError<S::Error>> {
    let mut update = Update::new(base);
    for change in changes {
        let action = match &change.record {
            None => Action::Remove,
            Some(record) => Action::Record(record),
        };
        update.apply(store, &change.path, action)?;
    }
    update.finish(store)
}

/// What is to be done at one path.
pub(crate) enum Action<'a> {
    /// Take it away with everything below.
    Remove,
    /// Put what a record says.
    Record(&'a Record),
    /// Put an entry as it is, a directory with everything below it.
    Entry(Entry),
}

/// A directory whose names are being changed.
struct Frame {
    /// Its name in the directory above; the docroot has none.
    name: Option<Name>,
    mode: u16,
    attributes: Option<Arc<Attributes>>,
    before: OpenDirectory,
    /// Strictly ascending by name.
    puts: Vec<(Name, Option<Entry>)>,
}

impl Frame {
    /// What `name` is after the changes so far.
    fn current<S: NodeStore>(
        &mut self,
        store: &S,
        name: &Name,
    ) -> Result<Option<Entry>, TreeError<S::Error>> {
        match self.puts.last() {
            Some((last, entry)) if last == name => Ok(entry.clone()),
            _ => self.before.find(store, name),
        }
    }

    fn put(&mut self, name: Name, entry: Option<Entry>) {
        match self.puts.last_mut() {
            Some((last, put)) if *last == name => *put = entry,
            _ => self.puts.push((name, entry)),
        }
    }
}

/// An update under way.
pub(crate) struct Update {
    /// The docroot, then the directories that lead to the last change.
    below: Vec<Frame>,
    root: Frame,
    last: Option<Path>,
}

impl Update {
    pub(crate) fn new(base: &Tree) -> Update {
        let before = OpenDirectory::new(base.root, base.expected());
        let root = Frame { name: None, mode: 0, attributes: None, before, puts: Vec::new() };
        Update { below: Vec::new(), root, last: None }
    }

    fn top(&mut self) -> &mut Frame {
        self.below.last_mut().unwrap_or(&mut self.root)
    }

    /// Paths must be strictly ascending from call to call.
    pub(crate) fn apply<S: NodeStore>(
        &mut self,
        store: &mut S,
        path: &Path,
        action: Action<'_>,
    ) -> Result<(), TreeError<S::Error>> {
        if self.last.as_ref().is_some_and(|last| last >= path) {
            return Err(TreeError::Order(path.clone()));
        }
        self.last = Some(path.clone());
        if path.is_reserved() {
            return Err(TreeError::Forbidden(path.clone()));
        }
        let mut parents: Vec<Name> = path.components().collect();
        let Some(name) = parents.pop() else {
            return Err(TreeError::Forbidden(path.clone()));
        };
        if let Action::Record(record) = &action {
            record.check().map_err(|error| TreeError::Entry { path: path.clone(), error })?;
        }
        let removes = matches!(action, Action::Remove);
        if !self.enter(store, path, &parents, removes)? {
            return Ok(());
        }
        let frame = self.top();
        let entry = match action {
            Action::Remove => None,
            Action::Entry(entry) => Some(entry),
            Action::Record(Record::File(file)) => Some(Entry::File(file.clone())),
            Action::Record(Record::Symlink(symlink)) => Some(Entry::Symlink(symlink.clone())),
            Action::Record(Record::Directory { mode, attributes }) => {
                let mut directory = match frame.current(store, &name)? {
                    Some(Entry::Directory(directory)) => directory,
                    _ => empty_directory(),
                };
                directory.mode = *mode;
                directory.attributes = attributes.clone();
                Some(Entry::Directory(directory))
            }
        };
        frame.put(name, entry);
        Ok(())
    }

    /// Makes the directory that `parents` lead to the top of the stack. False if there is none and
    /// nobody minds.
    fn enter<S: NodeStore>(
        &mut self,
        store: &mut S,
        path: &Path,
        parents: &[Name],
        removes: bool,
    ) -> Result<bool, TreeError<S::Error>> {
        let shared = self.below.iter().zip(parents);
        let shared = shared.take_while(|(frame, name)| frame.name.as_ref() == Some(*name)).count();
        while self.below.len() > shared {
            self.close(store)?;
        }
        for (index, name) in parents.iter().enumerate().skip(shared) {
            match self.top().current(store, name)? {
                Some(Entry::Directory(directory)) => self.below.push(Frame {
                    name: Some(name.clone()),
                    mode: directory.mode,
                    before: (&directory).into(),
                    attributes: directory.attributes,
                    puts: Vec::new(),
                }),
                _ if removes => return Ok(false),
                Some(_) => return Err(TreeError::NotADirectory(path.ancestor(index + 1))),
                None => return Err(TreeError::MissingParent(path.ancestor(index + 1))),
            }
        }
        Ok(true)
    }

    /// Rebuilds the directory at the top of the stack and puts it into the one above.
    fn close<S: NodeStore>(&mut self, store: &mut S) -> Result<(), TreeError<S::Error>> {
        let Some(Frame { name: Some(name), mode, attributes, before, puts }) = self.below.pop()
        else {
            return Ok(());
        };
        // Nothing was put: what is above holds the directory as it is.
        if puts.is_empty() {
            return Ok(());
        }
        let child = trie::rebuild(store, before.node, &before.expected, puts)?;
        let (node, files, bytes) = (child.hash, child.totals.files, child.totals.bytes);
        let directory = Directory { mode, node, files, bytes, attributes };
        self.top().put(name, Some(Entry::Directory(directory)));
        Ok(())
    }

    pub(crate) fn finish<S: NodeStore>(
        mut self,
        store: &mut S,
    ) -> Result<Tree, TreeError<S::Error>> {
        while !self.below.is_empty() {
            self.close(store)?;
        }
        let Frame { before, puts, .. } = self.root;
        let child = trie::rebuild(store, before.node, &before.expected, puts)?;
        Ok(Tree { root: child.hash, files: child.totals.files, bytes: child.totals.bytes })
    }
}

fn empty_directory() -> Directory {
    Directory { mode: 0, node: empty_node().0, files: 0, bytes: 0, attributes: None }
}

#[cfg(test)]
mod tests;

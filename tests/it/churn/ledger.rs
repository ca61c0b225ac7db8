//! What the origin's docroot held and holds, by name: what may be seen on a replica follows from it.
//!
//! The docroot is divided into sites, directories at the top with one writer each. A writer says
//! what it is about to do before it does it; so a reader on a replica never knows less than the
//! replica.
//!
//! Invariants: a name's generation grows when the name goes away, its file generation also when it
//! becomes something of another kind. While neither has grown, the name was there all the time. Names that
//! are there from the beginning have generation 0, others begin above.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::random::Random;

/// Names that were changed last, of one site.
const RECENT: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
}

/// How often a name went away, and how often it became something else.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation {
    pub(super) name: u32,
    pub(super) file: u32,
}

/// One name.
#[derive(Debug, Default, Clone)]
pub(super) struct Record {
    /// What it is now, if it is there.
    pub(super) kind: Option<Kind>,
    pub(super) generation: Generation,
    /// Every content it ever had in full, oldest first.
    pub(super) versions: Vec<(u64, Generation)>,
}

/// One site.
#[derive(Debug, Default)]
pub(super) struct Site {
    names: BTreeMap<PathBuf, Record>,
    /// Every name that ever was a file, and every directory: to draw from.
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
    recent: VecDeque<PathBuf>,
    live: usize,
}

impl Site {
    /// A name that was there before anything changed.
    pub(super) fn found(&mut self, path: &Path, kind: Kind, content: Option<u64>) {
        let generation = Generation::default();
        let versions = content.into_iter().map(|content| (content, generation)).collect();
        self.names.insert(path.to_owned(), Record { kind: Some(kind), generation, versions });
        self.listed(path, kind);
    }

    /// A name that will have this kind, and this content if it is a file; it may exist.
    pub(super) fn becomes(&mut self, path: &Path, kind: Kind, content: Option<u64>) {
        let is_new = !self.names.contains_key(path);
        let record = self.names.entry(path.to_owned()).or_default();
        if is_new {
            record.generation = Generation { name: 1, file: 1 };
        }
        if record.kind.is_some_and(|before| before != kind) {
            record.generation.file += 1;
        }
        let (before, generation) = (record.kind.replace(kind), record.generation);
        record.versions.extend(content.map(|content| (content, generation)));
        self.live -= usize::from(before == Some(Kind::File));
        self.listed(path, kind);
        self.touched(path);
    }

    /// A name that will go away, with all below it.
    pub(super) fn goes(&mut self, path: &Path) {
        let mut below = self.below(path);
        below.push(path.to_owned());
        for path in below {
            let Some(record) = self.names.get_mut(&path) else { continue };
            let Some(kind) = record.kind.take() else { continue };
            record.generation.name += 1;
            record.generation.file += 1;
            self.live -= usize::from(kind == Kind::File);
        }
        self.touched(path);
    }

    /// A name that will be called otherwise, with all below it. What the new name was is replaced.
    pub(super) fn moves(&mut self, from: &Path, to: &Path) {
        let moved = self.moved(from, to);
        self.goes(from);
        for (path, record) in moved {
            self.set(&path, &record);
        }
    }

    /// A name and all below it, as they would be called.
    fn moved(&self, from: &Path, to: &Path) -> Vec<(PathBuf, Record)> {
        let below = self.below(from);
        let top = (to.to_owned(), self.record(from));
        let rest = below.iter().map(|path| {
            (to.join(path.strip_prefix(from).expect("it lies below")), self.record(path))
        });
        std::iter::once(top).chain(rest).collect()
    }

    /// Two names that will change places at once, with all below them.
    pub(super) fn exchange(&mut self, one: &Path, other: &Path) {
        let mut new = Vec::new();
        for (from, to) in [(one, other), (other, one)] {
            let below = self.below(from);
            new.extend(self.moved(from, to));
            for path in below {
                self.goes(&path);
            }
        }
        for (path, record) in new {
            self.set(&path, &record);
        }
    }

    /// A name that will have the kind and content of another.
    fn set(&mut self, path: &Path, like: &Record) {
        let kind = like.kind.expect("it is there");
        let content = like.versions.last().filter(|_| kind == Kind::File);
        self.becomes(path, kind, content.map(|(content, _)| *content));
    }

    fn listed(&mut self, path: &Path, kind: Kind) {
        match kind {
            Kind::File => {
                self.files.push(path.to_owned());
                self.live += 1;
            }
            Kind::Directory => self.directories.push(path.to_owned()),
            Kind::Symlink => {}
        }
        // Most of what is listed is there.
        if self.files.len() > 4 * self.live.max(1_000) {
            let mut files = std::mem::take(&mut self.files);
            files.sort();
            files.dedup();
            files.retain(|path| self.kind(path) == Some(Kind::File));
            self.files = files;
        }
    }

    fn touched(&mut self, path: &Path) {
        self.recent.push_back(path.to_owned());
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// What a name is now.
    pub(super) fn kind(&self, path: &Path) -> Option<Kind> {
        self.names.get(path)?.kind
    }

    /// What is known of a name.
    pub(super) fn record(&self, path: &Path) -> Record {
        self.names.get(path).cloned().unwrap_or_default()
    }

    /// What is there below a directory.
    pub(super) fn below(&self, directory: &Path) -> Vec<PathBuf> {
        self.names
            .range::<Path, _>((Bound::Excluded(directory), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with(directory))
            .filter(|(_, record)| record.kind.is_some())
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Files that are there.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Some file that is there.
    pub(super) fn some_file(&self, random: &mut Random) -> Option<PathBuf> {
        self.some(&self.files, Kind::File, random)
    }

    /// Some directory that is there.
    pub(super) fn some_directory(&self, random: &mut Random) -> Option<PathBuf> {
        self.some(&self.directories, Kind::Directory, random)
    }

    fn some(&self, list: &[PathBuf], kind: Kind, random: &mut Random) -> Option<PathBuf> {
        (0..100).filter_map(|_| random.of(list)).find(|path| self.kind(path) == Some(kind)).cloned()
    }

    /// A name that is worth a look: one of those that were changed last, or any.
    pub(super) fn worth_a_look(&self, random: &mut Random) -> Option<PathBuf> {
        if random.percent(50) && !self.recent.is_empty() {
            return self.recent.get(random.below(self.recent.len())).cloned();
        }
        random.of(&self.files).cloned()
    }
}

/// All sites.
#[derive(Debug)]
pub(super) struct Ledger(Vec<Mutex<Site>>);

impl Ledger {
    pub(super) fn new(sites: Vec<Site>) -> Ledger {
        Ledger(sites.into_iter().map(Mutex::new).collect())
    }

    pub(super) fn sites(&self) -> usize {
        self.0.len()
    }

    pub(super) fn site(&self, index: usize) -> MutexGuard<'_, Site> {
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files that are there.
    pub(super) fn files(&self) -> usize {
        (0..self.sites()).map(|index| self.site(index).live()).sum()
    }
}

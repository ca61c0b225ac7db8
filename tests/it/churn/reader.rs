//! A reader that polls one replica, as a web server would, and judges what it sees.
//!
//! It sees a violation when a file has a content that the origin never had in full under that name;
//! when a content is older than one seen before; and when a name cannot be opened though the origin
//! had it all the time since the replica has it.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;

use super::content;
use super::ledger::{Generation, Kind, Ledger, Record};
use super::random::Random;

/// Between two looks.
const PAUSE: Duration = Duration::from_micros(700);
/// Violations that are told.
const MAX_TOLD: usize = 20;

/// What readers saw.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Files that were read whole.
    pub(super) read: u64,
    /// Names that were looked for and not there, and need not be.
    pub(super) absent: u64,
    /// Looks that could have found a name missing that must be there.
    pub(super) judged: u64,
    pub(super) violations: Vec<String>,
}

impl Reads {
    pub(super) fn add(&mut self, other: Reads) {
        self.read += other.read;
        self.absent += other.absent;
        self.judged += other.judged;
        self.violations.extend(other.violations);
    }
}

impl fmt::Display for Reads {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reads { read, absent, judged, violations } = self;
        let violations = violations.len();
        write!(to, "{read} files read, {absent} names absent; {judged} names had to be there; ")?;
        write!(to, "{violations} violations")
    }
}

pub(super) struct Reader<'a> {
    replica: &'a Path,
    ledger: &'a Ledger,
    random: Random,
    /// Up to which generation the replica certainly has a name, and its newest version seen.
    proven: HashMap<PathBuf, (Generation, usize)>,
    reads: Reads,
}

/// What a name on the replica turned out to be.
enum Seen {
    Content(Vec<u8>),
    NoFile(Errno),
}

impl<'a> Reader<'a> {
    pub(super) fn new(replica: &'a Path, ledger: &'a Ledger, random: Random) -> Reader<'a> {
        Reader { replica, ledger, random, proven: HashMap::new(), reads: Reads::default() }
    }

    pub(super) fn run(mut self, over: &AtomicBool) -> Reads {
        let root = open(self.replica, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
        let root = root.unwrap_or_else(|error| panic!("{}: {error}", self.replica.display()));
        while !over.load(Ordering::Relaxed) {
            let site = self.random.below(self.ledger.sites());
            let path = self.ledger.site(site).worth_a_look(&mut self.random);
            if let Some(path) = path {
                self.look(&root, site, &path);
            }
            thread::sleep(PAUSE);
        }
        self.reads
    }

    fn look(&mut self, root: &rustix::fd::OwnedFd, site: usize, path: &Path) {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let before = self.ledger.site(site).record(path);
        let name = openat2(root, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
        self.judge_name(site, path, &before, name.err());
        let before = self.ledger.site(site).record(path);
        match read(root, path) {
            Ok(Seen::Content(bytes)) => self.judge_content(site, path, &bytes),
            Ok(Seen::NoFile(error)) => self.judge_file(site, path, &before, error),
            Err(error) => self.violation(path, &format!("reading failed: {error}")),
        }
    }

    /// Whether the replica has the name in this generation, or a later one.
    fn has(&self, path: &Path, generation: Generation) -> Generation {
        let proven = self.proven.get(path).map(|(generation, _)| *generation).unwrap_or_default();
        Generation {
            name: u32::from(proven.name >= generation.name),
            file: u32::from(proven.file >= generation.file),
        }
    }

    fn judge_name(&mut self, site: usize, path: &Path, before: &Record, error: Option<Errno>) {
        let must = before.kind.is_some() && self.has(path, before.generation).name == 1;
        self.reads.judged += u64::from(must);
        let Some(error) = error.filter(|_| must) else { return };
        let after = self.ledger.site(site).record(path);
        if after.kind.is_some() && after.generation.name == before.generation.name {
            self.violation(path, &format!("the name is missing: {error}; {after:?}"));
        }
    }

    fn judge_file(&mut self, site: usize, path: &Path, before: &Record, error: Errno) {
        self.reads.absent += 1;
        let must = before.kind == Some(Kind::File) && self.has(path, before.generation).file == 1;
        let after = self.ledger.site(site).record(path);
        if must && after.kind == Some(Kind::File) && after.generation == before.generation {
            self.violation(path, &format!("the file is missing: {error}; {after:?}"));
        }
    }

    fn judge_content(&mut self, site: usize, path: &Path, bytes: &[u8]) {
        self.reads.read += 1;
        let content = content::hash(bytes);
        let record = self.ledger.site(site).record(path);
        let matching = || record.versions.iter().enumerate().filter(|(_, one)| one.0 == content);
        let Some((newest, (_, generation))) = matching().next_back() else {
            let size = bytes.len();
            let text = format!("a content of {size} bytes that never was there: {content:x}");
            return self.violation(path, &format!("{text}; {record:?}"));
        };
        let seen_before = self.proven.get(path).map(|(_, version)| *version).unwrap_or_default();
        if newest < seen_before {
            return self.violation(path, &format!("went back from {seen_before} to {newest}"));
        }
        // A content that the name had twice says nothing of which it is.
        if matching().count() == 1 {
            self.proven.insert(path.to_owned(), (*generation, newest));
        }
    }

    fn violation(&mut self, path: &Path, what: &str) {
        if self.reads.violations.len() < MAX_TOLD {
            let replica = self.replica.display();
            self.reads.violations.push(format!("{replica}/{}: {what}", path.display()));
        }
    }
}

/// A content as one open file shows it.
fn read(root: &rustix::fd::OwnedFd, path: &Path) -> std::io::Result<Seen> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat2(root, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(file) => file,
        Err(error @ (Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {
            return Ok(Seen::NoFile(error));
        }
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Ok(Seen::NoFile(Errno::ISDIR));
    }
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes)?;
    Ok(Seen::Content(bytes))
}

//! The tree of a directory, read without a daemon.
//!
//! Purpose: `hash` and `diff` of directories. The rules are those of the tree: files, directories
//! and symlinks with permission bits and file times; reserved names, other kinds, other mounts and
//! paths beyond the limits are left out.
//!
//! State: one open directory at a time, and the nodes of the tree in memory. Names are collected in
//! batches, so that a directory's node is made a few times at most.
//!
//! Invariants: nothing is followed and nothing outside the directory is opened, whatever users do
//! in it meanwhile; nothing is written. A file that changes while it is read is read again, three
//! times at most, and then said to have changed.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::Bytes;
use mirrormesh_merkle::{
    Change, ContentHasher, File, Hash, MemoryNodes, Name, Path, Record, Symlink, Time, Tree, update,
};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::failure::Failure;
use super::text;

/// Names collected before they are put into the tree.
const BATCH: usize = 16_384;
/// Bytes read at a time.
const BUFFER: usize = 1024 * 1024;
/// Bytes of a path that are resolved at a time.
const PIECE: usize = 4_000;
/// How often a file that changes is read.
const TRIES: usize = 3;

/// Reads directories.
pub(crate) struct Reader {
    nodes: MemoryNodes,
    buffer: Vec<u8>,
    /// Sentences about what was left out or changed meanwhile; at most [`Reader::MAX_REMARKS`].
    remarks: Vec<String>,
}

/// A scan under way.
struct Scan<'a> {
    root: BorrowedFd<'a>,
    tree: Tree,
    batch: BTreeMap<Path, Record>,
    pending: Vec<Path>,
}

impl Reader {
    /// Most remarks that are kept.
    const MAX_REMARKS: usize = 20;

    /// Has read nothing.
    pub(crate) fn new() -> Reader {
        Reader { nodes: MemoryNodes::new(), buffer: vec![0; BUFFER], remarks: Vec::new() }
    }

    /// The nodes of every tree read so far.
    pub(crate) fn nodes(&self) -> &MemoryNodes {
        &self.nodes
    }

    /// Sentences about what was left out or changed meanwhile.
    pub(crate) fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The tree of an open directory.
    pub(crate) fn tree(&mut self, root: impl AsFd) -> Result<Tree, Failure> {
        let mut scan = Scan {
            root: root.as_fd(),
            tree: Tree::empty(),
            batch: BTreeMap::new(),
            pending: vec![Path::root()],
        };
        while let Some(directory) = scan.pending.pop() {
            self.directory(&mut scan, &directory)?;
        }
        self.flush(&mut scan)?;
        Ok(scan.tree)
    }

    fn directory(&mut self, scan: &mut Scan<'_>, path: &Path) -> Result<(), Failure> {
        let opened = open_below(scan.root, path, OFlags::RDONLY | OFlags::DIRECTORY);
        let directory = match opened {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                self.remark(path.as_bytes(), "went while it was read");
                scan.batch.remove(path);
                return Ok(());
            }
            Err(error) => return Err(unreadable(path, error)),
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory).map_err(|error| unreadable(path, error))? {
            let entry = entry.map_err(|error| unreadable(path, error))?;
            if ![c".", c".."].contains(&entry.file_name()) {
                names.push(entry.file_name().to_owned());
            }
        }
        for name in &names {
            if let Some((path, record)) = self.name(&directory, path, name)? {
                if matches!(record, Record::Directory { .. }) {
                    scan.pending.push(path.clone());
                }
                scan.batch.insert(path, record);
            }
            if scan.batch.len() >= BATCH {
                self.flush(scan)?;
            }
        }
        Ok(())
    }

    /// What a name is, or nothing if it is not mirrored.
    fn name(
        &mut self,
        directory: &OwnedFd,
        parent: &Path,
        raw: &CStr,
    ) -> Result<Option<(Path, Record)>, Failure> {
        let Ok(name) = Name::new(raw.to_bytes()) else { return Ok(None) };
        if name.is_reserved() {
            return Ok(None);
        }
        let path = parent.join(&name);
        if !path.is_within_limits() {
            self.remark(path.as_bytes(), "left out: the path is too long");
            return Ok(None);
        }
        let record = match self.record(directory, raw, &path) {
            Ok(record) => record,
            Err(Errno::NOENT) => None,
            Err(Errno::XDEV) => {
                self.remark(path.as_bytes(), "left out: another mount begins there");
                None
            }
            Err(error) => return Err(unreadable(&path, error)),
        };
        Ok(record.map(|record| (path, record)))
    }

    fn record(
        &mut self,
        directory: &OwnedFd,
        name: &CStr,
        path: &Path,
    ) -> Result<Option<Record>, Errno> {
        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let file = open_name(directory, name, OFlags::RDONLY | OFlags::NONBLOCK)?;
                Ok(self.file(&file, path)?.map(Record::File))
            }
            FileType::Directory => {
                // Only asks whether a mount begins here.
                open_name(directory, name, OFlags::PATH | OFlags::DIRECTORY)?;
                Ok(Some(Record::Directory { mode: mode(&stat), attributes: None }))
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
                let target = Bytes::from(target.into_bytes());
                Ok(Some(Record::Symlink(Symlink { target, attributes: None })))
            }
            _ => {
                self.remark(path.as_bytes(), "left out: neither file, directory nor symlink");
                Ok(None)
            }
        }
    }

    fn file(&mut self, file: &OwnedFd, path: &Path) -> Result<Option<File>, Errno> {
        for _ in 0..TRIES {
            let before = rustix::fs::fstat(file)?;
            if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
                return Ok(None);
            }
            let (content, size) = self.content(file)?;
            let after = rustix::fs::fstat(file)?;
            if size == after.st_size as u64 && mtime(&before) == mtime(&after) {
                let (mode, mtime) = (mode(&after), mtime(&after));
                let unserved = false;
                return Ok(Some(File { mode, mtime, size, content, unserved, attributes: None }));
            }
        }
        self.remark(path.as_bytes(), "changed while it was read");
        let stat = rustix::fs::fstat(file)?;
        let (content, size) = self.content(file)?;
        let (mode, mtime) = (mode(&stat), mtime(&stat));
        Ok(Some(File { mode, mtime, size, content, unserved: false, attributes: None }))
    }

    /// The content hash of an open file, and how many bytes were read.
    pub(crate) fn content(&mut self, file: &OwnedFd) -> Result<(Hash, u64), Errno> {
        let mut hasher = ContentHasher::new();
        loop {
            match rustix::io::pread(file, &mut self.buffer[..], hasher.count()) {
                Ok(0) => return Ok((hasher.finish(), hasher.count())),
                Ok(count) => hasher.update(&self.buffer[..count]),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn flush(&mut self, scan: &mut Scan<'_>) -> Result<(), Failure> {
        let changes: Vec<Change> = std::mem::take(&mut scan.batch)
            .into_iter()
            .map(|(path, record)| Change { path, record: Some(record) })
            .collect();
        scan.tree = update(&mut self.nodes, &scan.tree, &changes)
            .map_err(|error| Failure::failed(error.to_string()))?;
        Ok(())
    }

    fn remark(&mut self, path: &[u8], what: &str) {
        if self.remarks.len() < Reader::MAX_REMARKS {
            self.remarks.push(format!("{}: {what}", text::path(path)));
        }
    }
}

/// Opens a directory that an operator names; symlinks in its path are followed.
pub(crate) fn open_directory(path: &std::path::Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
        let what = match error {
            Errno::NOENT => "does not exist".to_owned(),
            Errno::NOTDIR => "is not a directory".to_owned(),
            other => other.to_string(),
        };
        Failure::failed(format!("{}: {what}", path.display()))
    })
}

/// Opens what lies at a path below a directory, through no symlink and no mount.
pub(crate) fn open_below(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    if path.is_root() {
        return open(root, b".", flags);
    }
    // The system takes at most 4,095 bytes at once; trees go deeper.
    let mut rest = path.as_bytes();
    let mut at: Option<OwnedFd> = None;
    while rest.len() > PIECE {
        let piece = &rest[..PIECE];
        let end = piece.iter().rposition(|byte| *byte == b'/').ok_or(Errno::NAMETOOLONG)?;
        let from = at.as_ref().map_or(root.as_fd(), AsFd::as_fd);
        at = Some(open(from, &rest[..end], OFlags::PATH | OFlags::DIRECTORY)?);
        rest = &rest[end + 1..];
    }
    open(at.as_ref().map_or(root.as_fd(), AsFd::as_fd), rest, flags)
}

fn open_name(directory: &OwnedFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    open(directory, name.to_bytes(), flags)
}

fn open(at: impl AsFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    loop {
        match rustix::fs::openat2(&at, path, flags, Mode::empty(), resolve) {
            // A rename somewhere raced with the look-up.
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
}

fn mode(stat: &Stat) -> u16 {
    (stat.st_mode & 0o7777) as u16
}

fn mtime(stat: &Stat) -> Time {
    Time { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 }
}

fn unreadable(path: &Path, error: Errno) -> Failure {
    Failure::failed(format!("{path}: {error}"))
}

#[cfg(test)]
mod tests;

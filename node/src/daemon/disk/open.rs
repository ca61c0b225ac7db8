//! Opening one name below a directory, and nothing but that name.
//!
//! `openat2` refuses symlinks, magic links and other mounts in one step. Where it is missing
//! (kernels before 5.6) or forbidden (seccomp filters of old container engines say `EPERM`), a plain
//! `openat` that does not follow the last component is enough, since a [`Name`] is one component;
//! the mount is then compared after the fact.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use mirrormesh_merkle::Name;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::error::{failed, with_kind};
use super::status;
use crate::store::{DiskError, DiskErrorKind, DiskResult, FileKind};

/// How often a name is tried that the kernel asks to try again: while a foreign lease is broken.
const ATTEMPTS: u32 = 32;

/// Every open: no symlink, no waiting, no terminal, nothing inherited.
const ALWAYS: OFlags =
    OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// What resolution may not do; a symlink that is itself asked for is still opened.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Opens names; remembers whether `openat2` works.
pub(super) struct Opener {
    openat2: AtomicBool,
}

impl Opener {
    /// `openat2` says whether to try that call at all.
    pub(super) fn new(openat2: bool) -> Opener {
        Opener { openat2: AtomicBool::new(openat2) }
    }

    /// Opens a directory for listing and flushing; one that may not be read is still opened as a
    /// place to name things in.
    pub(super) fn directory(&self, at: BorrowedFd<'_>, name: &Name) -> DiskResult<OwnedFd> {
        match self.open(at, name, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Errno::ACCESS) => self.open(at, name, OFlags::PATH | OFlags::DIRECTORY),
            result => result,
        }
        .map_err(failed("open_directory"))
    }

    /// Opens a regular file.
    ///
    /// It is looked at before it is opened, because opening a device can have effects (a tape
    /// rewinds, a watchdog starts) and opening a pipe wakes its writer; and again after, which is
    /// what decides. Between the two looks, only who may make device nodes can put one there; pipes
    /// and sockets put there do not block. An open by `/proc` of a handle that was proved first would
    /// close even that gap, at twice the cost for every file and with `/proc` a condition.
    pub(super) fn file(
        &self,
        at: BorrowedFd<'_>,
        name: &Name,
        access: OFlags,
        operation: &'static str,
    ) -> DiskResult<OwnedFd> {
        let not_regular = || with_kind(DiskErrorKind::NotRegular, operation, Errno::NXIO);
        if status::of_name(at, name).map_err(failed(operation))?.kind != FileKind::File {
            return Err(not_regular());
        }
        let file = match self.open(at, name, access) {
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Err(not_regular()),
            result => result.map_err(failed(operation))?,
        };
        match status::of_open(&file).map_err(failed(operation))?.kind {
            FileKind::File => Ok(file),
            _ => Err(not_regular()),
        }
    }

    /// Opens a symlink itself: no access but to its inode.
    pub(super) fn symlink(&self, at: BorrowedFd<'_>, name: &Name) -> Result<OwnedFd, Errno> {
        self.open(at, name, OFlags::PATH)
    }

    fn open(&self, at: BorrowedFd<'_>, name: &Name, flags: OFlags) -> Result<OwnedFd, Errno> {
        // A handle that is only a place takes no flags about waiting and terminals.
        let always =
            if flags.contains(OFlags::PATH) { OFlags::NOFOLLOW | OFlags::CLOEXEC } else { ALWAYS };
        let flags = flags | always;
        let mut last = Errno::AGAIN;
        for _ in 0..ATTEMPTS {
            match self.open_once(at, name, flags) {
                Err(errno @ (Errno::AGAIN | Errno::INTR)) => last = errno,
                result => return result,
            }
            std::thread::yield_now();
        }
        Err(last)
    }

    fn open_once(&self, at: BorrowedFd<'_>, name: &Name, flags: OFlags) -> Result<OwnedFd, Errno> {
        if !self.openat2.load(Ordering::Relaxed) {
            return open_plainly(at, name, flags);
        }
        match rustix::fs::openat2(at, name.as_bytes(), flags, Mode::empty(), RESOLVE) {
            Err(refusal @ (Errno::NOSYS | Errno::PERM)) => {
                let result = open_plainly(at, name, flags);
                // What `openat` may do and `openat2` may not is a filter's doing: it stays.
                if result.is_ok() || refusal == Errno::NOSYS {
                    self.openat2.store(false, Ordering::Relaxed);
                }
                result
            }
            result => result,
        }
    }
}

fn open_plainly(at: BorrowedFd<'_>, name: &Name, flags: OFlags) -> Result<OwnedFd, Errno> {
    let opened = rustix::fs::openat(at, name.as_bytes(), flags, Mode::empty())?;
    if status::mount_of(&opened)? == status::mount_of(at)? { Ok(opened) } else { Err(Errno::XDEV) }
}

/// Opens a directory by a path that the administrator gave, symlinks in it followed.
pub(super) fn by_path(path: &std::path::Path) -> DiskResult<OwnedFd> {
    let open = |access| {
        rustix::io::retry_on_intr(|| {
            rustix::fs::open(path, access | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        })
    };
    match open(OFlags::RDONLY) {
        Err(Errno::ACCESS) => open(OFlags::PATH),
        result => result,
    }
    .map_err(|errno| {
        let failed = failed("open")(errno);
        DiskError { detail: format!("{}: {}", path.display(), failed.detail), ..failed }
    })
}

/// Opens the same directory once more, with a reading position of its own.
pub(super) fn again(directory: impl AsFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::io::retry_on_intr(|| rustix::fs::openat(&directory, ".", flags, Mode::empty()))
}

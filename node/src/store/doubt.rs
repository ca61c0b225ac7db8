//! Whether a file's stat can be trusted to change with the file.
//!
//! Where time stamps are coarse, a file can be written to twice within one step: the second write
//! leaves size, mtime and ctime as they were, and a scan that compares stats never sees it. So a
//! row whose ctime is not older than the beginning of its reading is *doubtful*: it keeps its stat
//! with a mark, compares unequal to every stat, and the file is read again when somebody looks
//! next. The present, in the file system's own time, is the ctime of a file made for the purpose in
//! the work directory; nothing else can say it, for clocks differ between a server and its file
//! system. Where none can be made, the newest ctime that this job has met stands for it.
//!
//! Costs nothing on file systems whose stamps are fine (Linux 6.13 and later on ext4, xfs, btrfs
//! and tmpfs), and four or five primitives a job that reads files elsewhere. Never decides that a file has
//! changed: only that it has to be looked at.

use mirrormesh_merkle::Time;

use super::disk::{Disk, DiskErrorKind, Place, Stat};
use super::index::Seen;
use super::temporary::work_name;

/// Steps up to this many nanoseconds need no doubt: reading takes longer.
pub(crate) const FINE_STEP: u32 = 1_000;

/// Set in a ctime's nanoseconds, which are below 10^9.
const MARK: u32 = 1 << 31;

/// What a job knows of the file system's time.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    coarse: Option<bool>,
    begun: Option<Time>,
    newest: Option<Time>,
}

impl Stamps {
    /// To be called before the first file is read; later calls cost nothing.
    pub(crate) fn begin<D: Disk>(&mut self, disk: &D, root: &D::Directory) {
        if self.coarse.is_some() {
            return;
        }
        let filesystem = disk.filesystem(root).ok();
        let coarse = filesystem.is_none_or(|filesystem| filesystem.time_step > FINE_STEP);
        self.coarse = Some(coarse);
        if coarse {
            let unnamed_files = filesystem.is_some_and(|filesystem| filesystem.unnamed_files);
            self.begun = present(disk, unnamed_files);
        }
    }

    /// Whether a file was changed so shortly before the beginning that a later change might leave
    /// its stat as it is. `false` where that cannot be said.
    pub(crate) fn is_young(&self, stat: &Stat) -> bool {
        self.begun.is_some_and(|begun| stat.ctime >= begun)
    }

    /// What to remember of a file that was read with this stat.
    pub(crate) fn seen(&mut self, stat: &Stat) -> Seen {
        let seen = Seen::of(stat);
        if self.coarse == Some(false) {
            return seen;
        }
        self.newest = self.newest.max(Some(stat.ctime));
        let present = self.begun.or(self.newest);
        if present.is_some_and(|present| stat.ctime < present) { seen } else { doubtful(seen) }
    }
}

/// The file system's time now, from a file made for it.
fn present<D: Disk>(disk: &D, unnamed_files: bool) -> Option<Time> {
    let work = disk.open_place(Place::Work).ok()?;
    if unnamed_files {
        let file = disk.create_unnamed(&work).ok()?;
        return Some(disk.stat_file(&file).ok()?.ctime);
    }
    let name = work_name("clock");
    let file = match disk.create(&work, &name) {
        // A crash left it, or another job is about to remove it.
        Err(error) if error.kind == DiskErrorKind::Exists => {
            disk.remove(&work, &name).ok()?;
            disk.create(&work, &name).ok()?
        }
        made => made.ok()?,
    };
    let stat = disk.stat_file(&file);
    // Another job may have removed it.
    let _ = disk.remove(&work, &name);
    Some(stat.ok()?.ctime)
}

/// Marks a stat as doubtful.
pub(crate) fn doubtful(mut seen: Seen) -> Seen {
    seen.ctime.nanoseconds |= MARK;
    seen
}

/// Whether a row's stat is this one, doubtful or not. For whoever checks the content afterwards,
/// or displaces the file without destroying it.
pub(crate) fn same_or_doubtful(seen: &Seen, stat: &Stat) -> bool {
    let mut plain = *seen;
    plain.ctime.nanoseconds &= !MARK;
    plain == Seen::of(stat)
}

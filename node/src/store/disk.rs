//! The seam to everything sequential: one file system below two directories, and one ordered store.
//!
//! Every primitive takes a directory handle and one name, never a path, so that no symlink can be
//! followed by accident. Jobs are straight-line functions over this trait; the simulator may crash
//! between any two primitives. An implementation contains no decision: what to do, and in which
//! order, is said by the jobs.
//!
//! Durability, the same for every implementation: file data becomes durable by [`Disk::sync_file`],
//! names by [`Disk::sync_directory`], both by [`Disk::sync_all`]; commits to the ordered store
//! become durable, in order and whole, with the next durable commit. What was not made durable may
//! survive a crash or not, in any combination.

use bytes::Bytes;
use mirrormesh_merkle::{Name, Path, Time};

/// What one name in a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device, or a kind unknown to this program.
    Device,
}

/// What `lstat` says of a name, as far as mirrormesh looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, 07777.
    pub mode: u16,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last change of content.
    pub mtime: Time,
    /// Time of the last change of the inode; cannot be set by users.
    pub ctime: Time,
    /// Inode number.
    pub inode: u64,
    /// Device of the file system.
    pub device: u64,
    /// Number of names of this inode.
    pub links: u32,
    /// Numeric owner.
    pub user: u32,
    /// Numeric group.
    pub group: u32,
}

/// Where a handle starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The document root; its path is resolved again at each call.
    Docroot,
    /// The work directory, on the docroot's mount.
    Work,
}

/// How a rename treats a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rename {
    /// The taken name is replaced.
    Replace,
    /// The rename fails with [`DiskErrorKind::Exists`].
    Keep,
    /// Both names change places; fails with `Unsupported` where the file system cannot.
    Exchange,
}

/// Whether somebody has a file open for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// Somebody has.
    Yes,
    /// Nobody has, this instant.
    No,
    /// The right to ask is missing, or the file system cannot tell.
    Unknown,
}

/// Whether hints will be given for the names in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// A watch is in place.
    Yes,
    /// None is: the directory has to be scanned again from time to time.
    No,
}

/// Metadata to be set on a file or directory; `None` leaves as is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Permission bits.
    pub mode: Option<u16>,
    /// Time of the last change of content.
    pub mtime: Option<Time>,
    /// Numeric owner and group.
    pub owner: Option<(u32, u32)>,
}

/// Identity, room and abilities of the file system that holds a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filesystem {
    /// Device number.
    pub device: u64,
    /// Identity of the mount; another one at the same path is another file system.
    pub mount: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes that this process may still write.
    pub free_bytes: u64,
    /// Whether [`Disk::create_unnamed`] works.
    pub unnamed_files: bool,
    /// Whether [`Rename::Exchange`] works.
    pub exchange: bool,
    /// Whether [`Disk::clone_range`] may share blocks.
    pub reflink: bool,
    /// Smallest step of time stamps, in nanoseconds.
    pub time_step: u32,
    /// Whether modes keep this process out: of a directory without the bits of its owner, say.
    pub obeys_modes: bool,
}

/// A table of the ordered store. Keys and values are bytes; keys are ordered as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Node hash -> generation (4 bytes, big-endian), encoded tree node. Everything below a node
    /// in this table is in it too.
    Nodes,
    /// Node hash -> encoded tree node, of a walk that is not finished.
    Incoming,
    /// Index key of a path -> what lies there, as last observed or applied.
    Index,
    /// Content hash (16 bytes), index key -> nothing: where a content lies.
    Contents,
    /// Epoch, sequence number (both big-endian) -> head and delta.
    Journal,
    /// Identifier (8 bytes, big-endian) -> manifest of something set aside.
    Kept,
    /// Name -> value: head, document, fence, trees and all else that is one of a kind.
    State,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 7] = [
        Table::Nodes,
        Table::Incoming,
        Table::Index,
        Table::Contents,
        Table::Journal,
        Table::Kept,
        Table::State,
    ];
}

/// Changes to the ordered store that are made together or not at all; later ones win.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Table, key, and the new value or `None` to remove.
    pub writes: Vec<(Table, Bytes, Option<Bytes>)>,
}

impl Batch {
    /// Sets a value.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.push((table, key.into(), Some(value.into())));
    }

    /// Removes a key; one that is not there is no error.
    pub fn remove(&mut self, table: Table, key: impl Into<Bytes>) {
        self.writes.push((table, key.into(), None));
    }
}

/// Why a primitive failed. The file system is as it was before the call, except for `write`, which
/// may have written a part, and for failed syncs, after which the data must be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskErrorKind {
    /// No such name.
    NotFound,
    /// The name is taken.
    Exists,
    /// A directory was needed, and this is none (or a symlink to one).
    NotDirectory,
    /// A regular file was needed, and this is none.
    NotRegular,
    /// The directory is not empty.
    NotEmpty,
    /// The process lacks the right.
    Permission,
    /// The disk, the quota or the number of inodes is exhausted.
    NoSpace,
    /// The file system is mounted read-only.
    ReadOnly,
    /// Another file system begins here.
    OtherFilesystem,
    /// The file system cannot do this.
    Unsupported,
    /// Too many files are open.
    TooManyOpen,
    /// A name or value that the file system refuses, such as too long a name.
    Invalid,
    /// The medium failed, or something else that is not expected.
    Failed,
    /// The process ends here: nothing is done about it. Simulated disks say this where a process
    /// is killed, real ones while a daemon stops.
    Crashed,
}

/// A failed primitive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {detail}")]
pub struct DiskError {
    /// What kind of failure it is; decisions rest on this alone.
    pub kind: DiskErrorKind,
    /// The primitive that failed.
    pub operation: &'static str,
    /// What the system said, for people.
    pub detail: String,
}

impl DiskError {
    /// A failure of `operation` with the kind's own name as detail.
    pub fn new(kind: DiskErrorKind, operation: &'static str) -> DiskError {
        DiskError { kind, operation, detail: format!("{kind:?}") }
    }
}

/// Result of a primitive.
pub type DiskResult<T> = Result<T, DiskError>;

/// One file system below two directories, and one ordered store.
pub trait Disk {
    /// An open directory. Cloning is cheap.
    type Directory: Clone;
    /// An open regular file.
    type File;

    /// Opens a place. `Docroot` is resolved by its path each time, following symlinks in it.
    fn open_place(&self, place: Place) -> DiskResult<Self::Directory>;

    /// Opens a directory by name: not through symlinks, not into another mount
    /// (`OtherFilesystem`).
    fn open_directory(&self, at: &Self::Directory, name: &Name) -> DiskResult<Self::Directory>;

    /// Calls `each` with every name but `.` and `..`, in no order, and its kind as the directory
    /// tells it.
    fn list(&self, at: &Self::Directory, each: &mut dyn FnMut(Name, FileKind)) -> DiskResult<()>;

    /// What a name is; symlinks are not followed.
    fn stat(&self, at: &Self::Directory, name: &Name) -> DiskResult<Stat>;

    /// What an open directory is.
    fn stat_directory(&self, directory: &Self::Directory) -> DiskResult<Stat>;

    /// What tells an open directory from others with its inode number, on this file system or
    /// another, and stays so over remounts and reboots: its time of birth in nanoseconds since
    /// 1970, wrapped to 64 bits; where the file system keeps none, the device number.
    fn birth(&self, directory: &Self::Directory) -> DiskResult<u64>;

    /// What an open file is.
    fn stat_file(&self, file: &Self::File) -> DiskResult<Stat>;

    /// Opens a regular file for reading: never blocks, never follows, refuses all other kinds
    /// with `NotRegular`.
    fn open_file(&self, at: &Self::Directory, name: &Name) -> DiskResult<Self::File>;

    /// Reads at an offset; returns the number of bytes, 0 at the end.
    fn read(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> DiskResult<usize>;

    /// Makes a new file in `at` that has no name yet, mode 0600, and vanishes if it gets none.
    fn create_unnamed(&self, at: &Self::Directory) -> DiskResult<Self::File>;

    /// Makes a new file with a name that is free, mode 0600.
    fn create(&self, at: &Self::Directory, name: &Name) -> DiskResult<Self::File>;

    /// Opens a file of the work directory's own for writing on. Never used below the docroot.
    fn reopen(&self, at: &Self::Directory, name: &Name) -> DiskResult<Self::File>;

    /// Writes all of `bytes` at an offset.
    fn write(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> DiskResult<()>;

    /// Cuts or extends a file; what is added reads as zeros.
    fn set_length(&self, file: &Self::File, length: u64) -> DiskResult<()>;

    /// Makes `to`, which is empty, hold the first `length` bytes of `from` by sharing blocks;
    /// `Unsupported` where the file system cannot.
    fn clone_range(&self, from: &Self::File, to: &Self::File, length: u64) -> DiskResult<()>;

    /// Gives an unnamed file a name that is free.
    fn link(&self, file: &Self::File, at: &Self::Directory, name: &Name) -> DiskResult<()>;

    /// Renames, also between directories of the same mount.
    fn rename(
        &self,
        from: &Self::Directory,
        old: &Name,
        to: &Self::Directory,
        new: &Name,
        how: Rename,
    ) -> DiskResult<()>;

    /// Removes a name that is not a directory.
    fn remove(&self, at: &Self::Directory, name: &Name) -> DiskResult<()>;

    /// Removes an empty directory.
    fn remove_directory(&self, at: &Self::Directory, name: &Name) -> DiskResult<()>;

    /// Makes a directory with exactly these permission bits.
    fn make_directory(&self, at: &Self::Directory, name: &Name, mode: u16) -> DiskResult<()>;

    /// Makes a symlink.
    fn make_symlink(&self, at: &Self::Directory, name: &Name, target: &[u8]) -> DiskResult<()>;

    /// Reads a symlink.
    fn read_symlink(&self, at: &Self::Directory, name: &Name) -> DiskResult<Bytes>;

    /// Sets owner, then mode, then time on an open file.
    fn set_file_metadata(&self, file: &Self::File, metadata: Metadata) -> DiskResult<()>;

    /// Sets owner and mode on an open directory; `mtime` is ignored.
    fn set_directory_metadata(
        &self,
        directory: &Self::Directory,
        metadata: Metadata,
    ) -> DiskResult<()>;

    /// Sets the owner of a symlink that was just made.
    fn set_symlink_owner(
        &self,
        at: &Self::Directory,
        name: &Name,
        owner: (u32, u32),
    ) -> DiskResult<()>;

    /// Whether somebody has this file open for writing. Takes a read lease and drops it at once.
    fn is_somebody_writing(&self, file: &Self::File) -> Writing;

    /// Makes a file's data and metadata durable (not its name).
    fn sync_file(&self, file: &Self::File) -> DiskResult<()>;

    /// Makes the names in a directory durable.
    fn sync_directory(&self, directory: &Self::Directory) -> DiskResult<()>;

    /// Makes everything on this file system durable.
    fn sync_all(&self, directory: &Self::Directory) -> DiskResult<()>;

    /// Makes the data of `files` and a batch of the ordered store durable, in no order. Like
    /// [`Disk::sync_file`] on each and a durable [`Disk::commit`], which may run side by side.
    fn sync_files_and_commit(&self, files: &[&Self::File], batch: Batch) -> DiskResult<()>;

    /// Identity, room and abilities of the file system below a directory.
    fn filesystem(&self, directory: &Self::Directory) -> DiskResult<Filesystem>;

    /// Asks for hints ([`crate::core::Hint`]) about the names in a directory; called before the
    /// directory is listed, so that no change falls between. `path` is what hints will name.
    fn watch(&self, directory: &Self::Directory, path: &Path) -> Watched;

    /// A value of the ordered store.
    fn get(&self, table: Table, key: &[u8]) -> DiskResult<Option<Bytes>>;

    /// Calls `each` with keys from `start` (included) to `end` (excluded; `None`: the last) in
    /// order until it returns `false`.
    fn range(
        &self,
        table: Table,
        start: &[u8],
        end: Option<&[u8]>,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> DiskResult<()>;

    /// Makes the changes of a batch, all or none. A durable commit also makes all earlier ones
    /// durable.
    fn commit(&self, batch: Batch, durable: bool) -> DiskResult<()>;
}

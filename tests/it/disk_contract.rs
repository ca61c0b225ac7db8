//! What every disk owes the jobs: one list of checks, run on the simulated and on the real disk.
//!
//! The checks look through the seam alone. Local users are a trait of their own, since they come
//! from elsewhere on each disk. What a file system may lack is checked either way.

use std::collections::BTreeMap;

use bytes::Bytes;
use mirrormesh::store::{
    Batch, Disk, DiskErrorKind, DiskResult, FileKind, Metadata, Place, Rename, Table, Watched,
    Writing,
};
use mirrormesh_merkle::{Name, Path, Time};

mod ordered_store;
mod real;
mod simulated;

use ordered_store::ordered_store;

/// Somebody who writes the docroot without asking. Paths are relative to it.
trait User {
    /// Truncates and writes in place.
    fn write(&self, path: &str, bytes: &[u8]);
    /// Writes a new file and renames it into place.
    fn replace(&self, path: &str, bytes: &[u8]);
    fn make_fifo(&self, path: &str);
    fn link(&self, old: &str, new: &str);
    /// Opens a file for writing until the answer is dropped.
    fn open<'a>(&'a self, path: &str) -> Box<dyn FnOnce() + 'a>;
    /// Moves the docroot away and puts an empty directory in its place.
    fn switch_docroot(&self);
}

fn name(text: impl AsRef<[u8]>) -> Name {
    Name::new(text).expect("a name")
}

fn kind<T>(result: DiskResult<T>) -> Option<DiskErrorKind> {
    result.err().map(|error| error.kind)
}

fn read<D: Disk>(disk: &D, file: &D::File) -> Vec<u8> {
    let mut read = Vec::new();
    let mut buffer = [0; 1000];
    loop {
        match disk.read(file, read.len() as u64, &mut buffer).expect("read") {
            0 => return read,
            length => read.extend_from_slice(&buffer[..length]),
        }
    }
}

fn content<D: Disk>(disk: &D, at: &D::Directory, text: &str) -> Vec<u8> {
    read(disk, &disk.open_file(at, &name(text)).expect("open"))
}

fn listed<D: Disk>(disk: &D, at: &D::Directory) -> BTreeMap<Name, FileKind> {
    let mut listed = BTreeMap::new();
    disk.list(at, &mut |name, kind| assert!(listed.insert(name, kind).is_none())).expect("list");
    listed
}

/// A new directory below the docroot for one group of checks.
fn fresh<D: Disk>(disk: &D, text: &str) -> D::Directory {
    let docroot = disk.open_place(Place::Docroot).expect("docroot");
    disk.make_directory(&docroot, &name(text), 0o755).expect("make");
    disk.open_directory(&docroot, &name(text)).expect("open")
}

fn put<D: Disk>(disk: &D, at: &D::Directory, text: &str, bytes: &[u8]) -> D::File {
    let file = disk.create(at, &name(text)).expect("create");
    disk.write(&file, 0, bytes).expect("write");
    file
}

/// Every check but that of restarts. `disk` is empty.
fn contract<D: Disk>(disk: &D, user: &dyn User) {
    places(disk);
    directories(disk);
    odd_names(disk);
    files(disk);
    what_is_no_file(disk, user);
    unnamed_files(disk);
    renames(disk);
    exchanges(disk);
    symlinks(disk);
    metadata(disk);
    owners(disk);
    shared_blocks(disk);
    users(disk, user);
    who_writes(disk, user);
    durability(disk);
    ordered_store(disk);
    docroot_by_its_path(disk, user);
}

fn places<D: Disk>(disk: &D) {
    let docroot = disk.open_place(Place::Docroot).expect("docroot");
    let work = disk.open_place(Place::Work).expect("work");
    let stats = [&docroot, &work].map(|place| disk.stat_directory(place).expect("stat"));
    assert!(stats.iter().all(|stat| stat.kind == FileKind::Directory));
    assert_ne!(stats[0].inode, stats[1].inode);
    assert_eq!(stats[0].device, stats[1].device);
    let [one, other] = [&docroot, &work].map(|place| disk.filesystem(place).expect("filesystem"));
    assert_eq!((one.device, one.mount), (stats[0].device, other.mount));
    assert!(one.free_bytes <= one.total_bytes && one.time_step >= 1);
    assert!(listed(disk, &docroot).is_empty(), "looking leaves no trace");
    assert!(matches!(disk.watch(&docroot, &Path::root()), Watched::Yes | Watched::No));
}

fn directories<D: Disk>(disk: &D) {
    let at = fresh(disk, "directories");
    for mode in [0o700, 0o751, 0o777, 0o1777] {
        let text = format!("d{mode:o}");
        disk.make_directory(&at, &name(&text), mode).unwrap();
        let stat = disk.stat(&at, &name(&text)).unwrap();
        assert_eq!((stat.kind, stat.mode), (FileKind::Directory, mode));
        let opened = disk.open_directory(&at, &name(&text)).unwrap();
        assert_eq!(disk.stat_directory(&opened).unwrap().inode, stat.inode);
    }
    let taken = disk.make_directory(&at, &name("d700"), 0o700);
    assert_eq!(kind(taken), Some(DiskErrorKind::Exists));
    drop(put(disk, &at, "file", b""));
    disk.make_symlink(&at, &name("link"), b"d700").unwrap();
    let open = |text| kind(disk.open_directory(&at, &name(text)));
    assert_eq!(open("missing"), Some(DiskErrorKind::NotFound));
    assert_eq!(open("file"), Some(DiskErrorKind::NotDirectory));
    assert_eq!(open("link"), Some(DiskErrorKind::NotDirectory));

    let inner = disk.open_directory(&at, &name("d700")).unwrap();
    drop(put(disk, &inner, "inside", b""));
    let remove = |text| kind(disk.remove_directory(&at, &name(text)));
    assert_eq!(remove("d700"), Some(DiskErrorKind::NotEmpty));
    assert_eq!(remove("file"), Some(DiskErrorKind::NotDirectory));
    assert_eq!(remove("link"), Some(DiskErrorKind::NotDirectory));
    assert_eq!(remove("missing"), Some(DiskErrorKind::NotFound));
    assert_eq!(kind(disk.remove(&at, &name("d751"))), Some(DiskErrorKind::NotRegular));
    disk.remove(&inner, &name("inside")).unwrap();
    assert_eq!(remove("d700"), None);
    assert_eq!(disk.stat_directory(&inner).unwrap().kind, FileKind::Directory, "still open");
    assert_eq!(kind(disk.create(&inner, &name("new"))), Some(DiskErrorKind::NotFound));
    let list = disk.list(&inner, &mut |_, _| panic!("nothing is there"));
    assert_eq!(kind(list), Some(DiskErrorKind::NotFound));
    assert_eq!(kind(disk.stat(&at, &name("d700"))), Some(DiskErrorKind::NotFound));

    let expected = [
        ("d1777", FileKind::Directory),
        ("d751", FileKind::Directory),
        ("d777", FileKind::Directory),
        ("file", FileKind::File),
        ("link", FileKind::Symlink),
    ];
    assert_eq!(listed(disk, &at), expected.map(|(text, kind)| (name(text), kind)).into());
    // A second listing by the same handle begins anew.
    assert_eq!(listed(disk, &at).len(), 5);
}

fn odd_names<D: Disk>(disk: &D) {
    let at = fresh(disk, "odd names");
    let long = vec![b'x'; 255];
    let odd: [&[u8]; 6] = [b"\xff\xfe", b"a\nb", b" ", b"-", b"...", &long];
    for bytes in odd {
        drop(disk.create(&at, &name(bytes)).unwrap());
    }
    assert_eq!(listed(disk, &at).len(), odd.len());
    odd.iter().for_each(|bytes| assert!(disk.stat(&at, &name(bytes)).is_ok()));
}

fn files<D: Disk>(disk: &D) {
    let at = fresh(disk, "files");
    let file = disk.create(&at, &name("file")).unwrap();
    let stat = disk.stat_file(&file).unwrap();
    assert_eq!((stat.kind, stat.mode, stat.size), (FileKind::File, 0o600, 0));
    assert_eq!(stat.links, 1);
    assert_eq!(disk.stat(&at, &name("file")).unwrap(), stat);
    assert_eq!(kind(disk.create(&at, &name("file"))), Some(DiskErrorKind::Exists));

    disk.write(&file, 5000, b"far").unwrap();
    disk.write(&file, 0, b"near").unwrap();
    disk.write(&file, 1, b"").unwrap();
    let mut expected = vec![0; 5003];
    expected[..4].copy_from_slice(b"near");
    expected[5000..].copy_from_slice(b"far");
    assert_eq!(content(disk, &at, "file"), expected);
    assert_eq!(disk.read(&file, 5003, &mut [0; 8]).unwrap(), 0);
    assert_eq!(disk.read(&file, 1 << 40, &mut [0; 8]).unwrap(), 0);

    disk.set_length(&file, 2).unwrap();
    disk.set_length(&file, 6000).unwrap();
    expected = vec![0; 6000];
    expected[..2].copy_from_slice(b"ne");
    assert_eq!(content(disk, &at, "file"), expected, "what was cut does not come back");
    assert_eq!(disk.stat(&at, &name("file")).unwrap().size, 6000);

    drop(file);
    let again = disk.reopen(&at, &name("file")).unwrap();
    disk.write(&again, 2, b"xt").unwrap();
    assert_eq!(&read(disk, &again)[..5], b"next\0");

    disk.remove(&at, &name("file")).unwrap();
    assert_eq!(&read(disk, &again)[..4], b"next", "an open file outlives its name");
    assert_eq!(disk.stat_file(&again).unwrap().links, 0);
    assert_eq!(kind(disk.remove(&at, &name("file"))), Some(DiskErrorKind::NotFound));
    assert_eq!(kind(disk.open_file(&at, &name("file"))), Some(DiskErrorKind::NotFound));
    assert_eq!(kind(disk.reopen(&at, &name("file"))), Some(DiskErrorKind::NotFound));
}

fn what_is_no_file<D: Disk>(disk: &D, user: &dyn User) {
    let at = fresh(disk, "special");
    user.make_fifo("special/pipe");
    disk.make_directory(&at, &name("directory"), 0o755).unwrap();
    drop(put(disk, &at, "target", b"secret"));
    disk.make_symlink(&at, &name("link"), b"target").unwrap();
    disk.make_symlink(&at, &name("dangling"), b"nowhere").unwrap();
    for text in ["pipe", "directory", "link", "dangling"] {
        let opened = kind(disk.open_file(&at, &name(text)));
        assert_eq!(opened, Some(DiskErrorKind::NotRegular), "{text}");
        assert_eq!(kind(disk.reopen(&at, &name(text))), Some(DiskErrorKind::NotRegular));
        let created = kind(disk.create(&at, &name(text)));
        assert_eq!(created, Some(DiskErrorKind::Exists), "{text}");
    }
    assert_eq!(disk.stat(&at, &name("pipe")).unwrap().kind, FileKind::Fifo);
    assert_eq!(listed(disk, &at)[&name("pipe")], FileKind::Fifo);
    assert!(!listed(disk, &at).contains_key(&name("nowhere")));
    disk.remove(&at, &name("pipe")).unwrap();
}

fn unnamed_files<D: Disk>(disk: &D) {
    let at = fresh(disk, "unnamed");
    if !disk.filesystem(&at).unwrap().unnamed_files {
        assert_eq!(kind(disk.create_unnamed(&at)), Some(DiskErrorKind::Unsupported));
        return;
    }
    let file = disk.create_unnamed(&at).unwrap();
    disk.write(&file, 0, b"staged").unwrap();
    let stat = disk.stat_file(&file).unwrap();
    assert_eq!((stat.mode, stat.size, stat.links), (0o600, 6, 0));
    assert!(listed(disk, &at).is_empty());

    drop(put(disk, &at, "taken", b"old"));
    assert_eq!(kind(disk.link(&file, &at, &name("taken"))), Some(DiskErrorKind::Exists));
    assert_eq!(content(disk, &at, "taken"), b"old");
    disk.link(&file, &at, &name("free")).unwrap();
    assert_eq!(content(disk, &at, "free"), b"staged");
    let named = disk.stat(&at, &name("free")).unwrap();
    assert_eq!((named.inode, named.links), (stat.inode, 1));

    drop(disk.create_unnamed(&at).unwrap());
    assert_eq!(listed(disk, &at).len(), 2);
}

fn renames<D: Disk>(disk: &D) {
    let at = fresh(disk, "renames");
    let other = fresh(disk, "renames to");
    let rename = |old: &str, to: &D::Directory, new: &str, how| {
        kind(disk.rename(&at, &name(old), to, &name(new), how))
    };
    drop(put(disk, &at, "a", b"a"));
    drop(put(disk, &at, "b", b"b"));
    for text in ["empty", "full"] {
        disk.make_directory(&at, &name(text), 0o755).unwrap();
    }
    let full = disk.open_directory(&at, &name("full")).unwrap();
    drop(put(disk, &full, "inside", b""));

    for how in [Rename::Replace, Rename::Keep] {
        assert_eq!(rename("missing", &other, "x", how), Some(DiskErrorKind::NotFound));
    }
    assert_eq!(rename("a", &at, "b", Rename::Keep), Some(DiskErrorKind::Exists));
    assert_eq!(rename("a", &at, "full", Rename::Keep), Some(DiskErrorKind::Exists));
    assert_eq!(rename("empty", &at, "full", Rename::Keep), Some(DiskErrorKind::Exists));
    assert_eq!(rename("a", &at, "empty", Rename::Replace), Some(DiskErrorKind::NotRegular));
    assert_eq!(rename("empty", &at, "a", Rename::Replace), Some(DiskErrorKind::NotDirectory));
    assert_eq!(rename("empty", &at, "full", Rename::Replace), Some(DiskErrorKind::NotEmpty));
    assert_eq!(rename("full", &full, "full", Rename::Replace), Some(DiskErrorKind::Invalid));
    assert_eq!(content(disk, &at, "a"), b"a");
    assert_eq!(content(disk, &at, "b"), b"b");

    let old = disk.open_file(&at, &name("b")).unwrap();
    assert_eq!(rename("a", &at, "b", Rename::Replace), None);
    assert_eq!(content(disk, &at, "b"), b"a");
    assert_eq!(read(disk, &old), b"b", "who has it open still reads the old file");
    assert_eq!(rename("b", &other, "c", Rename::Keep), None);
    assert_eq!(content(disk, &other, "c"), b"a");
    assert_eq!(rename("full", &other, "moved", Rename::Keep), None);
    assert_eq!(rename("empty", &other, "empty", Rename::Replace), None);
    assert!(listed(disk, &at).is_empty());
    assert!(disk.stat(&full, &name("inside")).is_ok(), "an open directory moves along");
    disk.rename(&other, &name("moved"), &other, &name("empty"), Rename::Replace).unwrap();
    assert_eq!(listed(disk, &other).len(), 2);
}

fn exchanges<D: Disk>(disk: &D) {
    let at = fresh(disk, "exchanges");
    drop(put(disk, &at, "file", b"x"));
    disk.make_directory(&at, &name("directory"), 0o755).unwrap();
    let inner = disk.open_directory(&at, &name("directory")).unwrap();
    drop(put(disk, &inner, "inside", b""));
    let exchange = |old, new| kind(disk.rename(&at, &name(old), &at, &name(new), Rename::Exchange));
    if !disk.filesystem(&at).unwrap().exchange {
        assert_eq!(exchange("file", "directory"), Some(DiskErrorKind::Unsupported));
        assert_eq!(content(disk, &at, "file"), b"x");
        return;
    }
    assert_eq!(exchange("file", "missing"), Some(DiskErrorKind::NotFound));
    assert_eq!(exchange("missing", "file"), Some(DiskErrorKind::NotFound));
    assert_eq!(exchange("file", "directory"), None);
    assert_eq!(content(disk, &at, "directory"), b"x");
    let now = disk.open_directory(&at, &name("file")).unwrap();
    assert_eq!(listed(disk, &now).len(), 1);
}

fn symlinks<D: Disk>(disk: &D) {
    let at = fresh(disk, "symlinks");
    for target in [b"../up/\xff".as_slice(), b"/", &[b't'; 4000]] {
        disk.make_symlink(&at, &name("link"), target).unwrap();
        assert_eq!(disk.read_symlink(&at, &name("link")).unwrap(), target);
        let stat = disk.stat(&at, &name("link")).unwrap();
        assert_eq!((stat.kind, stat.size), (FileKind::Symlink, target.len() as u64));
        let taken = disk.make_symlink(&at, &name("link"), b"other");
        assert_eq!(kind(taken), Some(DiskErrorKind::Exists));
        let owner = (stat.user, stat.group);
        disk.set_symlink_owner(&at, &name("link"), owner).unwrap();
        disk.remove(&at, &name("link")).unwrap();
    }
    drop(put(disk, &at, "file", b""));
    assert_eq!(kind(disk.read_symlink(&at, &name("file"))), Some(DiskErrorKind::Invalid));
    assert_eq!(kind(disk.read_symlink(&at, &name("none"))), Some(DiskErrorKind::NotFound));
    let chown = |text| kind(disk.set_symlink_owner(&at, &name(text), (1, 1)));
    assert_eq!(chown("file"), Some(DiskErrorKind::Invalid));
    assert_eq!(chown("none"), Some(DiskErrorKind::NotFound));
}

fn in_steps(time: Time, step: u32) -> Time {
    match step {
        0..1_000_000_000 => Time { nanoseconds: time.nanoseconds / step * step, ..time },
        // Times of the checks are even seconds.
        _ => Time { nanoseconds: 0, ..time },
    }
}

fn metadata<D: Disk>(disk: &D) {
    let at = fresh(disk, "metadata");
    let step = disk.filesystem(&at).unwrap().time_step;
    let file = put(disk, &at, "file", b"x");
    let before = disk.stat_file(&file).unwrap();
    let mtime = Time { seconds: 1_000_000_002, nanoseconds: 123_456_789 };
    disk.set_file_metadata(
        &file,
        Metadata {
            mode: Some(0o4751),
            mtime: Some(mtime),
            owner: Some((before.user, before.group)),
        },
    )
    .unwrap();
    let after = disk.stat_file(&file).unwrap();
    assert_eq!(after.mode, 0o4751, "the mode is set after the owner, which takes bits away");
    assert_eq!(after.mtime, in_steps(mtime, step));
    assert_eq!((after.inode, after.size), (before.inode, before.size));

    // By a handle for reading too, and one thing alone.
    let reading = disk.open_file(&at, &name("file")).unwrap();
    let mode = Metadata { mode: Some(0o644), ..Metadata::default() };
    disk.set_file_metadata(&reading, mode).unwrap();
    disk.set_file_metadata(&reading, Metadata::default()).unwrap();
    let stat = disk.stat_file(&file).unwrap();
    assert_eq!((stat.mode, stat.mtime), (0o644, after.mtime));
    disk.rename(&at, &name("file"), &at, &name("renamed"), Rename::Keep).unwrap();
    assert_eq!(disk.stat(&at, &name("renamed")).unwrap().mtime, after.mtime);
    disk.write(&file, 0, b"y").unwrap();
    assert_ne!(disk.stat_file(&file).unwrap().mtime, after.mtime, "writing sets the time");

    let before = disk.stat_directory(&at).unwrap();
    let change = Metadata { mode: Some(0o2775), mtime: Some(mtime), owner: None };
    disk.set_directory_metadata(&at, change).unwrap();
    let after = disk.stat_directory(&at).unwrap();
    assert_eq!((after.mode, after.mtime), (0o2775, before.mtime));
}

/// Only where the process may give files away.
fn owners<D: Disk>(disk: &D) {
    let at = fresh(disk, "owners");
    let file = put(disk, &at, "file", b"x");
    let owner = Some((12345, 23456));
    let change = Metadata { owner, mode: Some(0o6755), ..Metadata::default() };
    match kind(disk.set_file_metadata(&file, change)) {
        None => {
            let stat = disk.stat_file(&file).unwrap();
            assert_eq!((stat.user, stat.group, stat.mode), (12345, 23456, 0o6755));
            let change = Metadata { owner, ..Metadata::default() };
            disk.set_directory_metadata(&at, change).unwrap();
            let stat = disk.stat_directory(&at).unwrap();
            assert_eq!((stat.user, stat.group, stat.mode), (12345, 23456, 0o755));
            disk.make_symlink(&at, &name("link"), b"x").unwrap();
            disk.set_symlink_owner(&at, &name("link"), (12345, 23456)).unwrap();
            let stat = disk.stat(&at, &name("link")).unwrap();
            assert_eq!((stat.user, stat.group), (12345, 23456));
            // It is not this process's any more.
            let again = disk.set_symlink_owner(&at, &name("link"), (0, 1));
            assert_eq!(kind(again), Some(DiskErrorKind::Permission));
        }
        refused => assert_eq!(refused, Some(DiskErrorKind::Permission)),
    }
}

fn shared_blocks<D: Disk>(disk: &D) {
    let at = fresh(disk, "shared");
    let bytes: Vec<u8> = (0..20_000u32).map(|number| (number % 251) as u8).collect();
    let from = put(disk, &at, "from", &bytes);
    let to = disk.create(&at, &name("to")).unwrap();
    if !disk.filesystem(&at).unwrap().reflink {
        let shared = disk.clone_range(&from, &to, 20_000);
        assert_eq!(kind(shared), Some(DiskErrorKind::Unsupported));
        assert_eq!(disk.stat_file(&to).unwrap().size, 0);
        return;
    }
    disk.clone_range(&from, &to, 20_000).unwrap();
    disk.write(&to, 5, b"own").unwrap();
    assert_eq!(read(disk, &from), bytes);
    assert_eq!(&read(disk, &to)[..9], b"\x00\x01\x02\x03\x04own\x08");
    let part = disk.create(&at, &name("part")).unwrap();
    disk.clone_range(&from, &part, 10_001).unwrap();
    assert_eq!(read(disk, &part), bytes[..10_001]);
}

fn users<D: Disk>(disk: &D, user: &dyn User) {
    let at = fresh(disk, "users");
    user.write("users/file", b"one");
    let file = disk.open_file(&at, &name("file")).unwrap();
    let before = disk.stat_file(&file).unwrap();
    user.write("users/file", b"other");
    assert_eq!(read(disk, &file), b"other", "in place: the same inode");
    assert_eq!(disk.stat(&at, &name("file")).unwrap().inode, before.inode);
    user.replace("users/file", b"new");
    assert_eq!(read(disk, &file), b"other", "by rename: another inode");
    assert_eq!(disk.stat_file(&file).unwrap().links, 0);
    assert_eq!(content(disk, &at, "file"), b"new");
    user.link("users/file", "users/twin");
    let [one, twin] = ["file", "twin"].map(|text| disk.stat(&at, &name(text)).unwrap());
    assert_eq!((one.links, one.inode), (2, twin.inode));
    // A rename between two names of one inode leaves both.
    disk.rename(&at, &name("file"), &at, &name("twin"), Rename::Replace).unwrap();
    assert_eq!(listed(disk, &at).len(), 2);
}

fn who_writes<D: Disk>(disk: &D, user: &dyn User) {
    let at = fresh(disk, "upload");
    user.write("upload/file", b"part");
    let file = disk.open_file(&at, &name("file")).unwrap();
    assert!(matches!(disk.is_somebody_writing(&file), Writing::No | Writing::Unknown));
    let close = user.open("upload/file");
    assert!(matches!(disk.is_somebody_writing(&file), Writing::Yes | Writing::Unknown));
    close();
    assert!(matches!(disk.is_somebody_writing(&file), Writing::No | Writing::Unknown));
    // The question leaves nothing behind that keeps a writer waiting.
    user.open("upload/file")();
}

/// That things are durable only a crash can tell; that nothing fails, and that syncs commit, this.
fn durability<D: Disk>(disk: &D) {
    let at = fresh(disk, "durability");
    let file = put(disk, &at, "file", b"x");
    disk.sync_file(&file).unwrap();
    disk.sync_file(&disk.open_file(&at, &name("file")).unwrap()).unwrap();
    disk.sync_directory(&at).unwrap();
    disk.sync_all(&at).unwrap();
    let files: Vec<D::File> =
        (0..40).map(|number| put(disk, &at, &format!("{number}"), b"x")).collect();
    let files: Vec<&D::File> = files.iter().collect();
    for (count, value) in [(0, "none"), (1, "one"), (40, "many")] {
        let mut batch = Batch::default();
        batch.put(Table::State, "synced", value);
        disk.sync_files_and_commit(&files[..count], batch).unwrap();
        let stored = disk.get(Table::State, b"synced").unwrap();
        assert_eq!(stored, Some(Bytes::from_static(value.as_bytes())));
    }
}

fn docroot_by_its_path<D: Disk>(disk: &D, user: &dyn User) {
    let before = disk.open_place(Place::Docroot).unwrap();
    user.switch_docroot();
    let after = disk.open_place(Place::Docroot).unwrap();
    let [old, new] = [&before, &after].map(|at| disk.stat_directory(at).unwrap().inode);
    assert_ne!(old, new);
    assert!(listed(disk, &after).is_empty());
    assert!(!listed(disk, &before).is_empty(), "what is open stays what it was");
}

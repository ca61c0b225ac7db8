#![allow(clippy::print_stderr, clippy::print_stdout)] // What is skipped is said.

mod attributes;
mod files;
mod hostile;
mod leasing;
mod measure;
mod naming;

use std::path::PathBuf;
use std::time::Duration;

use super::*;

/// A disk on temporary directories.
pub(super) struct Fixture {
    pub(super) folder: tempfile::TempDir,
    pub(super) disk: RealDisk,
}

impl Fixture {
    pub(super) fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        std::fs::create_dir(path("docroot")).unwrap();
        std::fs::create_dir(path("work")).unwrap();
        let options = RealDiskOptions {
            docroot: path("docroot"),
            work: path("work"),
            store: path("store"),
            watcher: None,
        };
        Fixture { disk: RealDisk::open(options).unwrap(), folder }
    }

    pub(super) fn docroot(&self) -> Directory {
        self.disk.open_place(Place::Docroot).unwrap()
    }

    /// A path below the docroot, for setting a scene without the disk.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join("docroot").join(below)
    }

    /// Makes a file with a name.
    pub(super) fn file(&self, at: &Directory, file_name: &str, content: &[u8]) -> File {
        let file = self.disk.create(at, &name(file_name)).unwrap();
        self.disk.write(&file, 0, content).unwrap();
        file
    }

    pub(super) fn listed(&self, at: &Directory) -> Vec<(Name, FileKind)> {
        let mut listed = Vec::new();
        self.disk.list(at, &mut |name, kind| listed.push((name, kind))).unwrap();
        listed.sort();
        listed
    }
}

pub(super) fn name(bytes: impl AsRef<[u8]>) -> Name {
    Name::new(bytes).unwrap()
}

pub(super) fn kind_of<T>(result: DiskResult<T>) -> DiskErrorKind {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error.kind,
    }
}

/// Runs `work`, which must not block.
pub(super) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(Duration::from_secs(20)).expect("it blocked")
}

/// Runs a program and tells whether it succeeded.
pub(super) fn run(program: &str, arguments: &[&str]) -> bool {
    let status = std::process::Command::new(program).args(arguments).status();
    status.is_ok_and(|status| status.success())
}

/// A file system that is mounted while this lives.
pub(super) struct Mounted(PathBuf);

impl Mounted {
    /// `None`, loudly, where mounting is not allowed.
    pub(super) fn new(test: &str, arguments: &[&str], at: PathBuf) -> Option<Mounted> {
        let mut arguments = arguments.to_vec();
        let text = at.to_str().unwrap().to_owned();
        arguments.push(&text);
        if run("mount", &arguments) {
            return Some(Mounted(at));
        }
        eprintln!("SKIPPED {test}: mounting takes root");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

#[test]
fn the_disk_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<RealDisk>();
    shared::<Directory>();
    shared::<File>();
}

#[test]
fn the_docroot_is_resolved_at_each_call() {
    let fixture = Fixture::new();
    let [one, two, link] = ["one", "two", "current"].map(|name| fixture.folder.path().join(name));
    std::fs::create_dir(&one).unwrap();
    std::fs::create_dir(&two).unwrap();
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let disk = RealDisk { docroot: link.clone(), ..fixture.disk };
    let inode = || {
        let docroot = disk.open_place(Place::Docroot)?;
        disk.stat_directory(&docroot).map(|stat| stat.inode)
    };
    let first = inode().unwrap();
    std::fs::remove_file(&link).unwrap();
    assert_eq!(kind_of(inode()), DiskErrorKind::NotFound);
    std::os::unix::fs::symlink(&two, &link).unwrap();
    assert_ne!(inode().unwrap(), first);
}

#[test]
fn a_file_system_tells_what_it_can_and_keeps_no_trace_of_the_trial() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    let filesystem = fixture.disk.filesystem(&docroot).unwrap();
    assert!(filesystem.free_bytes > 0 && filesystem.free_bytes <= filesystem.total_bytes);
    assert_eq!(filesystem.device, fixture.disk.stat_directory(&docroot).unwrap().device);
    assert_eq!(filesystem.unnamed_files, fixture.disk.create_unnamed(&docroot).is_ok());
    let work = fixture.disk.open_place(Place::Work).unwrap();
    assert_eq!(fixture.listed(&docroot), []);
    assert_eq!(fixture.listed(&work), []);
    fixture.file(&work, "a", b"");
    fixture.file(&work, "b", b"");
    let exchanged =
        fixture.disk.rename(&work, &name("a"), &work, &name("b"), Rename::Exchange).is_ok();
    assert_eq!(filesystem.exchange, exchanged);
    assert_eq!(fixture.disk.filesystem(&work).unwrap().mount, filesystem.mount);
}

#[test]
fn files_and_a_batch_become_durable_together() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    for count in [0, 1, 3, 100] {
        let files: Vec<File> = (0..count)
            .map(|index| fixture.file(&docroot, &format!("{count}-{index}"), b"x"))
            .collect();
        let mut batch = Batch::default();
        batch.put(Table::State, format!("{count}"), "done");
        let files: Vec<&File> = files.iter().collect();
        fixture.disk.sync_files_and_commit(&files, batch).unwrap();
        let value = fixture.disk.get(Table::State, count.to_string().as_bytes()).unwrap();
        assert_eq!(value.as_deref(), Some(&b"done"[..]));
    }
    fixture.disk.sync_directory(&docroot).unwrap();
    fixture.disk.sync_all(&docroot).unwrap();
}

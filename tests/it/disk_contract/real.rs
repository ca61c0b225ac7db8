//! The contract on the real disk.

use std::path::{Path, PathBuf};

use mirrormesh::daemon::disk::{RealDisk, RealDiskOptions};

use super::User;

struct RealUser(PathBuf);

impl RealUser {
    fn path(&self, path: &str) -> PathBuf {
        self.0.join("docroot").join(path)
    }
}

impl User for RealUser {
    fn write(&self, path: &str, bytes: &[u8]) {
        std::fs::write(self.path(path), bytes).expect("write");
    }

    fn replace(&self, path: &str, bytes: &[u8]) {
        let part = self.path(&format!("{path}.part"));
        std::fs::write(&part, bytes).expect("write");
        std::fs::rename(part, self.path(path)).expect("rename");
    }

    fn make_fifo(&self, path: &str) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let path = self.path(path);
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).expect("make");
    }

    fn link(&self, old: &str, new: &str) {
        std::fs::hard_link(self.path(old), self.path(new)).expect("link");
    }

    fn open<'a>(&'a self, path: &str) -> Box<dyn FnOnce() + 'a> {
        let file = std::fs::OpenOptions::new().append(true).open(self.path(path));
        let file = file.expect("open");
        Box::new(move || drop(file))
    }

    fn switch_docroot(&self) {
        std::fs::rename(self.path(""), self.0.join("away")).expect("rename");
        std::fs::create_dir(self.path("")).expect("make");
    }
}

fn open(directory: &Path) -> RealDisk {
    RealDisk::open(RealDiskOptions {
        docroot: directory.join("docroot"),
        work: directory.join(".mirrormesh-docroot"),
        store: directory.join("store"),
        watcher: None,
    })
    .expect("open")
}

fn make() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("directory");
    for place in ["docroot", ".mirrormesh-docroot"] {
        std::fs::create_dir(directory.path().join(place)).expect("make");
    }
    directory
}

#[test]
fn the_real_disk_keeps_the_contract() {
    let directory = make();
    super::contract(&open(directory.path()), &RealUser(directory.path().to_owned()));
}

#[test]
fn the_real_ordered_store_keeps_a_prefix() {
    let directory = make();
    super::ordered_store::restarts(open(directory.path()), &mut |disk| {
        drop(disk);
        open(directory.path())
    });
}

//! Trees of odd shapes: very deep, very wide, paths longer than the system takes.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, renameat};

use super::sample::site;
use crate::farm::Farm;

/// Levels of directories of one-letter names, and of names so long that the path exceeds what the
/// system takes in one piece.
const LEVELS: [usize; 2] = [300, 25];

/// Goes down through directories of one name, and makes them where asked.
fn down(root: &Path, name: &str, make: bool) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, root, flags, Mode::empty()).unwrap();
    for level in 0..LEVELS[usize::from(name.len() > 1)] {
        if make {
            mkdirat(&at, name, Mode::from_raw_mode(0o755)).unwrap();
        }
        at = openat(&at, name, flags, Mode::empty()).unwrap();
        if make && level % 20 == 0 {
            put(&at, "on-the-way", name);
        }
    }
    at
}

fn put(at: &OwnedFd, name: &str, content: &str) {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let file = openat(at, name, flags, Mode::from_raw_mode(0o644)).unwrap();
    rustix::io::write(&file, content.as_bytes()).unwrap();
}

fn read(at: &OwnedFd, name: &str) -> Option<String> {
    let file = openat(at, name, OFlags::RDONLY, Mode::empty()).ok()?;
    let mut bytes = [0; 100];
    let count = rustix::io::read(&file, &mut bytes[..]).unwrap();
    Some(String::from_utf8_lossy(&bytes[..count]).into_owned())
}

/// In sync, and equal as far as the program itself can tell: no path of the system leads there.
#[track_caller]
fn equal(farm: &Farm) {
    farm.wait_all();
    farm.replica().cli(&["wait", "--timeout", "60s"]).done();
    let hash = farm.origin().hash();
    for node in &farm.nodes {
        assert_eq!(node.hash(), hash, "{}", node.name);
        let status = node.status();
        assert_eq!(status["node"]["root"], hash.as_str(), "{}", node.name);
        assert_eq!(status["node"]["in_sync"], true, "{}", node.name);
        let reason = status["node"]["watch"]["reason"].as_str().unwrap();
        assert!(reason.len() < 500, "{}: {reason}", node.name);
    }
}

#[test]
fn paths_of_any_length_and_depth() {
    let long = "x".repeat(200);
    let mut farm = Farm::founded(&[], |root| {
        for name in ["d", &long] {
            put(&down(root, name, true), "bottom", "deep down");
        }
    });
    farm.add();
    equal(&farm);
    let (origin, mirror) = (farm.origin().docroot(), farm.replica().docroot());
    for name in ["d", &long] {
        put(&down(&origin, name, false), "bottom", "changed");
        put(&down(&origin, name, false), "new", "new");
    }
    equal(&farm);
    for name in ["d", &long] {
        assert_eq!(read(&down(&mirror, name, false), "bottom").as_deref(), Some("changed"));
        put(&down(&mirror, name, false), "new", "edited on the replica");
        put(&down(&mirror, name, false), "own", "added on the replica");
    }
    equal(&farm);
    for name in ["d", &long] {
        assert_eq!(read(&down(&mirror, name, false), "new").as_deref(), Some("new"));
        assert_eq!(read(&down(&mirror, name, false), "own"), None);
    }
    let list = farm.replica().cli(&["kept", "list"]).done();
    assert_eq!(list.lines().count(), 5, "two edits in each");
    assert!(list.lines().any(|line| line.len() > 5_000), "paths are told whole");
    farm.replica().cli(&["verify"]).done();
    renameat(CWD, origin.join(&long), CWD, origin.join("short")).unwrap();
    equal(&farm);
}

#[test]
fn a_directory_of_many_thousand_entries() {
    let wide = |root: &Path, from: usize, to: usize| {
        for number in from..to {
            fs::write(root.join(format!("wide/entry-{number}")), number.to_string()).unwrap();
        }
    };
    let mut farm = Farm::founded(&[], |root| {
        site(root, 1, 1);
        fs::create_dir(root.join("wide")).unwrap();
        fs::create_dir(root.join("none")).unwrap();
        wide(root, 0, 10_000);
    });
    farm.add();
    farm.converges();
    let root = farm.origin().docroot();
    wide(&root, 9_500, 10_500);
    for number in 0..1_000 {
        fs::remove_file(root.join(format!("wide/entry-{number}"))).unwrap();
    }
    farm.converges();
    // One change among so many asks for few names.
    let before = farm.origin().counter("examined_names");
    wide(&root, 5_000, 5_001);
    farm.origin().cli(&["wait", "--all", "--timeout", "60s"]).done();
    let names = farm.origin().counter("examined_names") - before;
    assert!(names < 100, "{names} names were looked at");
    farm.converges();
}

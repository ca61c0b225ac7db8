//! What is done to a docroot happens to every other.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::sample::{chmod, content, fifo, site, touch, write};
use crate::farm::Farm;
use crate::farm_command::{eventually, remark};

/// Does something on the origin and sees it everywhere.
#[track_caller]
fn change(farm: &Farm, what: &str, act: impl FnOnce(&Path)) {
    act(&farm.origin().docroot());
    remark(what);
    farm.converges();
}

#[test]
fn contents_and_metadata_follow() {
    let mut farm = Farm::founded(&[], |docroot| {
        site(docroot, 4, 12);
        write(&docroot.join("large"), content(1, 3_000_000));
    });
    farm.add();
    farm.add();
    farm.converges();
    change(&farm, "create", |root| write(&root.join("new/index.html"), "new"));
    change(&farm, "overwrite", |root| write(&root.join("new/index.html"), "newer"));
    change(&farm, "overwrite in place", |root| {
        let file = File::options().write(true).open(root.join("large")).unwrap();
        let mut file = file;
        file.seek(SeekFrom::Start(1_000_000)).unwrap();
        file.write_all(b"in the middle").unwrap();
    });
    change(&farm, "append", |root| {
        let mut file = File::options().append(true).open(root.join("large")).unwrap();
        file.write_all(b"at the end").unwrap();
    });
    change(&farm, "truncate", |root| {
        File::options().write(true).open(root.join("large")).unwrap().set_len(5).unwrap();
    });
    change(&farm, "same size and time, other content", |root| {
        let path = root.join("section-1/page-1.html");
        let before = fs::metadata(&path).unwrap();
        write(&path, content(999, before.len() as usize));
        touch(&path, before.modified().unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mtime_nsec(), before.mtime_nsec());
    });
    change(&farm, "mode of a file", |root| chmod(&root.join("section-0/page-0.html"), 0o600));
    change(&farm, "mode of a directory", |root| chmod(&root.join("section-0"), 0o2750));
    change(&farm, "time only", |root| touch(&root.join("large"), UNIX_EPOCH));
    change(&farm, "time, in nanoseconds", |root| {
        touch(&root.join("large"), UNIX_EPOCH + Duration::from_nanos(1));
    });
    change(&farm, "a hard link", |root| {
        fs::hard_link(root.join("large"), root.join("also large")).unwrap();
    });
    change(&farm, "one of two links goes", |root| fs::remove_file(root.join("large")).unwrap());
    change(&farm, "emptied", |root| write(&root.join("also large"), ""));
    change(&farm, "delete", |root| fs::remove_file(root.join("also large")).unwrap());
    change(&farm, "an empty directory", |root| fs::create_dir(root.join("empty")).unwrap());
    change(&farm, "an empty directory goes", |root| fs::remove_dir(root.join("empty")).unwrap());
    change(&farm, "delete a tree", |root| fs::remove_dir_all(root.join("section-2")).unwrap());
    change(&farm, "tar x over it", |root| site(root, 4, 12));
}

#[test]
fn an_edit_through_one_of_two_links() {
    let mut farm = Farm::founded(&[], |docroot| {
        write(&docroot.join("one/page.html"), "before");
        fs::create_dir(docroot.join("other")).unwrap();
        fs::hard_link(docroot.join("one/page.html"), docroot.join("other/page.html")).unwrap();
    });
    farm.add();
    farm.converges();
    change(&farm, "content", |root| write(&root.join("one/page.html"), "after"));
    change(&farm, "mode", |root| chmod(&root.join("other/page.html"), 0o600));
}

#[test]
fn moves_follow() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 5, 10));
    farm.add();
    farm.converges();
    let rename = |root: &Path, from: &str, to: &str| {
        fs::rename(root.join(from), root.join(to)).unwrap();
    };
    change(&farm, "a file", |root| rename(root, "section-0/page-0.html", "section-0/other.html"));
    change(&farm, "a file onto another", |root| {
        rename(root, "section-0/page-1.html", "section-0/page-2.html");
    });
    change(&farm, "two files swapped", |root| {
        rename(root, "section-0/page-3.html", "third");
        rename(root, "section-0/page-4.html", "section-0/page-3.html");
        rename(root, "third", "section-0/page-4.html");
    });
    change(&farm, "a directory", |root| rename(root, "section-1", "renamed"));
    change(&farm, "a directory into another", |root| rename(root, "section-2", "section-3/below"));
    change(&farm, "and on", |root| rename(root, "section-3", "section-4/section-3"));
    change(&farm, "two directories swapped", |root| {
        rename(root, "renamed", "third");
        rename(root, "section-4/section-3/below", "renamed");
        rename(root, "third", "section-4/section-3/below");
    });
    change(&farm, "an editor saves", |root| {
        for round in 0..20 {
            write(&root.join(".page.swp"), format!("round {round}"));
            rename(root, ".page.swp", "page.html");
        }
    });
    // A move is not fetched again.
    let before = farm.replica().counter("applied_files");
    let served = farm.origin().counter("served_bytes");
    change(&farm, "a large move", |root| {
        rename(root, "renamed", "renamed again");
        rename(root, "section-4", "section-5");
    });
    assert!(farm.replica().counter("applied_files") > before);
    let served = farm.origin().counter("served_bytes") - served;
    assert!(served < 20_000, "{served} bytes were fetched for a move");
}

#[test]
fn types_change() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 3, 5));
    farm.add();
    farm.converges();
    let file = "section-0/page-0.html";
    change(&farm, "file to directory", |root| {
        fs::remove_file(root.join(file)).unwrap();
        write(&root.join(file).join("inside"), "now a directory");
    });
    change(&farm, "directory to file", |root| {
        fs::remove_dir_all(root.join("section-1")).unwrap();
        write(&root.join("section-1"), "now a file");
    });
    change(&farm, "file to symlink", |root| {
        fs::remove_file(root.join("section-1")).unwrap();
        symlink("section-2", root.join("section-1")).unwrap();
    });
    change(&farm, "symlink elsewhere", |root| {
        symlink("section-0", root.join("next")).unwrap();
        fs::rename(root.join("next"), root.join("section-1")).unwrap();
    });
    change(&farm, "symlink to directory", |root| {
        fs::remove_file(root.join("section-1")).unwrap();
        write(&root.join("section-1/inside"), "a directory again");
    });
    change(&farm, "directory to symlink", |root| {
        fs::rename(root.join("section-2"), root.join("release")).unwrap();
        symlink("release", root.join("section-2")).unwrap();
    });
    change(&farm, "symlink to file", |root| {
        fs::remove_file(root.join("section-2")).unwrap();
        write(&root.join("section-2"), "a file");
    });
    change(&farm, "file to FIFO", |root| {
        fs::remove_file(root.join("section-2")).unwrap();
        fifo(&root.join("section-2"));
    });
    assert!(!farm.replica().path("section-2").exists());
    change(&farm, "FIFO to file", |root| {
        fs::remove_file(root.join("section-2")).unwrap();
        write(&root.join("section-2"), "a file again");
    });
}

#[test]
fn a_change_arrives_without_being_asked_for() {
    let farm = Farm::new(2);
    farm.converges();
    for round in 0..20 {
        let name = format!("page-{round}.html");
        write(&farm.origin().path(&name), &name);
        for replica in &farm.nodes[1..] {
            eventually("the page arrives", || {
                fs::read(replica.path(&name)).is_ok_and(|found| found == name.as_bytes())
            });
        }
    }
    farm.assert_equal();
}

#[test]
fn a_docroot_in_motion_comes_to_rest_equal() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 6, 20));
    farm.add();
    farm.add();
    let root = farm.origin().docroot();
    for round in 0..400u64 {
        let random = |bound: u64, salt: u64| {
            let bytes = content(round * 31 + salt, 8);
            u64::from_le_bytes(bytes.try_into().unwrap()) % bound
        };
        let directory = |salt| root.join(format!("section-{}", random(8, salt)));
        let page = |salt| directory(salt).join(format!("page-{}.html", random(25, salt + 1)));
        // What is not there any more cannot be changed: that is part of the motion.
        let _ = match random(9, 0) {
            0 => fs::remove_file(page(1)),
            1 => fs::rename(page(1), page(3)),
            2 => fs::rename(directory(1), root.join(format!("section-{}/sub", random(8, 3)))),
            3 => fs::rename(directory(1).join("sub"), root.join(format!("top-{round}"))),
            4 => symlink(format!("page-{}.html", random(25, 5)), page(1)),
            5 => fs::create_dir_all(page(1)),
            6 => fs::remove_dir_all(page(1)),
            _ => fs::create_dir_all(directory(1))
                .and_then(|()| fs::write(page(1), content(round, random(9_000, 4) as usize))),
        };
    }
    farm.converges();
}

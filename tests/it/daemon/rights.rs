//! Daemons that do not run as root, and what they may not read or write.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::sample::{chmod, content, site, write};
use crate::farm::{Farm, Node};
use crate::farm_command::{eventually, program, run};
use crate::farm_walk::{differences, walk};

/// Who runs a daemon that is not to be root; owns nothing else.
const NOBODY: u32 = 65_534;

/// Whether these tests may run something as another user. If not, they say so.
fn may_be_another() -> bool {
    let able = rustix::process::geteuid().is_root()
        && run(program().arg("--version").uid(NOBODY).gid(NOBODY)).code == 0;
    if !able {
        // Past the test's own output: it is to be seen where all is well.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED: no daemon can be run as another user here").unwrap();
    }
    able
}

fn paths(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().filter_map(|entry| entry["path"].as_str()).collect()
}

/// Waits, and sees the docroots equal but for what `hidden` begins.
#[track_caller]
fn equal_but(farm: &Farm, hidden: &[&str]) {
    farm.wait_all();
    let rest = |node: &Node| {
        let mut all = walk(&node.docroot());
        all.retain(|path, _| !hidden.iter().any(|hidden| path.starts_with(hidden.as_bytes())));
        all
    };
    let expected = rest(farm.origin());
    for node in &farm.nodes {
        let found = differences(&expected, &rest(node));
        assert!(found.is_empty(), "{}:\n{}", node.name, found.join("\n"));
        let status = node.status();
        assert_eq!(status["node"]["in_sync"], true, "{}: {status:#}", node.name);
        assert_eq!(status["node"]["errors"], json!([]), "{}", node.name);
    }
}

#[test]
fn what_the_origin_cannot_read_is_listed_and_stays_as_published() {
    if !may_be_another() {
        return;
    }
    let mut farm = Farm::founded_by(Some(NOBODY), &[], |root| {
        site(root, 2, 3);
        for name in ["shared-1", "shared-2", "shared-3"] {
            write(&root.join(name), content(1, 30_000));
        }
        write(&root.join("closed"), "nobody reads this");
        write(&root.join("dark/inside"), "nor this");
        chmod(&root.join("closed"), 0);
        chmod(&root.join("dark"), 0);
    });
    let admit = |farm: &mut Farm, name: &str| {
        let mut node = farm.stranger(name);
        node.belongs_to(NOBODY);
        farm.admit(node);
    };
    admit(&mut farm, "web1");
    equal_but(&farm, &["closed", "dark"]);
    let status = farm.origin().status();
    assert_eq!(paths(&status["node"]["unreadable"]), ["closed", "dark"], "{status:#}");
    assert!(!farm.replica().path("closed").exists() && !farm.replica().path("dark").exists());

    // What was published stays so, here and where it is; a newcomer goes without, and says so.
    let page = farm.origin().path("section-0/page-0.html");
    let published = fs::read(&page).unwrap();
    let section = farm.origin().path("section-1");
    for path in [&page, &farm.origin().path("shared-1"), &section] {
        chmod(path, 0);
    }
    write(&page, "written by root, and not read by nobody");
    farm.origin().until("they are listed", |status| {
        paths(&status["node"]["unreadable"]).len() == 5 && status["node"]["in_sync"] == true
    });
    admit(&mut farm, "web2");
    equal_but(&farm, &["closed", "dark", "section-0/page-0", "section-1", "shared-1"]);
    let without = &farm.nodes[2];
    assert_eq!(fs::read(farm.replica().path("section-0/page-0.html")).unwrap(), published);
    assert!(farm.replica().path("section-1/page-1.html").exists());
    let unserved = |node: &Node| node.status()["node"]["unserved"].clone();
    let missing: Vec<String> = paths(&unserved(without)).iter().map(ToString::to_string).collect();
    let pages =
        ["0/page-0", "1/page-0", "1/page-1", "1/page-2"].map(|page| format!("section-{page}.html"));
    // Unless it met the other replica before the origin, and got them there.
    let expected = pages.iter().filter(|page| !without.path(page).exists());
    assert_eq!(missing, expected.cloned().collect::<Vec<_>>());
    assert_eq!(
        fs::read(without.path("shared-1")).unwrap(),
        content(1, 30_000),
        "it lies elsewhere"
    );
    assert_eq!(unserved(farm.replica()), json!([]));
    let told = without.cli(&["status"]).done();
    assert!(missing.iter().all(|page| told.contains(page)), "{told}");
    farm.nodes[2].stop();
    farm.nodes[2].start();
    farm.wait_all();
    assert_eq!(paths(&unserved(&farm.nodes[2])), missing, "a restart forgets nothing");

    for path in ["closed", "section-0/page-0.html", "shared-1"] {
        chmod(&farm.origin().path(path), 0o644);
    }
    for path in ["dark", "section-1"] {
        chmod(&farm.origin().path(path), 0o755);
    }
    equal_but(&farm, &[]);
    assert_eq!(unserved(&farm.nodes[2]), json!([]));
    assert_eq!(farm.origin().status()["node"]["unreadable"], json!([]));
    assert_eq!(fs::read(farm.nodes[2].path("dark/inside")).unwrap(), b"nor this");
}

/// Modes with which a directory's owner cannot read, list or write everything.
const CLOSED: [u32; 7] = [0o000, 0o100, 0o200, 0o300, 0o400, 0o500, 0o555];

fn closed(root: &Path) {
    for mode in CLOSED {
        let directory = root.join(format!("d{mode:o}"));
        for name in ["a", "b", "sub/c"] {
            write(&directory.join(name), format!("{name} {mode:o}"));
        }
        chmod(&directory.join("sub"), mode);
        chmod(&directory, mode);
        let file = root.join(format!("f{mode:o}"));
        write(&file, format!("{mode:o}"));
        chmod(&file, mode);
    }
}

#[test]
fn modes_that_keep_a_replica_out_of_its_own_files_do_not_hold_it_up() {
    if !may_be_another() {
        return;
    }
    // Root on the origin reads everything.
    let mut farm = Farm::founded(&[], closed);
    let mut replica = farm.stranger("web1");
    replica.belongs_to(NOBODY);
    farm.admit(replica);
    equal_but(&farm, &[]);
    let root = farm.origin().docroot();
    for mode in CLOSED {
        let directory = root.join(format!("d{mode:o}"));
        fs::write(directory.join("a"), "another").unwrap();
        fs::write(directory.join("sub/new"), "new").unwrap();
        fs::remove_file(directory.join("b")).unwrap();
    }
    equal_but(&farm, &[]);
    for mode in CLOSED {
        chmod(&root.join(format!("f{mode:o}")), 0o644);
        chmod(&root.join(format!("d{mode:o}")), 0o755);
    }
    equal_but(&farm, &[]);
    for mode in CLOSED {
        chmod(&root.join(format!("f{mode:o}")), mode);
        chmod(&root.join(format!("d{mode:o}")), mode);
    }
    equal_but(&farm, &[]);
    fs::rename(root.join("d500"), root.join("renamed")).unwrap();
    fs::rename(root.join("d100/sub"), root.join("out")).unwrap();
    for (mode, link) in [(0o300, true), (0o555, false)] {
        let directory = root.join(format!("d{mode:o}"));
        fs::remove_dir_all(&directory).unwrap();
        match link {
            true => std::os::unix::fs::symlink("out", &directory).unwrap(),
            false => write(&directory, "a file"),
        }
    }
    fs::remove_file(root.join("f400")).unwrap();
    write(&root.join("f400/inside"), "a directory");
    chmod(&root.join("f400"), 0);
    equal_but(&farm, &[]);
    farm.replica_mut().stop();
    fs::write(root.join("d0/a"), "while it was down").unwrap();
    farm.replica_mut().start();
    equal_but(&farm, &[]);
    assert_eq!(farm.replica().status()["node"]["set_aside"], 0, "all of it was its own");

    // The same user on the replica locks the daemon out.
    chmod(&farm.replica().path("f0"), 0o200);
    chmod(&farm.replica().path("out"), 0);
    let foreign = farm.replica().path("foreign");
    write(&foreign, "not readable, not ours");
    chmod(&foreign, 0o600);
    chown(&foreign, Some(0), Some(0)).unwrap();
    eventually("it is set aside", || !foreign.exists());
    farm.replica().cli(&["wait", "--timeout", "60s"]).done();
    equal_but(&farm, &[]);
    let files = fs::metadata(farm.replica().path("d0")).unwrap();
    assert_eq!((files.uid(), files.gid()), (NOBODY, NOBODY));

    fs::remove_dir_all(root.join("d0")).unwrap();
    fs::remove_dir_all(root.join("d200")).unwrap();
    equal_but(&farm, &[]);
}

#[test]
fn a_wait_says_how_many_paths_in_error_it_does_not_list() {
    if !may_be_another() {
        return;
    }
    let mut farm = Farm::founded(&[], |root| site(root, 1, 1));
    let mut replica = farm.stranger("web1");
    replica.belongs_to(NOBODY);
    farm.admit(replica);
    equal_but(&farm, &[]);
    chown(farm.replica().path("section-0"), Some(0), Some(0)).unwrap();
    for page in 0..20 {
        write(&farm.origin().path(format!("section-0/more-{page}.html")), format!("{page}"));
    }
    eventually("all are in error", || {
        let said = farm.origin().cli(&["wait", "--all", "--timeout", "60s"]);
        assert_eq!(said.code, 4, "{}", said.stderr);
        said.stdout.lines().count() == 16 && said.stderr.contains("web1: 4 paths more in error")
    });
}

#[test]
fn a_file_belongs_to_whom_its_directory_belongs() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut farm = Farm::founded(&[], |root| site(root, 1, 2));
    let replica = farm.stranger("web1");
    chown(replica.docroot(), Some(1_234), Some(4_321)).unwrap();
    farm.admit(replica);
    write(&farm.origin().path("new/page.html"), "new");
    std::os::unix::fs::symlink("new", farm.origin().path("link")).unwrap();
    farm.converges();
    chown(farm.replica().path("new"), Some(77), Some(88)).unwrap();
    write(&farm.origin().path("new/second.html"), "second");
    write(&farm.origin().path("section-0/page-0.html"), "changed");
    farm.converges();
    let owner = |name: &str| {
        let metadata = fs::symlink_metadata(farm.replica().path(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    for name in ["section-0", "section-0/page-0.html", "section-0/page-1.html", "new/page.html"] {
        assert_eq!(owner(name), (1_234, 4_321), "{name}");
    }
    assert_eq!(owner("link"), (1_234, 4_321));
    assert_eq!(owner("new/second.html"), (77, 88));
}

//! What is not mirrored is left alone, everywhere.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use super::sample::{content, site, write};
use crate::farm::{Farm, Node};
use crate::farm_command::run;

/// A docroot as WordPress has it.
fn blog(root: &Path) {
    for name in ["index.php", "wp-config.php", "wp-login.php"] {
        write(&root.join(name), name);
    }
    site(&root.join("wp-includes"), 3, 8);
    for number in 0..12 {
        let path = format!("wp-content/uploads/2024/0{}/image-{number}.jpg", number % 9 + 1);
        write(&root.join(path), content(number, 4_000));
        write(&root.join(format!("wp-content/cache/page-{number}.html")), "cached");
    }
    write(&root.join("wp-content/themes/one/cache"), "a file of that name");
    write(&root.join("wp-content/debug.log"), "noise");
}

/// A docroot without what is excluded in these tests.
fn rest(root: &Path) -> std::collections::BTreeMap<Vec<u8>, crate::farm_walk::Thing> {
    let mut all = crate::farm_walk::walk(root);
    all.retain(|path, _| {
        let path = String::from_utf8_lossy(path);
        !path.contains("/cache") && !path.ends_with(".log") || path.contains("themes/one/cache")
    });
    all
}

#[track_caller]
fn converge(farm: &Farm) {
    farm.wait_all();
    let expected = rest(&farm.origin().docroot());
    for node in &farm.nodes {
        let found = crate::farm_walk::differences(&expected, &rest(&node.docroot()));
        assert!(found.is_empty(), "{}:\n{}", node.name, found.join("\n"));
        let status = node.status();
        assert_eq!(status["node"]["in_sync"], true, "{}: {status:#}", node.name);
        assert_eq!(status["node"]["errors"], json!([]), "{}", node.name);
    }
}

#[test]
fn a_blog_without_its_cache() {
    let mut farm = Farm::founded(&["--exclude", "cache/", "--exclude", "*.log"], blog);
    farm.add();
    farm.add();
    converge(&farm);
    let replica = farm.replica();
    assert!(!replica.path("wp-content/cache").exists());
    assert!(!replica.path("wp-content/debug.log").exists());
    assert!(replica.path("wp-content/themes/one/cache").is_file(), "only directories");

    // Each has a cache of its own, and nobody touches it.
    write(&replica.path("wp-content/cache/own.html"), "own");
    write(&replica.path("wp-content/own.log"), "own");
    write(&farm.origin().path("wp-content/cache/page-0.html"), "again");
    write(&farm.origin().path("wp-content/uploads/new.jpg"), content(99, 100));
    converge(&farm);
    assert_eq!(fs::read(replica.path("wp-content/cache/own.html")).unwrap(), b"own");
    assert_eq!(fs::read(replica.path("wp-content/own.log")).unwrap(), b"own");
    assert!(!farm.nodes[2].path("wp-content/cache").exists());
    assert_eq!(replica.status()["node"]["set_aside"], 0);

    // A directory that goes, but for what is excluded in it, stays with only that.
    fs::rename(farm.origin().path("wp-content"), farm.origin().path("content")).unwrap();
    converge_but(&farm, "wp-content");
    let replica = farm.replica();
    assert_eq!(fs::read(replica.path("wp-content/cache/own.html")).unwrap(), b"own");
    assert!(!replica.path("wp-content/uploads").exists());
}

#[track_caller]
fn converge_but(farm: &Farm, name: &str) {
    farm.wait_all();
    let expected = rest(&farm.origin().docroot());
    for node in &farm.nodes {
        let mut found = rest(&node.docroot());
        found.remove(name.as_bytes());
        let found = crate::farm_walk::differences(&expected, &found);
        assert!(found.is_empty(), "{}:\n{}", node.name, found.join("\n"));
        assert_eq!(node.status()["node"]["in_sync"], true, "{}", node.name);
    }
}

#[test]
fn what_is_excluded_later_stays_where_it_lies() {
    let mut farm = Farm::founded(&[], blog);
    farm.add();
    farm.converges();
    let files = farm.origin().status()["node"]["files"].as_u64().unwrap();
    assert_eq!(farm.replica().status()["node"]["files"], files);
    let said = farm.origin().cli(&["config", "set", "excludes", "[\"cache/\", \"*.log\"]"]);
    said.done();
    converge(&farm);
    let left = farm.replica().until("it follows", |status| {
        status["node"]["files"].as_u64().is_some_and(|now| now == files - 13)
    });
    assert_eq!(left["node"]["set_aside"], 0, "{left:#}");
    for node in &farm.nodes {
        let cached = fs::read_dir(node.path("wp-content/cache")).unwrap().count();
        assert_eq!(cached, 12, "{}: left in place", node.name);
        assert!(node.path("wp-content/debug.log").exists());
    }
    // From now on each is for itself.
    write(&farm.origin().path("wp-content/cache/page-1.html"), "newer");
    fs::remove_file(farm.origin().path("wp-content/cache/page-2.html")).unwrap();
    write(&farm.replica().path("wp-content/cache/page-3.html"), "of the replica");
    converge(&farm);
    let cached = |name: &str| fs::read(farm.replica().path("wp-content/cache").join(name)).unwrap();
    assert_eq!(cached("page-1.html"), b"cached");
    assert_eq!(cached("page-2.html"), b"cached");
    assert_eq!(cached("page-3.html"), b"of the replica");

    // Included again: as at adoption.
    farm.origin().cli(&["config", "set", "excludes", "[]"]).done();
    farm.converges();
    let kept = farm.replica().json(&["kept", "list"]);
    let kept = kept["kept"].as_array().unwrap();
    let paths: Vec<_> = kept.iter().filter_map(|line| line["path"].as_str()).collect();
    assert!(paths.contains(&"wp-content/cache/page-3.html"), "{paths:?}");
}

/// Opens pages again and again until told to stop, and counts how often one was not there.
fn visit(paths: Vec<PathBuf>, over: Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let mut missed = 0;
        while !over.load(Ordering::Relaxed) {
            missed += paths.iter().filter(|path| fs::File::open(path).is_err()).count() as u64;
        }
        missed
    })
}

#[test]
fn what_is_included_again_is_adopted_where_it_lies() {
    let mut farm = Farm::founded(&[], |docroot| {
        site(docroot, 2, 10);
        site(&docroot.join("doc"), 30, 50);
    });
    farm.add();
    farm.add();
    farm.converges();
    let pages: Vec<String> =
        (0..30).map(|number| format!("doc/section-{number}/page-{}.html", number % 7)).collect();
    let inode = |node: &Node, page: &String| fs::metadata(node.path(page)).unwrap().ino();
    let inodes: Vec<Vec<u64>> = farm
        .nodes
        .iter()
        .map(|node| pages.iter().map(|page| inode(node, page)).collect())
        .collect();
    let over = Arc::new(AtomicBool::new(false));
    let visited = farm.nodes.iter().flat_map(|node| pages.iter().map(|page| node.path(page)));
    let visitor = visit(visited.collect(), Arc::clone(&over));
    for (excludes, waits) in
        [("[\"doc/\"]", true), ("[\"doc/\"]", false), ("[\"*\"]", true), ("[\"*.html\"]", false)]
    {
        farm.origin().cli(&["config", "set", "excludes", excludes]).done();
        if waits {
            farm.wait_all();
            assert_eq!(farm.replica().status()["node"]["in_sync"], true, "{excludes}");
        }
        assert_eq!(farm.origin().status()["node"]["held"], json!(null), "{excludes}");
        farm.origin().cli(&["config", "set", "excludes", "[]"]).done();
        farm.converges();
    }
    over.store(true, Ordering::Relaxed);
    assert_eq!(visitor.join().unwrap(), 0, "pages were not there");
    for (node, inodes) in farm.nodes.iter().zip(inodes) {
        let now: Vec<u64> = pages.iter().map(|page| inode(node, page)).collect();
        assert_eq!(now, inodes, "{}: files were replaced", node.name);
        let status = node.status();
        assert_eq!(status["node"]["set_aside"], 0, "{}: {status:#}", node.name);
    }
    // They are published files like all others: they go without being set aside.
    fs::remove_dir_all(farm.origin().path("doc/section-0")).unwrap();
    fs::rename(farm.origin().path("doc/section-1"), farm.origin().path("moved")).unwrap();
    farm.converges();
    assert_eq!(farm.replica().status()["node"]["set_aside"], 0);
}

#[test]
fn the_document_is_edited_and_a_bad_one_refused() {
    let mut farm = Farm::founded(&["--exclude", "cache/"], blog);
    farm.add();
    converge(&farm);
    let origin = farm.origin();
    let text = origin.cli(&["config", "show"]).done();
    assert!(text.contains("cache/"), "{text}");
    assert_eq!(farm.replica().cli(&["config", "show"]).done(), text);

    let editor = farm.directory().join("editor");
    fs::write(&editor, "#!/bin/sh\nsed -i 's#\"cache/\"#\"cache/\", \"*.log\"#' \"$1\"\n").unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let edit = |editor: &str| {
        let mut command = origin.command(&["config", "edit"]);
        run(command.env("EDITOR", editor).env_remove("VISUAL"))
    };
    edit(editor.to_str().unwrap()).done();
    let text = origin.cli(&["config", "show"]).done();
    assert!(text.contains("*.log"), "{text}");
    converge(&farm);
    edit("true").done();
    edit("false").failed(1);
    assert_eq!(origin.cli(&["config", "show"]).done(), text);

    let file = farm.directory().join("cluster.toml");
    fs::write(&file, format!("{text}\nno such thing = [")).unwrap();
    let said = origin.cli(&["config", "edit", file.to_str().unwrap()]).failed(1);
    assert!(said.contains("line") && said.contains("column"), "{said}");
    let said = origin.cli(&["config", "set", "excludes", "[\"[\"]"]).failed(1);
    assert!(said.contains("excludes"), "{said}");
    for pattern in ["../x", "a//b", "./b", "x/..", "//x", "x//"] {
        let said = origin.cli(&["config", "set", "excludes", pattern]).failed(1);
        assert!(said.contains("can match nothing"), "{pattern}: {said}");
    }
    origin.cli(&["config", "set", "no_such_key", "1"]).failed(1);
    origin.cli(&["config", "set", "excludes", "[7]"]).failed(1);
    let said = origin.cli(&["config", "set", "promotion", "automatic"]).failed(1);
    assert!(said.contains("voters") || said.contains("automatic"), "{said}");
    assert_eq!(origin.cli(&["config", "show"]).done(), text);
    let said = farm.replica().cli(&["config", "set", "excludes", "[]"]).failed(12);
    assert!(said.contains("origin"), "{said}");
    // A replica refuses before anybody has typed a word.
    let touched = farm.directory().join("touched");
    let mut command = farm.replica().command(&["config", "edit"]);
    let editor = format!("touch {} #", touched.display());
    let said = run(command.env("EDITOR", editor).env_remove("VISUAL")).failed(12);
    assert!(said.contains("run this on origin"), "{said}");
    assert!(!touched.exists());
    // What is as it was is no change.
    let said = origin.cli(&["config", "set", "excludes", "[\"cache/\", \"*.log\"]"]);
    assert!(said.stderr.contains("nothing changed"), "{}", said.stderr);
    assert_eq!(origin.cli(&["config", "show"]).done(), text);
    // What is replaced is told.
    let said = origin.cli(&["config", "set", "excludes", "*.bak"]);
    assert!(said.stderr.contains("it was [\"cache/\", \"*.log\"]"), "{}", said.stderr);
    said.done();
    converge(&farm);
}

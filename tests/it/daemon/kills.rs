//! Daemons that die at any moment, and come back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::sample::{content, site, write};
use crate::farm::Farm;
use crate::farm_command::{PATIENCE, remark};
use crate::farm_walk::{Thing, walk};

/// Files in a docroot that may change while it is read.
fn count(root: &Path) -> usize {
    let mut files = 0;
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                _ => files += 1,
            }
        }
    }
    files
}

/// Everything in a docroot is whole, though perhaps not everything is there.
#[track_caller]
fn assert_part(expected: &BTreeMap<Vec<u8>, Thing>, root: &Path) {
    for (path, thing) in walk(root) {
        if matches!(thing, Thing::File { .. }) {
            let name = path.escape_ascii();
            assert_eq!(expected.get(&path), Some(&thing), "{name} is not as published");
        }
    }
}

#[test]
fn a_replica_is_killed_again_and_again_in_its_first_copy() {
    let mut farm = Farm::founded(&[], |docroot| {
        site(docroot, 30, 60);
        write(&docroot.join("large"), content(7, 24 * 1024 * 1024));
        write(&docroot.join("section-3/larger"), content(8, 32 * 1024 * 1024));
    });
    let expected = walk(&farm.origin().docroot());
    let mut replica = farm.stranger("web");
    replica.join(farm.token(), &[]).done();
    let root = replica.docroot();
    // At moments that come closer to the end; how many files are there then, nobody can know.
    for round in 0..8u32 {
        replica.spawn();
        let (began, start) = (Instant::now(), count(&root));
        let more = 200 * round as usize;
        let delay = Duration::from_millis(u64::from(round * round * 13));
        while began.elapsed() < delay
            || (count(&root) < start + more && count(&root) < 1_802 && began.elapsed() < PATIENCE)
        {
            std::thread::yield_now();
        }
        replica.kill9();
        remark(&format!("round {round}: {start} to {} files", count(&root)));
        assert_part(&expected, &root);
    }
    replica.start();
    farm.nodes.push(replica);
    farm.converges();
    let left: Vec<_> = fs::read_dir(farm.replica().docroot())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with(".mirrormesh"))
        .collect();
    assert!(left.is_empty(), "left over: {left:?}");
    assert_eq!(farm.replica().status()["node"]["set_aside"], 0);
}

#[test]
fn the_origin_is_killed_again_and_again_while_it_publishes() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 5, 20));
    farm.add();
    farm.add();
    farm.converges();
    let root = farm.origin().docroot();
    let mut newest = [0, 0];
    for round in 0..6u64 {
        for number in 0..150 {
            let path = root.join(format!("burst-{}/{number}.html", number % 7));
            write(&path, content(round * 1_000 + number, 3_000));
        }
        let moved = root.join(format!("section-{}", round % 5));
        if moved.exists() {
            fs::rename(moved, root.join(format!("moved-{round}"))).unwrap();
        }
        // Until some of it is there: at every other round at once, else later and later.
        let (began, target) = (Instant::now(), newest[0] + round);
        while round % 2 == 1 && newest[0] < target && began.elapsed() < PATIENCE {
            for (seq, replica) in newest.iter_mut().zip(&farm.nodes[1..]) {
                *seq = replica.status()["node"]["seq"].as_u64().unwrap();
            }
        }
        farm.origin_mut().kill9();
        write(&root.join("meanwhile.html"), format!("round {round}"));
        farm.origin_mut().start();
        for (before, replica) in newest.iter().zip(&farm.nodes[1..]) {
            let seq = replica.status()["node"]["seq"].as_u64().unwrap();
            assert!(seq >= *before, "{} went back from {before} to {seq}", replica.name);
        }
    }
    farm.converges();
    for node in &farm.nodes {
        let status = node.status();
        assert_eq!(status["node"]["epoch"], 1, "no new term was needed: {status:#}");
        assert_eq!(status["node"]["set_aside"], 0, "nothing was lost: {status:#}");
    }
}

#[test]
fn everybody_is_killed_while_files_change() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 8, 25));
    farm.add();
    farm.add();
    let root = farm.origin().docroot();
    for round in 0..9u64 {
        for number in 0..60 {
            let path = root.join(format!("section-{}/new-{number}.html", (round + number) % 8));
            write(&path, content(round * 100 + number, 2_000));
        }
        fs::remove_file(root.join(format!("section-{}/new-3.html", (round + 3) % 8))).unwrap();
        let who = (round % 3) as usize;
        farm.nodes[who].kill9();
        if round % 3 == 2 {
            farm.nodes[0].kill9();
            farm.nodes[0].start();
        }
        farm.nodes[who].spawn();
        if who == 0 {
            // Commands need it.
            farm.nodes[0].cli(&["wait", "--timeout", "60s"]).done();
        }
    }
    farm.converges();
}

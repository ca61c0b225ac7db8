//! A docroot of more directories than may be watched.

use std::fs;

use super::sample::{content, fifo, site, write};
use crate::farm::{Farm, Node};
use crate::farm_command::eventually;

fn limit(node: &mut Node, watches: u32) {
    node.stop();
    let path = node.state().join("mirrormesh.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{text}\nwatch_limit = {watches}\n")).unwrap();
    node.start();
}

#[test]
fn what_is_not_watched_is_scanned_in_turn() {
    let mut farm = Farm::founded(&["--exclude", "cache/"], |docroot| site(docroot, 12, 3));
    farm.add();
    farm.converges();
    for node in &mut farm.nodes {
        limit(node, 4);
    }
    farm.wait_all();
    for node in &farm.nodes {
        let status = node.status();
        let watch = &status["node"]["watch"];
        assert_eq!((watch["limit"].as_u64(), watch["watches"].as_u64()), (Some(4), Some(4)));
        let reason = watch["reason"].as_str().unwrap();
        assert!(reason.contains("scanned") && reason.contains('4'), "{reason}");
        assert!(node.cli(&["status"]).done().contains("scanned"));
    }
    // Nobody asks; whatever is not watched is among these.
    for section in 0..12 {
        write(&farm.origin().path(format!("section-{section}/new")), content(section, 100));
        write(&farm.replica().path(format!("section-{section}/own")), "own");
    }
    for section in 0..12 {
        let replica = farm.replica();
        eventually("the new file arrives, and the edit goes", || {
            replica.path(format!("section-{section}/new")).exists()
                && !replica.path(format!("section-{section}/own")).exists()
        });
    }
    // A barrier is not held up by what nobody hints at, and covers it.
    for round in 0..3 {
        write(&farm.origin().path(format!("section-11/round-{round}")), "x");
        farm.converges();
    }

    // Directories that stay for what is not mirrored are no edits, however often they are scanned.
    let replica = farm.replica();
    // It comes in one step: what is made bit by bit may be taken back before it is whole.
    let made = replica.docroot().with_file_name("made");
    write(&made.join("in/cache/own"), "own");
    fifo(&made.join("pipe"));
    fs::rename(made, replica.path("stays")).unwrap();
    replica.cli(&["wait", "--timeout", "60s"]).done();
    let (set_aside, log) = (replica.status()["node"]["set_aside"].clone(), replica.log().len());
    for _ in 0..3 {
        // Each barrier is a scan.
        replica.cli(&["wait", "--timeout", "60s"]).done();
    }
    assert_eq!(replica.log().len(), log, "{}", &replica.log()[log..]);
    assert_eq!(replica.status()["node"]["set_aside"], set_aside);
    assert!(replica.path("stays/in/cache/own").exists());
}

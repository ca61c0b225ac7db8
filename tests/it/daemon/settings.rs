//! Settings that are read again while the daemon runs.

use std::fs;
use std::io::Write as _;

use super::sample::write;
use crate::farm::{Farm, Node};
use crate::farm_command::eventually;

/// Appends a line to the settings and has them read again; waits until the log says `said`.
fn set(node: &Node, line: &str, said: &str) {
    let before = node.log().matches(said).count();
    let path = node.state().join("mirrormesh.toml");
    let kept: String = fs::read_to_string(&path).unwrap();
    let key = line.split(' ').next().unwrap();
    let kept = kept.lines().filter(|old| !old.starts_with(key));
    let text: Vec<&str> = kept.chain([line]).collect();
    let mut file = fs::File::create(&path).unwrap();
    writeln!(file, "{}", text.join("\n")).unwrap();
    node.reload();
    eventually(said, || node.log().matches(said).count() > before);
}

#[test]
fn what_may_change_is_taken_over_and_the_rest_is_named() {
    let farm = Farm::new(1);
    write(&farm.origin().path("page.html"), "published");
    farm.converges();
    let replica = farm.replica();
    set(replica, "kept_percent = 0", "read again");
    write(&replica.path("page.html"), "edited here");
    let status = replica.until("no room to keep it", |status| {
        status["node"]["errors"].as_array().is_some_and(|errors| !errors.is_empty())
    });
    assert_eq!(status["node"]["set_aside"], 0, "{status:#}");
    assert_eq!(fs::read(replica.path("page.html")).unwrap(), b"edited here");

    // A mistake changes nothing, and is named with its line.
    set(replica, "kept_percent = 101", "at most 100 percent");
    assert!(replica.log().contains("line "), "{}", replica.log());
    assert_eq!(fs::read(replica.path("page.html")).unwrap(), b"edited here");

    set(replica, "kept_percent = 10", "read again");
    replica.until("it is kept", |status| status["node"]["set_aside"] == 1);
    farm.converges();
    assert_eq!(fs::read(replica.path("page.html")).unwrap(), b"published");

    set(replica, "http = false", "waiting for the next start: http");
    set(replica, "on_promote = \"true\"", "on_promote and on_demote are not run");
}

//! A replica joins with files of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::sample::{content, odd, site, touch, write};
use crate::farm::Farm;

fn copy(from: &Path, to: &Path) {
    let source = from.join(".");
    let status = Command::new("cp").arg("-a").arg(source).arg(to).status().unwrap();
    assert!(status.success());
}

#[test]
fn equal_content_is_not_fetched_again() {
    let mut farm = Farm::founded(&[], |docroot| {
        site(docroot, 10, 20);
        write(&docroot.join("large"), content(5, 8 * 1024 * 1024));
    });
    let replica = farm.stranger("web");
    copy(&farm.origin().docroot(), &replica.docroot());
    // As `scp -r` leaves it: other times; and a little drift.
    touch(&replica.path("large"), std::time::SystemTime::now());
    touch(&replica.path("section-0/page-0.html"), std::time::SystemTime::now());
    write(&replica.path("section-1/page-1.html"), "edited by hand");
    write(&replica.path("old/config.php"), "password");
    fs::remove_dir_all(replica.path("section-5")).unwrap();
    farm.admit(replica);
    farm.converges();
    let served = farm.origin().counter("served_bytes");
    assert!(served < 200_000, "{served} bytes were fetched");
    let kept = farm.replica().json(&["kept", "list"]);
    let paths: Vec<_> = kept["kept"].as_array().unwrap().iter().map(|line| &line["path"]).collect();
    assert!(paths.contains(&&json!("section-1/page-1.html")), "{paths:?}");
    assert!(paths.iter().any(|path| path.as_str().unwrap().starts_with("old")), "{paths:?}");
    assert_eq!(paths.len(), 2, "{paths:?}");
}

#[test]
fn a_copy_is_taken_as_it_is() {
    let mut farm = Farm::founded(&[], odd);
    let replica = farm.stranger("web");
    copy(&farm.origin().docroot(), &replica.docroot());
    farm.admit(replica);
    farm.converges();
    assert_eq!(farm.replica().counter("applied_files"), 0, "nothing had to be done");
    assert_eq!(farm.replica().status()["node"]["set_aside"], 0);
}

#[test]
fn files_of_something_else_are_held_and_then_kept() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 2, 5));
    let mut replica = farm.stranger("web");
    for number in 0..60 {
        write(&replica.path(format!("home/photo-{number}.jpg")), content(number, 1_000));
    }
    replica.join(farm.token(), &[]).done();
    replica.start();
    farm.nodes.push(replica);
    let replica = farm.replica();
    let status = replica.until("it holds", |status| !status["node"]["held"].is_null());
    assert_eq!(status["node"]["held"]["deletes"], 60, "{status:#}");
    assert_eq!(status["node"]["in_sync"], false);
    assert_eq!(fs::read_dir(replica.path("home")).unwrap().count(), 60);
    assert!(!replica.path("section-0").exists(), "before anything moves");
    let seen = farm.origin().until("the origin hears of it", |status| {
        let members = status["cluster"]["members"].as_array().unwrap();
        members.iter().any(|member| !member["held"].is_null())
    });
    assert_eq!(seen["node"]["held"], json!(null));
    let list = replica.json(&["confirm", "--list"]);
    assert_eq!(list["held"][0]["deletes"], 60);
    assert_eq!(fs::read_dir(replica.path("home")).unwrap().count(), 60, "only listed");
    let said = farm.origin().cli(&["wait", "--all", "--timeout", "300ms"]).failed(124);
    assert!(said.contains("web"), "{said}");
    // A restart does not release it either.
    farm.replica_mut().stop();
    farm.replica_mut().start();
    let replica = farm.replica();
    replica.until("it holds again", |status| !status["node"]["held"].is_null());
    assert_eq!(fs::read_dir(replica.path("home")).unwrap().count(), 60);

    replica.cli(&["confirm"]).done();
    farm.converges();
    let status = farm.replica().status();
    assert_eq!(status["node"]["held"], json!(null));
    assert!(status["node"]["set_aside"].as_u64().unwrap() >= 1, "{status:#}");
    let kept = farm.replica().json(&["kept", "list"]);
    let bytes: u64 =
        kept["kept"].as_array().unwrap().iter().filter_map(|line| line["bytes"].as_u64()).sum();
    assert_eq!(bytes, 60_000, "{kept:#}");
}

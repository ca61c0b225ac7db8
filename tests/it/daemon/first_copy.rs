//! A replica joins, and has everything.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;

use serde_json::json;

use super::sample::{fifo, odd, site, write};
use crate::farm::Farm;
use crate::farm_walk::walk;

#[test]
fn every_kind_of_name_and_metadata_arrives() {
    let mut farm = Farm::founded(&[], |docroot| {
        odd(docroot);
        fifo(&docroot.join("fifo"));
        fifo(&docroot.join("links/directory/fifo"));
    });
    let _socket = UnixListener::bind(farm.origin().path("socket")).unwrap();
    farm.add();
    farm.converges();

    let status = farm.origin().until("skipped are listed", |status| {
        status["node"]["skipped"].as_array().is_some_and(|skipped| skipped.len() == 3)
    });
    let expected = json!([
        { "path": "fifo", "kind": "fifo" },
        { "path": "links/directory/fifo", "kind": "fifo" },
        { "path": "socket", "kind": "socket" },
    ]);
    assert_eq!(status["node"]["skipped"], expected);
    assert_eq!(status["node"]["role"], "origin");
    let status = farm.replica().status();
    assert_eq!(status["node"]["role"], "replica");
    assert_eq!(status["cluster"]["origin"], "origin");
    assert_eq!(status["node"]["errors"], json!([]));
    let sparse = std::fs::metadata(farm.replica().path("sizes/sparse")).unwrap();
    assert!(sparse.len() > 64 << 20 && sparse.blocks() * 512 < 1 << 20, "holes stay holes");
    for name in ["fifo", "socket", "links/directory/fifo"] {
        assert!(!farm.replica().path(name).exists(), "{name} is not mirrored");
    }
    farm.replica().cli(&["verify"]).done();
    farm.origin().cli(&["verify"]).done();
}

#[test]
fn several_join_at_once_and_find_the_same() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 10, 30));
    farm.add();
    farm.add();
    write(&farm.origin().path("late.html"), "after the first");
    farm.add();
    farm.converges();
    let status = farm.origin().status();
    let members = status["cluster"]["members"].as_array().unwrap();
    assert_eq!(members.len(), 4);
    for member in members {
        assert_eq!(member["alive"], true, "{member:#}");
        assert_eq!(member["in_sync"], true, "{member:#}");
        assert_eq!(member["root"], status["node"]["root"], "{member:#}");
        assert_eq!(member["lag_seconds"], 0.0, "{member:#}");
    }
    let told = farm.replica().until("it hears of the others", |status| {
        let members = status["cluster"]["members"].as_array().unwrap();
        members.iter().all(|member| member["alive"] == true && member["in_sync"] == true)
    });
    assert_eq!(told["cluster"]["members"].as_array().unwrap().len(), 4);
    assert_eq!(walk(&farm.replica().docroot()).len(), 10 * 31 + 1);
}

#[test]
fn an_empty_docroot_is_published_as_it_is() {
    let farm = Farm::new(1);
    farm.converges();
    let status = farm.replica().until("it is fresh", |status| status["node"]["fresh"] == true);
    assert_eq!(status["node"]["in_sync"], true);
    assert_eq!(walk(&farm.replica().docroot()).len(), 0);
    write(&farm.origin().path("index.html"), "the first");
    farm.converges();
}

//! An origin that is put back, and a member that shows today and serves none of it.

use super::super::accidents::{copy, restore};
use super::super::sample::write;
use super::peer::{Peer, frame, kind};
use super::scene::Scene;
use crate::farm_command::eventually;

const PAGE: &str = "section-0/page-0.html";

#[test]
fn no_document_is_published_over_yesterday() {
    let mut scene = Scene::new();
    let directory = scene.farm.directory();
    let (state, docroot) = (directory.join("state-1"), directory.join("www-1"));
    scene.farm.origin_mut().stop();
    copy(&scene.farm.origin().state(), &state);
    copy(&scene.farm.origin().docroot(), &docroot);
    scene.farm.origin_mut().start();
    write(&scene.farm.origin().path(PAGE), "today");
    scene.settle();
    let (push, head, _) = scene.newest(scene.farm.origin());
    scene.farm.nodes.iter_mut().for_each(|node| node.stop());

    std::fs::remove_dir_all(scene.farm.origin().state()).unwrap();
    copy(&state, &scene.farm.origin().state());
    restore(&docroot, &scene.farm.origin().docroot());
    scene.farm.origin_mut().start();
    let origin = scene.farm.origin();
    // It believes that it knows all there is.
    origin.cli(&["wait", "--live", "--timeout", "60s"]).done();
    let liar = scene.heard(origin);
    let replica = mirrormesh::daemon::key::read(&scene.farm.replica().state()).unwrap();
    let mut replica = Peer::dial(&replica, origin.address());
    let mut hello = scene.hello();
    (hello.epoch, hello.seq) = head.peek().unwrap().position();
    assert!(replica.send(&frame(kind::HELLO, &hello)));
    assert!(replica.send(&frame(kind::PUSH, &push)));
    eventually("it knows", || origin.log().contains("rolled back"));
    // An operator changes the document, and gets an answer when it is known what comes before it.
    let mut change = origin.command(&["config", "set", "docroot_switch", "follow"]);
    let mut change = change.stdout(std::process::Stdio::null()).spawn().unwrap();
    origin.until("it holds", |status| !status["node"]["held"].is_null());
    drop((liar, replica));
    scene.farm.replica_mut().start();
    assert!(change.wait().unwrap().success());
    scene.settle();
    let found = std::fs::read(scene.farm.replica().path(PAGE)).unwrap();
    assert_eq!(found, b"today");
}

//! What somebody is still writing is not published.

use std::fs::{self, File};
use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::sample::{content, site, write};
use crate::farm::Farm;
use crate::farm_command::{eventually, remark};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().filter_map(|entry| entry["path"].as_str()).collect()
}

fn farm() -> Farm {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 2, 5));
    farm.add();
    farm.converges();
    farm
}

#[test]
fn an_upload_is_published_when_it_is_closed() {
    let farm = farm();
    let mut upload = File::create(farm.origin().path("section-0/upload.zip")).unwrap();
    let (first, second) = (content(1, 300_000), content(2, 300_000));
    upload.write_all(&first).unwrap();
    write(&farm.origin().path("other.html"), "meanwhile");
    farm.wait_all();
    assert_eq!(fs::read(farm.replica().path("other.html")).unwrap(), b"meanwhile");
    let target = farm.replica().path("section-0/upload.zip");
    assert!(!target.exists(), "half an upload was published");
    farm.origin().until("it is listed", |status| {
        names(&status["node"]["open_for_writing"]) == ["section-0/upload.zip"]
    });
    upload.write_all(&second).unwrap();
    upload.sync_all().unwrap();
    farm.wait_all();
    assert!(!target.exists(), "half an upload was published");
    drop(upload);
    eventually("it appears", || target.exists());
    assert_eq!(fs::read(&target).unwrap(), [first, second].concat());
    farm.converges();
    farm.origin().until("it is listed no more", |status| {
        names(&status["node"]["open_for_writing"]).is_empty()
    });
}

#[test]
fn a_published_file_keeps_its_version_while_it_is_rewritten() {
    let farm = farm();
    let (source, target) = (farm.origin().path("video"), farm.replica().path("video"));
    write(&source, content(1, 200_000));
    farm.converges();
    let mut open = File::options().write(true).open(&source).unwrap();
    for round in 0..5 {
        open.write_all(&content(10 + round, 20_000)).unwrap();
        farm.wait_all();
        assert_eq!(fs::read(&target).unwrap(), content(1, 200_000), "round {round}");
    }
    drop(open);
    farm.converges();
    assert_eq!(fs::read(&target).unwrap(), fs::read(&source).unwrap());
}

#[test]
fn a_log_that_is_always_open_blocks_nothing() {
    let farm = farm();
    let mut log = File::create(farm.origin().path("access.log")).unwrap();
    let began = Instant::now();
    for round in 0..10 {
        writeln!(log, "request {round}").unwrap();
        let page = format!("page-{round}.html");
        write(&farm.origin().path(&page), &page);
        farm.wait_all();
        assert_eq!(fs::read(farm.replica().path(&page)).unwrap(), page.as_bytes());
    }
    assert!(began.elapsed() < Duration::from_secs(30), "wait was held up by a log");
    assert!(!farm.replica().path("access.log").exists());
    let status = farm.replica().status();
    assert_eq!(status["node"]["in_sync"], true, "it does not make anybody out of sync");
}

#[test]
fn writers_in_a_hurry_are_not_disturbed() {
    let farm = farm();
    let root = farm.origin().docroot();
    let mut slowest = Duration::ZERO;
    for round in 0..2_000u32 {
        let path = root.join(format!("hot-{}", round % 5));
        let began = Instant::now();
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        slowest = slowest.max(began.elapsed());
        file.write_all(&round.to_le_bytes()).unwrap();
    }
    assert!(slowest < Duration::from_secs(1), "an open waited for {slowest:?}");
    farm.converges();
}

#[test]
fn a_writer_through_a_mapping_or_in_place_is_never_seen_half() {
    // A file of one repeated byte, rewritten in place over and over: a replica that shows two
    // different bytes in it shows half a write.
    let farm = farm();
    let (source, target) = (farm.origin().path("flag"), farm.replica().path("flag"));
    write(&source, vec![b'a'; 150_000]);
    farm.converges();
    let began = Instant::now();
    let mut round = 0u8;
    let mut seen = 0;
    while began.elapsed() < Duration::from_secs(4) {
        let mut file = File::options().write(true).open(&source).unwrap();
        let byte = b'a' + round % 26;
        for _ in 0..15 {
            file.write_all(&[byte; 10_000]).unwrap();
        }
        drop(file);
        round = round.wrapping_add(1);
        let shown = fs::read(&target).unwrap();
        assert!(shown.iter().all(|byte| *byte == shown[0]), "half a write is shown");
        assert_eq!(shown.len(), 150_000);
        seen += usize::from(shown[0] != b'a');
    }
    farm.converges();
    remark(&format!("{round} rounds, {seen} looks saw a newer version"));
}

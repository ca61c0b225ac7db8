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
fn a_writer_in_place_is_never_seen_half() {
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

#[test]
fn who_is_not_served_goes_without_and_says_so() {
    let mut farm = farm();
    let page = farm.origin().path("section-0/page-0.html");
    for name in ["section-1/same", "section-0/same"] {
        write(&farm.origin().path(name), content(7, 30_000));
    }
    farm.converges();
    // Both are being rewritten for longer than anybody waits for.
    let rewrite = |path: &std::path::Path| {
        let mut file = File::options().write(true).open(path).unwrap();
        file.write_all(b"HALF").unwrap();
        file
    };
    let open = [rewrite(&page), rewrite(&farm.origin().path("section-0/same"))];
    let seq = farm.origin().status()["node"]["seq"].as_u64().unwrap();
    farm.origin().until("they are given up", |status| {
        status["node"]["seq"].as_u64().is_some_and(|now| now > seq)
    });
    farm.wait_all();
    farm.add();
    farm.wait_all();
    let late = &farm.nodes[2];
    let status = late.status();
    assert_eq!(status["node"]["in_sync"], true, "{status:#}");
    assert!(names(&status["node"]["unserved"]).contains(&"section-0/page-0.html"), "{status:#}");
    assert!(!late.path("section-0/page-0.html").exists());
    let elsewhere = fs::read(late.path("section-1/same")).unwrap();
    assert_eq!(elsewhere, content(7, 30_000), "its content lies elsewhere too");
    assert_ne!(fs::read(farm.replica().path("section-0/page-0.html")).unwrap()[..4], *b"HALF");
    drop(open);
    farm.converges();
    let status = farm.nodes[2].status();
    assert_eq!(names(&status["node"]["unserved"]), [""; 0], "{status:#}");
}

#[test]
fn ways_of_saving_a_page_never_show_half_of_it() {
    let farm = farm();
    let (source, target) = (farm.origin().docroot(), farm.replica().docroot());
    let ways = ["temporary", "backup", "truncated"];
    for way in ways {
        write(&source.join(way), [b'a'; 20_000]);
    }
    farm.converges();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..150_u8 {
                let bytes = [b'a' + round % 26; 20_000];
                let path = |way: &str| source.join(way);
                write(&path("temporary~"), bytes);
                fs::rename(path("temporary~"), path("temporary")).unwrap();
                fs::rename(path("backup"), path("backup~")).unwrap();
                write(&path("backup"), bytes);
                write(&path("truncated"), bytes);
                let _ = farm.origin().cli(&["status"]);
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            for way in ways {
                let shown = match fs::read(target.join(way)) {
                    Ok(shown) => shown,
                    // For a moment there is no such name on the origin either.
                    Err(_) if way == "backup" => continue,
                    Err(error) => panic!("{way} is in every tree: {error}"),
                };
                assert_eq!(shown.len(), 20_000, "{way}");
                assert!(shown.iter().all(|byte| *byte == shown[0]), "half of {way} is shown");
            }
        }
    });
    farm.converges();
}

#[test]
fn deploys_reach_a_replica_that_was_cut_off_meanwhile() {
    let mut farm = farm();
    let archive = |release: u64| {
        let from = farm.directory().join(format!("release-{release}"));
        for number in 0..120 {
            let path = format!("section-{}/page-{number}.html", number % 6);
            write(&from.join(path), content(release * 1_000 + number, 2_000));
        }
        let archive = farm.directory().join(format!("release-{release}.tar"));
        tool("tar", &["cf", archive.to_str().unwrap(), "-C", from.to_str().unwrap(), "."]);
        archive
    };
    let archives = [archive(1), archive(2)];
    let deploy = |farm: &Farm, round: usize| {
        let root = farm.origin().docroot();
        for entry in fs::read_dir(&root).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        let archive = archives[round % 2].to_str().unwrap();
        tool("tar", &["xf", archive, "-C", root.to_str().unwrap()]);
    };
    deploy(&farm, 0);
    farm.converges();
    for round in 0..4 {
        match round {
            0 => farm.replica_mut().stop(),
            1 => farm.replica_mut().kill9(),
            _ => {}
        }
        deploy(&farm, round);
        deploy(&farm, round + 1);
        farm.origin().cli(&["wait", "--timeout", "60s"]).done();
        if round < 2 {
            farm.replica_mut().start();
        }
        farm.converges();
        assert_eq!(farm.origin().status()["node"]["held"], Value::Null);
    }
}

/// Runs a program of the system.
#[track_caller]
fn tool(name: &str, arguments: &[&str]) {
    let output = std::process::Command::new(name).args(arguments).output().unwrap();
    assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
}

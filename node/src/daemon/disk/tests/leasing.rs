#![allow(clippy::disallowed_methods)] // It is about how long things take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_writer_is_noticed() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    drop(fixture.file(&docroot, "file", b"x"));
    let file = fixture.disk.open_file(&docroot, &name("file")).unwrap();
    assert_eq!(fixture.disk.is_somebody_writing(&file), Writing::No);
    let writer = fixture.disk.reopen(&docroot, &name("file")).unwrap();
    assert_eq!(fixture.disk.is_somebody_writing(&file), Writing::Yes);
    drop(writer);
    assert_eq!(fixture.disk.is_somebody_writing(&file), Writing::No);
    let reader = fixture.disk.open_file(&docroot, &name("file")).unwrap();
    assert_eq!(fixture.disk.is_somebody_writing(&file), Writing::No);
    drop(reader);
}

#[test]
fn what_takes_no_lease_is_unknown() {
    let (reader, _writer) = std::io::pipe().unwrap();
    assert_eq!(lease::is_somebody_writing(&reader), Writing::Unknown);
}

/// The one test that can show a lease that is held too long: a writer opens the file all the time
/// while 100,000 leases are taken. A lease held for any work at all would show in thousands of
/// slow opens, a forgotten one in an open of 45 seconds, and a `SIGIO` in the end of this process.
///
/// On a busy machine a thread may be put aside between the two calls, so the bound is a share: one
/// open in a thousand. On an idle one there is none.
#[test]
fn leases_delay_nobody_and_end_nothing() {
    const LEASES: u32 = 100_000;
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    drop(fixture.file(&docroot, "file", b"x"));
    let file = fixture.disk.open_file(&docroot, &name("file")).unwrap();
    let path = fixture.path("file");
    let stop = &AtomicBool::new(false);
    let (opens, slow, longest, no, yes) = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let (mut opens, mut slow, mut longest) = (0_u32, 0_u32, Duration::ZERO);
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                let opened = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
                let took = start.elapsed();
                drop(opened);
                opens += 1;
                slow += u32::from(took > Duration::from_millis(10));
                longest = longest.max(took);
            }
            (opens, slow, longest)
        });
        let (mut no, mut yes) = (0, 0);
        for _ in 0..LEASES {
            match fixture.disk.is_somebody_writing(&file) {
                Writing::No => no += 1,
                Writing::Yes => yes += 1,
                Writing::Unknown => panic!("leases do not work here"),
            }
        }
        stop.store(true, Ordering::Relaxed);
        let (opens, slow, longest) = writer.join().unwrap();
        (opens, slow, longest, no, yes)
    });
    println!("{opens} opens, {slow} over 10 ms, longest {longest:?}; {no} leases, {yes} refused");
    assert!(no > 1_000 && yes > 1_000, "{no} leases, {yes} refused: the two never met");
    assert!(opens > 1_000, "{opens} opens");
    assert!(slow <= opens / 1_000, "{slow} of {opens} opens over 10 ms");
    assert!(longest < Duration::from_secs(5), "an open took {longest:?}");
}

/// Programs that hooks start must not inherit what this process does about the signal.
#[test]
fn children_get_the_default_back() {
    let _fixture = Fixture::new();
    let output = std::process::Command::new("cat").arg("/proc/self/status").output().unwrap();
    let status = String::from_utf8(output.stdout).unwrap();
    let mask = |label: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(label)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    let bit = 1 << (rustix::process::Signal::IO.as_raw() - 1);
    assert_eq!(mask("SigIgn:") & bit, 0);
    assert_eq!(mask("SigCgt:") & bit, 0);
}

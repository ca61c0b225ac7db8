//! Figures, not tests: see the ordered store's.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // It measures, and says what.

use std::time::{Duration, Instant};

use super::*;

/// How many files are flushed, and by which means, in milliseconds.
#[test]
#[ignore = "measures"]
fn measure_flushing_files() {
    let path = std::env::var_os("MIRRORMESH_MEASURE").unwrap_or_else(|| "/tmp".into());
    let folder = tempfile::tempdir_in(path).unwrap();
    let at = open::by_path(folder.path()).unwrap();
    let measure = |label: &str, count: usize, busy: bool, flush: &dyn Fn(&[&File])| {
        let rounds = 9;
        let mut times: Vec<Duration> = (0..rounds)
            .map(|_| {
                let files: Vec<File> = (0..count)
                    .map(|_| {
                        let file = content::create_unnamed(at.as_fd()).unwrap();
                        content::write(&file, 0, &[7; 4096]).unwrap();
                        file
                    })
                    .collect();
                let neighbour = busy.then(|| {
                    let file = content::create_unnamed(at.as_fd()).unwrap();
                    content::write(&file, 0, &vec![1; 64 << 20]).unwrap();
                    file
                });
                let files: Vec<&File> = files.iter().collect();
                let start = Instant::now();
                flush(&files);
                let took = start.elapsed();
                drop(neighbour);
                durable::all(&at).unwrap();
                took
            })
            .collect();
        times.sort();
        println!("{label:>14} {count:>5} files: {:?}", times[rounds / 2]);
    };
    for busy in [false, true] {
        println!("neighbour with 64 MiB not flushed: {busy}");
        for count in [1, 2, 4, 8, 16, 32, 64, 128, 512] {
            measure("one by one", count, busy, &|files| {
                files.iter().for_each(|file| durable::file(file.as_fd()).unwrap());
            });
            measure("side by side", count, busy, &|files| durable::side_by_side(files).unwrap());
            measure("whole", count, busy, &|files| durable::all(files[0]).unwrap());
        }
    }
}

/// What one lease costs, and what opening and looking do.
#[test]
#[ignore = "measures"]
fn measure_single_calls() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    drop(fixture.file(&docroot, "file", b"x"));
    let file = fixture.disk.open_file(&docroot, &name("file")).unwrap();
    fixture.disk.make_directory(&docroot, &name("directory"), 0o755).unwrap();
    let measure = |label: &str, call: &dyn Fn()| {
        let start = Instant::now();
        (0..100_000).for_each(|_| call());
        println!("{label}: {:?}", start.elapsed() / 100_000);
    };
    let disk = &fixture.disk;
    measure("lease", &|| assert_eq!(disk.is_somebody_writing(&file), Writing::No));
    measure("stat", &|| assert!(disk.stat(&docroot, &name("file")).is_ok()));
    measure("open_file and close", &|| drop(disk.open_file(&docroot, &name("file")).unwrap()));
    measure("open_directory", &|| {
        drop(disk.open_directory(&docroot, &name("directory")).unwrap());
    });
    measure("filesystem", &|| assert!(disk.filesystem(&docroot).is_ok()));
}

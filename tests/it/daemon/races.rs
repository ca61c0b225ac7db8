//! Names that become something else while they are scanned, read or written.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat, renameat, symlinkat, unlinkat,
};

use super::sample::{site, write};
use crate::farm::Farm;
use crate::farm_command::remark;
use crate::farm_walk::walk;

/// What no daemon may ever write to, and no replica show.
fn outside(root: &Path) {
    write(&root.join("secret"), "SECRET");
    for number in 0..10 {
        write(&root.join(format!("page-{number}.html")), "SECRET");
    }
}

/// Swaps directories for symlinks that lead outside, and files for pipes, links and directories,
/// never through a symlink itself.
fn swap(root: &Path, outside: &Path, seed: u64, stop: &AtomicBool) -> u64 {
    let mut state = seed;
    let mut draw = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        rounds += 1;
        let directory = root.join(format!("section-{}", draw(3)));
        let away = directory.with_extension("away");
        let name = format!("page-{}.html", draw(10));
        // That a name is something else by now is what this is about.
        let _ = match draw(7) {
            0 => renameat(CWD, &directory, CWD, &away)
                .and_then(|()| symlinkat(outside, CWD, &directory)),
            1 => unlinkat(CWD, &directory, AtFlags::empty())
                .and_then(|()| renameat(CWD, &away, CWD, &directory)),
            kind => opened(&directory).and_then(|at| {
                let _ = unlinkat(&at, &name, AtFlags::empty());
                match kind {
                    2 => mknodat(&at, &name, FileType::Fifo, Mode::from_raw_mode(0o644), 0),
                    3 => symlinkat(outside.join("secret"), &at, &name),
                    4 => mkdirat(&at, &name, Mode::from_raw_mode(0o755)),
                    _ => {
                        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                        let file = openat(&at, &name, flags, Mode::from_raw_mode(0o644))?;
                        rustix::io::write(&file, &[b'x'; 3_000]).map(|_| ())
                    }
                }
            }),
        };
        if rounds % 16 == 0 {
            // A breath for whoever reacts.
            thread::yield_now();
        }
    }
    // What hangs on a swap that was cut off is put back.
    for number in 0..3 {
        let directory = root.join(format!("section-{number}"));
        let _ = unlinkat(CWD, &directory, AtFlags::empty());
        let _ = renameat(CWD, directory.with_extension("away"), CWD, &directory);
    }
    rounds
}

fn opened(directory: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    openat(CWD, directory, flags, Mode::empty())
}

fn race(on_origin: bool, on_replica: bool) {
    let mut farm = Farm::founded(&[], |root| site(root, 8, 10));
    farm.add();
    farm.converges();
    let mut places: Vec<(PathBuf, PathBuf)> = Vec::new();
    for (node, swaps) in farm.nodes.iter().zip([on_origin, on_replica]) {
        if swaps {
            let aside = farm.directory().join(format!("outside-{}", node.name));
            outside(&aside);
            places.push((node.docroot(), aside));
        }
    }
    let before: Vec<_> = places.iter().map(|(_, aside)| walk(aside)).collect();
    let stop = &AtomicBool::new(false);
    let calm = farm.origin().docroot();
    thread::scope(|scope| {
        let swappers: Vec<_> = places
            .iter()
            .zip(1..)
            .map(|((root, aside), seed)| scope.spawn(move || swap(root, aside, seed, stop)))
            .collect();
        let began = Instant::now();
        let mut round = 0_u64;
        while began.elapsed() < Duration::from_secs(3) {
            // Both in what is left alone (the greater part, lest a brake holds) and in what is not.
            write(&calm.join(format!("section-4/page-{}.html", round % 10)), round.to_string());
            if let Ok(at) = opened(&calm.join(format!("section-{}", round % 3))) {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let name = format!("new-{round}");
                let made = openat(&at, name, flags, Mode::from_raw_mode(0o644));
                drop(made.map(File::from));
            }
            round += 1;
            farm.origin().cli(&["wait", "--live", "--timeout", "50ms"]);
        }
        stop.store(true, Ordering::Relaxed);
        for swapper in swappers {
            remark(&format!("{} swaps", swapper.join().unwrap()));
        }
    });
    let after: Vec<_> = places.iter().map(|(_, aside)| walk(aside)).collect();
    assert_eq!(before, after, "something was written outside a docroot");
    for node in &mut farm.nodes {
        assert!(node.lives());
        assert!(!node.log().contains("panicked"), "{}", node.log());
    }
    // A pipe is not mirrored, and where a directory that goes holds one, both stay.
    for (root, _) in &places {
        remove_pipes(root);
    }
    let swapped = |path: &[u8]| path.windows(5).any(|part| part == b".away");
    for node in &farm.nodes {
        farm.origin().cli(&["confirm"]);
        node.cli(&["confirm"]);
    }
    farm.wait_all();
    farm.replica().cli(&["wait", "--timeout", "60s"]).done();
    let seen = |root: &Path| {
        let mut all = walk(root);
        all.retain(|path, _| !swapped(path));
        all
    };
    let found = crate::farm_walk::differences(&seen(&calm), &seen(&farm.replica().docroot()));
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(farm.replica().status()["node"]["in_sync"], true);
}

/// A replica goes on meanwhile, and takes directories away.
fn remove_pipes(root: &Path) {
    use std::os::unix::fs::FileTypeExt as _;
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            remove_pipes(&entry.path());
        } else if kind.is_fifo() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

#[test]
fn swaps_on_the_origin_lead_nobody_outside() {
    race(true, false);
}

#[test]
fn swaps_on_a_replica_lead_it_nowhere() {
    race(false, true);
}

#[test]
fn swaps_at_both_ends_settle() {
    race(true, true);
}

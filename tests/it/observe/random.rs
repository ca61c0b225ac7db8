//! Random users, random limits, edits between any two primitives.

use std::cell::RefCell;
use std::rc::Rc;

use mirrormesh::store::{Depth, FileKind, ObserveLimits};
use mirrormesh_merkle::{Path, Time};
use mirrormesh_simulation::disk::{Options, SimDisk, UserFile};

use super::fixture::{Fixture, Random, advance, look};
use super::model::{check_books, check_tree};

const NAMES: [&str; 6] = ["a", "b", "c", "d.html", "e", ".mirrormesh-x"];

fn random_path(random: &mut Random) -> String {
    let depth = 1 + random.below(3);
    let names: Vec<&str> = (0..depth).map(|_| *random.pick(&NAMES)).collect();
    names.join("/")
}

/// One edit; most make sense, some fail.
fn edit(disk: &SimDisk, random: &mut Random, open: &mut Vec<UserFile>) {
    advance(disk, 1 + random.below(5_000_000));
    let at = random_path(random);
    let bytes = vec![b'x'; random.below(40) as usize];
    let tag = [b"0123456789abcdef"[random.below(16) as usize]; 3];
    let bytes = [&bytes[..], &tag[..]].concat();
    let _ = match random.below(20) {
        0..=4 => disk.user_write(&at, &bytes),
        5 => disk.user_write_at(&at, random.below(8), &tag),
        6 | 7 => disk.user_replace(&at, &bytes),
        8 | 9 => disk.user_remove(&at),
        10 | 11 => disk.user_rename(&at, random_path(random)),
        12..=14 => disk.user_mkdir(&at),
        15 => disk.user_symlink(&at, &tag),
        16 => {
            let kind = *random.pick(&[FileKind::Fifo, FileKind::Socket, FileKind::Device]);
            disk.user_make_special(&at, kind)
        }
        17 => disk.user_chmod(&at, *random.pick(&[0o755, 0o700, 0o4711, 0o644])),
        18 => {
            let now = disk.now();
            let seconds = now.seconds - random.below(3) as i64;
            disk.user_touch(&at, Time { seconds, ..now })
        }
        _ if open.is_empty() => disk.user_open(&at).map(|file| open.push(file)),
        _ => {
            let file = open.swap_remove(random.below(open.len() as u64) as usize);
            let outcome = disk.user_write_open(&file, random.below(9), &tag);
            disk.user_close(file);
            outcome
        }
    };
}

fn random_limits(random: &mut Random) -> ObserveLimits {
    let mut one_of = |small: u64, large: u64| {
        if random.below(2) == 0 { 1 + random.below(small) } else { large }
    };
    ObserveLimits {
        changes: one_of(4, 2_000) as usize,
        names: one_of(6, 100_000) as usize,
        bytes: one_of(60, 1 << 30),
    }
}

fn close_all(fixture: &Fixture, open: &mut Vec<UserFile>) {
    for file in open.drain(..) {
        fixture.disk.user_close(file);
    }
    fixture.pass(5_000_000_000);
}

/// Edits and looks at what they hint at.
fn edits_between_jobs(seed: u64, options: Options) {
    let mut random = Random(seed);
    let mut fixture = Fixture::new(options);
    fixture.large_bytes = *random.pick(&[20, 1 << 40]);
    if random.below(4) == 0 {
        fixture.exclude(&["e", "b/c", "a/"]);
    }
    let mut open = Vec::new();
    for _ in 0..random.below(30) {
        edit(&fixture.disk, &mut random, &mut open);
    }
    fixture.limits = random_limits(&mut random);
    fixture.scan();
    for _ in 0..8 {
        fixture.limits = random_limits(&mut random);
        for _ in 0..random.below(12) {
            edit(&fixture.disk, &mut random, &mut open);
        }
        match random.below(4) {
            0 => drop(fixture.scan()),
            1 => {
                let at = Path::from_bytes(random_path(&mut random).as_bytes()).unwrap();
                let depth = *random.pick(&[Depth::Name, Depth::Directory, Depth::Subtree]);
                fixture.settle(vec![look(at, depth)]);
            }
            _ => {
                let looks = fixture.hinted();
                fixture.settle(looks);
            }
        }
        check_books(&fixture);
        if random.below(3) == 0 {
            close_all(&fixture, &mut open);
            fixture.follow_hints();
            check_tree(&fixture);
        }
    }
    close_all(&fixture, &mut open);
    fixture.follow_hints();
    check_books(&fixture);
    check_tree(&fixture);
    let before = fixture.current;
    fixture.scan();
    assert_eq!(fixture.current, before, "a scan finds what hints had not told");
}

#[test]
fn hints_and_looks_lead_to_the_tree_of_a_naive_walk() {
    for seed in 0..300 {
        let options = Options { seed, echo_hints: true, ..Options::default() };
        edits_between_jobs(seed, options);
    }
}

#[test]
fn on_any_machine_hints_and_looks_lead_to_the_tree_of_a_naive_walk() {
    for seed in 0..300 {
        edits_between_jobs(seed, Options::draw(seed));
    }
}

/// Edits between any two primitives.
fn edits_within_jobs(seed: u64, options: Options) {
    let mut random = Random(seed ^ 0xabcd);
    let mut fixture = Fixture::new(options);
    let mut open = Vec::new();
    for _ in 0..random.below(40) {
        edit(&fixture.disk, &mut random, &mut open);
    }
    let shared = Rc::new(RefCell::new((random.clone(), open, true)));
    let inside = Rc::clone(&shared);
    fixture.disk.before_primitive(move |_, _, disk| {
        let (random, open, active) = &mut *inside.borrow_mut();
        if *active && random.below(12) == 0 {
            edit(disk, random, open);
        }
    });
    for _ in 0..6 {
        fixture.limits = random_limits(&mut random);
        shared.borrow_mut().2 = true;
        let looks = fixture.hinted();
        let looks = if looks.is_empty() { vec![look(Path::root(), Depth::Subtree)] } else { looks };
        for look in looks {
            // What is left of one look is not pursued while users go on for ever.
            fixture.job(vec![look]);
        }
        shared.borrow_mut().2 = false;
        check_books(&fixture);
    }
    close_all(&fixture, &mut shared.borrow_mut().1);
    fixture.limits = random_limits(&mut random);
    fixture.scan();
    fixture.follow_hints();
    check_books(&fixture);
    check_tree(&fixture);
}

#[test]
fn edits_between_any_two_primitives_do_no_harm() {
    for seed in 0..300 {
        edits_within_jobs(seed, Options { seed, ..Options::default() });
        edits_within_jobs(seed, Options::draw(seed));
    }
}

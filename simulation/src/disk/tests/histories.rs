//! Long drawn histories, and what holds after each step of every one.

use super::*;
use crate::disk::draw::Draws;
use mirrormesh::store::Stat;

const PATHS: [&str; 10] = ["a", "b", "c", "a/a", "a/b", "b/a", "b/a/a", "c/a", "c/a/b", "c/b"];

fn user_step(disk: &SimDisk, draws: &mut Draws) {
    let mut path = || PATHS[draws.below(PATHS.len() as u64) as usize];
    let (one, two) = (path(), path());
    let bytes = vec![draws.next() as u8; draws.below(3 * SECTOR as u64) as usize];
    // Many steps cannot be made; that is no matter.
    let _ = match draws.below(9) {
        0 => disk.user_write(one, &bytes),
        1 => disk.user_write_at(one, draws.below(9000), &bytes),
        2 => disk.user_replace(one, &bytes),
        3 => disk.user_remove(one),
        4 | 5 => disk.user_rename(one, two),
        6 => disk.user_mkdir(one),
        7 => disk.user_link(one, two),
        _ => disk.user_chmod(one, draws.below(0o1000) as u16),
    };
}

fn directory_of(disk: &SimDisk, path: &str) -> Option<SimDirectory> {
    let mut at = docroot(disk);
    for part in path.split('/') {
        at = disk.open_directory(&at, &name(part)).ok()?;
    }
    Some(at)
}

fn own_step(disk: &SimDisk, draws: &mut Draws) -> Option<()> {
    let path = PATHS[draws.below(PATHS.len() as u64) as usize];
    let at = directory_of(disk, path).unwrap_or_else(|| docroot(disk));
    let one = name(["a", "b", "c"][draws.below(3) as usize]);
    match draws.below(6) {
        0 => disk.sync_directory(&at).ok(),
        1 => disk.sync_file(&disk.open_file(&at, &one).ok()?).ok(),
        2 => disk.rename(&at, &one, &docroot(disk), &one, Rename::Exchange).ok(),
        3 => disk.link(&disk.create_unnamed(&at).ok()?, &at, &one).ok(),
        4 => {
            let mut batch = Batch::default();
            batch.put(Table::State, "n", draws.next().to_be_bytes().to_vec());
            disk.commit(batch, draws.below(2) == 0).ok()
        }
        _ => (draws.below(10) == 0).then(|| disk.sync_all(&at).ok())?,
    }
}

/// All there is to know of every name, times too.
fn stats_of(disk: &SimDisk) -> Vec<Stat> {
    let tree = disk.tree_of_docroot();
    let stat = |path: &Vec<u8>| {
        let text = String::from_utf8(path.clone()).expect("text");
        match text.rsplit_once('/') {
            None => disk.stat(&docroot(disk), &name(&text)),
            Some((above, last)) => disk.stat(&directory_of(disk, above)?, &name(last)),
        }
        .ok()
    };
    tree.keys().map(|path| stat(path).expect("it is there")).collect()
}

#[test]
fn whatever_happened_extremes_agree_and_every_image_is_sound() {
    let mut kept = (0, 0);
    for seed in 0..60 {
        let mut draws = Draws::new(seed);
        let mut disk = SimDisk::new(Options { reuse_inodes: seed % 2 == 0, ..Options::draw(seed) });
        for step in 0..120 {
            let now = disk.now();
            disk.set_clock(Time { seconds: now.seconds + 1, ..now });
            if draws.below(3) == 0 {
                own_step(&disk, &mut draws);
            } else {
                user_step(&disk, &mut draws);
            }
            let live = disk.tree_of_docroot();
            if step % 10 == 0 {
                let hostile = [disk_image(&disk, Policy::Hostile, step)];
                for image in hostile.into_iter().chain([disk_image(&disk, Policy::Ordered, step)]) {
                    let hits = image.hits();
                    kept = (kept.0 + hits.names.0, kept.1 + hits.names.1);
                    let again = image.reopen();
                    assert_eq!(again.tree_of_docroot(), image.tree_of_docroot());
                    assert_eq!(again.pending(), (0, 0));
                    unique_numbers(&again);
                }
                let lucky = disk_image(&disk, Policy::Lucky, 0);
                assert_eq!(lucky.tree_of_docroot(), live, "seed {seed}, step {step}");
                assert_eq!(stats_of(&lucky.reopen()), stats_of(&disk));
            }
            if step % 40 == 39 {
                disk.write_back();
                let stats = stats_of(&disk);
                let strict = disk.crash(Policy::Strict, 0);
                assert_eq!(strict.tree_of_docroot(), live, "seed {seed}, step {step}");
                assert_eq!(stats_of(&strict.reopen()), stats);
                disk = strict.reopen();
            }
        }
    }
    assert!(kept.0 > 1000 && kept.1 > 1000, "{kept:?}");
}

/// An image, without ending the process.
fn disk_image(disk: &SimDisk, policy: Policy, seed: u64) -> Image {
    images::drawn(&disk.state.borrow(), policy, seed)
}

fn unique_numbers(disk: &SimDisk) {
    let state = disk.state.borrow();
    let numbers: BTreeSet<u64> = state.live.inodes.values().map(|inode| inode.number).collect();
    assert_eq!(numbers.len(), state.live.inodes.len());
}

#[test]
fn a_large_docroot_is_no_burden() {
    let disk = disk();
    for number in 0..20_000 {
        if number % 100 == 0 {
            disk.user_mkdir(format!("d{}", number / 100)).unwrap();
        }
        disk.user_write(format!("d{}/f{number}", number / 100), b"content").unwrap();
    }
    disk.write_back();
    let disk = disk.crash(Policy::Hostile, 1).reopen();
    assert_eq!(disk.tree_of_docroot().len(), 20_200);
}

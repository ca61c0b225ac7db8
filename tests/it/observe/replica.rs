//! A replica's side: what is a local edit and what is not.

use std::collections::BTreeMap;

use mirrormesh::store::pending::Pending;
use mirrormesh::store::{Depth, Disk, Side};
use mirrormesh_merkle::{Change, File, Path, Record, Tree, update};
use mirrormesh_simulation::disk::{Options, SimDisk};

use super::fixture::{Fixture, Random, look, path};
use super::model::{check_books, check_tree, records, rows, stored};

/// Stores a tree as Prove would.
fn store(disk: &SimDisk, records: &BTreeMap<Path, Record>) -> Tree {
    let changes: Vec<Change> = records
        .iter()
        .map(|(path, record)| Change { path: path.clone(), record: Some(record.clone()) })
        .collect();
    let mut pending = Pending::new(disk);
    let tree = update(&mut pending, &Tree::empty(), &changes).unwrap();
    pending.commit(false).unwrap();
    tree
}

fn replica(target: impl FnOnce(BTreeMap<Path, Record>) -> BTreeMap<Path, Record>) -> Fixture {
    let mut fixture = Fixture::new(Options::default());
    let disk = &fixture.disk;
    disk.user_mkdir("d").unwrap();
    disk.user_write("d/a", b"a").unwrap();
    disk.user_write("b", b"b").unwrap();
    disk.user_symlink("l", b"b").unwrap();
    let target = store(disk, &target(records(disk, &fixture.excludes)));
    fixture.side = Side::Replica { target: Some(target) };
    fixture
}

fn local(fixture: &Fixture) -> Vec<String> {
    let rows = rows(&fixture.disk);
    rows.iter().filter(|(_, row)| row.local).map(|(path, _)| path.to_string()).collect()
}

#[test]
fn what_equals_the_target_is_no_edit() {
    let mut fixture = replica(|records| records);
    fixture.scan();
    assert_eq!(local(&fixture), [""; 0]);
    check_tree(&fixture);
    fixture.pass(1_000);
    fixture.disk.user_write("d/a", b"edited").unwrap();
    fixture.disk.user_write("d/new", b"new").unwrap();
    fixture.disk.user_chmod("d", 0o700).unwrap();
    fixture.disk.user_remove("l").unwrap();
    fixture.follow_hints();
    assert_eq!(local(&fixture), ["d", "d/a", "d/new"]);
    check_tree(&fixture);
    check_books(&fixture);
}

#[test]
fn without_a_target_everything_is_local() {
    let mut fixture = replica(|records| records);
    fixture.side = Side::Replica { target: None };
    fixture.scan();
    assert_eq!(local(&fixture), ["b", "d", "d/a", "l"]);
}

#[test]
fn a_changed_time_or_mode_is_an_edit_and_undone_it_is_none() {
    let mut fixture = replica(|records| records);
    fixture.scan();
    fixture.pass(5_000_000_000);
    let tree = fixture.disk.tree_of_docroot();
    let before = tree[&b"b"[..]].mtime.unwrap();
    fixture.disk.user_touch("b", fixture.disk.now()).unwrap();
    fixture.follow_hints();
    assert_eq!(local(&fixture), ["b"]);
    fixture.disk.user_touch("b", before).unwrap();
    fixture.follow_hints();
    assert_eq!(local(&fixture), [""; 0]);
}

#[test]
fn an_unserved_content_that_is_here_makes_no_difference() {
    let mut fixture = replica(|mut records| {
        if let Some(Record::File(file)) = records.get_mut(&path("b")) {
            *file = File { unserved: true, ..file.clone() };
        }
        records
    });
    fixture.scan();
    let Side::Replica { target: Some(target) } = fixture.side else { panic!("a replica") };
    assert_eq!(fixture.current.root, target.root);
    assert_eq!(local(&fixture), [""; 0]);
    let opened = fixture.disk.counts()["open_file"];
    fixture.scan();
    assert_eq!(fixture.disk.counts()["open_file"], opened, "nor is it read again");
}

#[test]
fn a_file_open_for_writing_is_taken_as_it_is() {
    let mut fixture = replica(|records| records);
    fixture.scan();
    fixture.pass(1_000);
    let file = fixture.disk.user_open("b").unwrap();
    fixture.disk.user_write_open(&file, 0, b"half").unwrap();
    let observed = fixture.scan();
    assert!(observed.iter().all(|observed| observed.unlisted.is_empty()));
    assert_eq!(local(&fixture), ["b"]);
    check_tree(&fixture);
    fixture.disk.user_close(file);
}

#[test]
fn rows_are_local_exactly_if_they_differ_from_the_target() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut fixture = Fixture::new(Options::draw(seed));
        let names = ["a", "b", "d/a", "d/b", "d/e/f"];
        let write = |disk: &SimDisk, random: &mut Random, time: bool| {
            let at = *random.pick(&names);
            let parent = at.rfind('/').map_or("", |end| &at[..end]);
            let _ = disk.user_mkdir(parent);
            let _ = match random.below(5) {
                0 => disk.user_remove(at),
                1 => disk.user_symlink(at, b"x"),
                _ => disk.user_write(at, &[random.below(3) as u8]),
            };
            if time {
                let _ = disk.user_touch(at, mirrormesh_merkle::Time::default());
            }
        };
        for _ in 0..8 {
            fixture.pass(1_000);
            write(&fixture.disk, &mut random, true);
        }
        let target = store(&fixture.disk, &records(&fixture.disk, &fixture.excludes));
        fixture.side = Side::Replica { target: Some(target) };
        fixture.scan();
        for _ in 0..10 {
            fixture.pass(1_000_000);
            let time = random.below(2) == 0;
            write(&fixture.disk, &mut random, time);
            if random.below(2) == 0 {
                fixture.settle(vec![look(path(random.pick::<&str>(&names)), Depth::Name)]);
            }
        }
        fixture.pass(5_000_000_000);
        fixture.scan();
        fixture.follow_hints();
        check_books(&fixture);
        check_tree(&fixture);
        let wanted = stored(&fixture.disk, &target);
        for (path, row) in rows(&fixture.disk) {
            assert_eq!(row.local, wanted.get(&path) != Some(&row.record), "{seed}: {path}");
        }
        fixture.disk.commit(Default::default(), true).unwrap();
    }
}

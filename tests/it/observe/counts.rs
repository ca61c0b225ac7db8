//! What looking costs, in primitives.

use std::collections::BTreeMap;

use mirrormesh::store::Depth;
use mirrormesh_simulation::disk::{Options, Policy};

use super::fixture::{Fixture, look, path};
use super::model::check_tree;

/// Primitives of the ordered store: a trie grows by a level with sixteen times as many names.
const STORE: [&str; 3] = ["get", "range", "commit"];

fn counted(fixture: &mut Fixture, run: impl FnOnce(&mut Fixture)) -> BTreeMap<&'static str, u64> {
    let before = fixture.disk.counts();
    run(fixture);
    let after = fixture.disk.counts();
    let counts = after
        .into_iter()
        .map(|(name, count)| (name, count - before.get(name).copied().unwrap_or_default()));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn farm(directories: usize) -> Fixture {
    let mut fixture = Fixture::new(Options::default());
    for directory in 0..directories {
        let directory = format!("directory-{directory}");
        fixture.disk.user_mkdir(&directory).unwrap();
        for file in 0..100 {
            let at = format!("{directory}/file-{file}");
            fixture.disk.user_write(at, directory.as_bytes()).unwrap();
        }
    }
    fixture.scan();
    fixture.disk.take_hints();
    fixture
}

#[test]
fn a_hint_costs_the_same_in_a_large_docroot_as_in_a_small_one() {
    let costs = [10, 400].map(|directories| {
        let mut fixture = farm(directories);
        fixture.pass(1_000);
        fixture.disk.user_write("directory-7/file-8", b"other").unwrap();
        let looks = fixture.hinted();
        assert_eq!(looks.len(), 1);
        fixture.checks = false;
        let counts = counted(&mut fixture, |fixture| {
            fixture.settle(looks);
        });
        let (store, files): (BTreeMap<_, _>, BTreeMap<_, _>) =
            counts.into_iter().partition(|(name, _)| STORE.contains(name));
        (files, store.values().sum::<u64>())
    });
    let [(small, small_store), (large, large_store)] = costs;
    assert_eq!(small, large, "primitives of the file system");
    assert!(small.values().sum::<u64>() <= 14, "{small:?}");
    assert!(large_store <= small_store + 4, "{small_store} and {large_store}");
    assert!(large_store <= 40, "{large_store}");
}

#[test]
fn a_scan_opens_no_unchanged_file_not_even_after_a_restart() {
    let mut fixture = farm(3);
    let counts = counted(&mut fixture, |fixture| drop(fixture.scan()));
    assert_eq!(counts.get("open_file"), None);
    assert_eq!(counts.get("read"), None);
    assert_eq!(counts.get("commit"), None);
    fixture.disk.write_back();
    fixture.disk.user_write("directory-1/file-1", b"later").unwrap();
    // The ordered store is made durable by whoever publishes.
    mirrormesh::store::Disk::commit(&fixture.disk, Default::default(), true).unwrap();
    fixture.disk.write_back();
    fixture.disk = fixture.disk.crash(Policy::Lucky, 1).reopen();
    let counts = counted(&mut fixture, |fixture| drop(fixture.scan()));
    assert_eq!(counts.get("open_file"), Some(&1));
    check_tree(&fixture);
}

#[test]
fn a_scan_in_small_parts_lists_and_looks_about_as_often_as_in_one() {
    let mut fixture = farm(20);
    let whole = counted(&mut fixture, |fixture| drop(fixture.scan()));
    fixture.limits.names = 150;
    let parts = counted(&mut fixture, |fixture| drop(fixture.scan()));
    assert!(parts["stat"] <= whole["stat"] + 20, "{parts:?}");
    assert!(parts["list"] <= whole["list"] + 40, "{parts:?}");
}

#[test]
fn a_look_at_a_directory_that_is_as_it_was_is_one_stat() {
    let mut fixture = farm(2);
    let counts = counted(&mut fixture, |fixture| {
        fixture.settle(vec![look(path("directory-1"), Depth::Name)]);
    });
    assert_eq!(counts.get("stat"), Some(&1));
    assert_eq!(counts.get("open_directory"), None);
}

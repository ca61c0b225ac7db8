use super::*;

#[test]
fn what_was_synced_is_never_lost() {
    let disk = disk();
    let at = docroot(&disk);
    put(&disk, &at, "page", b"complete", true);
    disk.sync_directory(&at).unwrap();
    let images = disk.images(100);
    assert!(images.is_complete());
    let all: Vec<_> = images.map(|image| content(&image, "page")).collect();
    assert_eq!(all, [Some(b"complete".to_vec())]);
    for policy in Policy::ALL {
        for seed in 0..20 {
            let image = disk.crash(policy, seed);
            assert_eq!(content(&image, "page"), Some(b"complete".to_vec()));
            assert!(!image.hits().hit_pending());
        }
    }
}

#[test]
fn a_name_without_sync_may_be_there_or_not_and_its_synced_data_is_whole() {
    let disk = disk();
    let at = docroot(&disk);
    put(&disk, &at, "page", b"complete", true);
    let images = disk.images(100);
    assert!(images.is_complete());
    // Lost, or there.
    let all: Vec<_> = images.map(|image| content(&image, "page")).collect();
    assert_eq!(all, [None, Some(b"complete".to_vec())]);
}

#[test]
fn a_rename_may_be_durable_before_its_data() {
    let disk = disk();
    let at = docroot(&disk);
    disk.user_write("page", b"old").unwrap();
    disk.write_back();
    let new = vec![b'n'; 2 * SECTOR];
    let file = disk.create(&at, &name(".mirrormesh.tmp-1")).unwrap();
    disk.write(&file, 0, &new).unwrap();
    disk.rename(&at, &name(".mirrormesh.tmp-1"), &at, &name("page"), Rename::Replace).unwrap();
    let images = disk.images(100);
    assert!(images.is_complete());
    let images: Vec<Image> = images.collect();
    // No name changed: 1. The file was created and not renamed, or both: of either, the size old
    // or new, and each of two sectors old or new.
    assert_eq!(images.len(), 1 + 8 + 8);
    let seen: BTreeSet<Vec<u8>> =
        images.iter().map(|image| content(image, "page").expect("never missing")).collect();
    let torn: Vec<u8> = [vec![0; SECTOR], vec![b'n'; SECTOR]].concat();
    let other: Vec<u8> = [vec![b'n'; SECTOR], vec![0; SECTOR]].concat();
    let expected = [b"old".to_vec(), vec![], vec![0; 2 * SECTOR], new, torn, other];
    assert_eq!(seen, expected.into_iter().collect());
    assert!(images.iter().any(|image| image.hits().torn_files == 1));
}

#[test]
fn overwritten_data_may_be_old_new_or_mixed() {
    let disk = disk();
    disk.user_write("page", &vec![b'o'; 2 * SECTOR]).unwrap();
    disk.write_back();
    disk.user_write_at("page", 0, &vec![b'n'; 2 * SECTOR]).unwrap();
    let mixed = |image: &Image| {
        let content = content(image, "page").unwrap();
        assert_eq!(content.len(), 2 * SECTOR);
        (content[0], content[2 * SECTOR - 1])
    };
    let seen: BTreeSet<_> = disk.images(100).map(|image| mixed(&image)).collect();
    let all = [(b'o', b'o'), (b'o', b'n'), (b'n', b'o'), (b'n', b'n')];
    assert_eq!(seen, all.into_iter().collect());
}

#[test]
fn names_in_a_new_directory_need_the_directorys_own_name() {
    let disk = disk();
    let at = docroot(&disk);
    disk.make_directory(&at, &name("blog"), 0o755).unwrap();
    let blog = disk.open_directory(&at, &name("blog")).unwrap();
    put(&disk, &blog, "page", b"x", true);
    disk.sync_directory(&blog).unwrap();
    let all: Vec<_> = disk.images(100).map(|image| paths(&image)).collect();
    assert_eq!(all, [vec![], vec!["blog".to_owned(), "blog/page".to_owned()]]);
    disk.sync_directory(&at).unwrap();
    assert_eq!(disk.images(100).count(), 1);
}

#[test]
fn a_durable_file_that_moves_is_always_somewhere_and_never_twice() {
    let disk = disk();
    disk.user_write("page", b"x").unwrap();
    disk.user_mkdir("old").unwrap();
    disk.write_back();
    let at = docroot(&disk);
    disk.make_directory(&at, &name("new"), 0o755).unwrap();
    let new = disk.open_directory(&at, &name("new")).unwrap();
    disk.rename(&at, &name("page"), &new, &name("a"), Rename::Replace).unwrap();
    disk.rename(&new, &name("a"), &at, &name("b"), Rename::Replace).unwrap();
    let old = disk.open_directory(&at, &name("old")).unwrap();
    disk.rename(&at, &name("b"), &old, &name("c"), Rename::Keep).unwrap();
    disk.remove_directory(&at, &name("new")).unwrap();
    let check = |disk: &SimDisk| {
        let images = disk.images(1000);
        assert!(images.is_complete());
        let files = |image: Image| paths(&image).into_iter().filter(|p| p != "old" && p != "new");
        images.map(|image| files(image).collect::<Vec<_>>()).collect::<BTreeSet<_>>()
    };
    let places = ["page", "new/a", "b", "old/c"].map(|path| vec![path.to_owned()]);
    assert_eq!(check(&disk), places.into_iter().collect());
    // One sync brings everything along on which the last rename rests.
    disk.sync_directory(&old).unwrap();
    assert_eq!(check(&disk), BTreeSet::from([vec!["old/c".to_owned()]]));
}

#[test]
fn a_sync_makes_a_move_into_a_new_directory_durable_with_the_directory() {
    let disk = disk();
    disk.user_write("page", b"x").unwrap();
    disk.write_back();
    let at = docroot(&disk);
    disk.make_directory(&at, &name("new"), 0o755).unwrap();
    let new = disk.open_directory(&at, &name("new")).unwrap();
    disk.rename(&at, &name("page"), &new, &name("page"), Rename::Replace).unwrap();
    disk.sync_directory(&new).unwrap();
    let all: Vec<_> = disk.images(100).map(|image| paths(&image)).collect();
    assert_eq!(all, [["new", "new/page"]]);
}

#[test]
fn an_exchange_is_atomic() {
    let disk = disk();
    disk.user_write("a", b"was a").unwrap();
    disk.user_mkdir("b").unwrap();
    disk.user_write("b/below", b"x").unwrap();
    disk.write_back();
    let at = docroot(&disk);
    disk.rename(&at, &name("a"), &at, &name("b"), Rename::Exchange).unwrap();
    let all: Vec<_> = disk.images(100).map(|image| paths(&image)).collect();
    assert_eq!(all, [["a", "b", "b/below"], ["a", "a/below", "b"]]);
}

#[test]
fn directories_that_move_around_never_lie_in_themselves() {
    let disk = disk();
    disk.user_mkdir("a").unwrap();
    disk.user_mkdir("b").unwrap();
    disk.write_back();
    let steps = [("a", "b/a"), ("b/a", "c"), ("b", "c/b"), ("c/b", "b"), ("c", "b/c")];
    for (old, new) in steps {
        disk.user_rename(old, new).unwrap();
        let images = disk.images(1000);
        assert!(images.is_complete());
        for image in images {
            assert_eq!(paths(&image).len(), 2);
        }
    }
}

#[test]
fn a_removed_directory_takes_nothing_along_that_was_not_removed() {
    let disk = disk();
    disk.user_mkdir("d").unwrap();
    disk.user_write("d/one", b"1").unwrap();
    disk.write_back();
    disk.user_rename("d/one", "one").unwrap();
    disk.user_remove("d").unwrap();
    for image in disk.images(100) {
        assert_eq!(paths(&image).iter().filter(|path| path.ends_with("one")).count(), 1);
    }
}

#[test]
fn a_file_whose_last_name_is_gone_is_there_as_long_as_a_crash_may_lead_to_it() {
    let disk = disk();
    disk.user_mkdir("d").unwrap();
    disk.user_write("d/x", b"1").unwrap();
    disk.user_link("d/x", "y").unwrap();
    disk.write_back();
    let at = docroot(&disk);
    let inner = disk.open_directory(&at, &name("d")).unwrap();
    disk.remove(&inner, &name("x")).unwrap();
    disk.user_chmod("y", 0o600).unwrap();
    disk.sync_file(&disk.open_file(&at, &name("y")).unwrap()).unwrap();
    disk.remove(&at, &name("y")).unwrap();
    disk.sync_directory(&at).unwrap();
    let all: Vec<_> = disk.images(100).map(|image| content(&image, "d/x")).collect();
    assert_eq!(all, [Some(b"1".to_vec()), None]);
    disk.sync_directory(&inner).unwrap();
    assert_eq!(disk.state.borrow().durable.inodes.len(), 4, "nothing is left of it");
}

#[test]
fn policies_go_from_nothing_to_everything() {
    let disk = disk();
    let at = docroot(&disk);
    put(&disk, &at, "one", &vec![1; 8 * SECTOR], false);
    put(&disk, &at, "two", b"2", false);
    let mut batch = Batch::default();
    batch.put(Table::State, "k", "v");
    disk.commit(batch, false).unwrap();
    let live = disk.tree_of_docroot();

    let strict = disk.crash(Policy::Strict, 0);
    assert!(strict.tree_of_docroot().is_empty() && strict.value(Table::State, b"k").is_none());
    let lucky = disk.crash(Policy::Lucky, 0);
    assert_eq!(lucky.tree_of_docroot(), live);
    assert!(lucky.value(Table::State, b"k").is_some() && !lucky.hits().lost_anything());

    let mut torn = 0;
    let mut killed = BTreeSet::new();
    for seed in 0..64 {
        let ordered = paths(&disk.crash(Policy::Ordered, seed));
        assert!(ordered.is_empty() || ordered[0] == "one", "a prefix: {ordered:?}");
        torn += disk.crash(Policy::Hostile, seed).hits().torn_files;
        let image = disk.crash(Policy::Killed, seed);
        assert_eq!((image.tree_of_docroot(), image.reopen().boot()), (live.clone(), 1));
        killed.insert(image.value(Table::State, b"k").is_some());
    }
    assert!(torn > 5);
    assert_eq!(killed.len(), 2);
    assert_eq!(strict.reopen().boot(), 2);
}

#[test]
fn the_same_seed_gives_the_same_image() {
    let run = || {
        let disk = SimDisk::new(Options::draw(5));
        let at = docroot(&disk);
        for number in 0..20 {
            disk.user_write(format!("file{number}"), &vec![number; 9000]).unwrap();
        }
        let mut listed = Vec::new();
        disk.list(&at, &mut |name, _| listed.push(name)).unwrap();
        (listed, disk.crash(Policy::Hostile, 11).tree_of_docroot())
    };
    assert_eq!(run(), run());
}

#[test]
fn more_images_than_the_bound_are_sampled_and_hold_both_extremes() {
    let disk = disk();
    for number in 0..12 {
        disk.user_write(format!("file{number}"), b"x").unwrap();
    }
    let images = disk.images(60);
    assert!(!images.is_complete());
    let sizes: Vec<usize> = images.map(|image| image.tree_of_docroot().len()).collect();
    assert_eq!(sizes.len(), 60);
    assert!(sizes.contains(&0) && sizes.contains(&12) && sizes.contains(&1) && sizes.contains(&11));
}

#[test]
fn each_crash_ends_a_job_before_each_of_its_changes() {
    let make = || {
        let disk = disk();
        disk.user_write("page", b"old").unwrap();
        disk.write_back();
        disk
    };
    let job = |disk: &SimDisk, sync: bool| -> mirrormesh::store::DiskResult<()> {
        let at = disk.open_place(Place::Docroot)?;
        let file = disk.create_unnamed(&at)?;
        disk.write(&file, 0, b"new")?;
        if sync {
            disk.sync_file(&file)?;
        }
        disk.link(&file, &at, &name(".mirrormesh.tmp-1"))?;
        disk.rename(&at, &name(".mirrormesh.tmp-1"), &at, &name("page"), Rename::Replace)?;
        disk.sync_directory(&at)
    };
    let run = |sync| {
        let mut broken = 0;
        let report = each_crash(
            make,
            |disk| drop(job(disk, sync)),
            1000,
            |_, image| {
                let page = content(image, "page").expect("never missing");
                broken += u64::from(page != b"old" && page != b"new");
            },
        );
        (report, broken)
    };
    let (report, broken) = run(true);
    // Six changes and the end.
    assert_eq!((report.points, report.sampled, broken), (7, 0, 0));
    assert!(report.losses > 0);
    let (_, broken) = run(false);
    assert!(broken > 0, "without the first flush a crash is seen");
}

#[test]
fn the_two_halves_of_a_flush_may_be_torn_apart() {
    let run = |plan| {
        let disk = disk();
        let at = docroot(&disk);
        let file = put(&disk, &at, "page", b"x", false);
        disk.sync_directory(&at).unwrap();
        disk.plan_crash(plan);
        let mut batch = Batch::default();
        batch.put(Table::State, "k", "v");
        let outcome = disk.sync_files_and_commit(&[&file], batch);
        let seen: BTreeSet<_> = disk
            .images(100)
            .map(|i| (content(&i, "page").unwrap() == b"x", i.value(Table::State, b"k").is_some()))
            .collect();
        (outcome.is_ok(), seen.into_iter().collect::<Vec<_>>())
    };
    let before = run(CrashPlan::BeforeChange(0));
    assert_eq!(before, (false, vec![(false, false), (true, false)]));
    let within = run(CrashPlan::BeforeChange(1));
    let all = vec![(false, false), (false, true), (true, false), (true, true)];
    assert_eq!(within, (false, all));
    assert_eq!(run(CrashPlan::BeforeChange(2)), (true, vec![(true, true)]));
}

#[test]
fn numbers_of_lost_inodes_are_used_again_if_so_wished() {
    let number = |reuse_inodes| {
        let disk = SimDisk::new(Options { reuse_inodes, ..Options::default() });
        let at = docroot(&disk);
        let lost = disk.stat_file(&put(&disk, &at, "lost", b"x", true)).unwrap().inode;
        let disk = disk.crash(Policy::Strict, 0).reopen();
        disk.user_write("other", b"y").unwrap();
        (lost, disk.stat(&docroot(&disk), &name("other")).unwrap().inode)
    };
    let (lost, next) = number(true);
    assert_eq!(lost, next);
    let (lost, next) = number(false);
    assert!(next > lost);
}

#[test]
fn a_crashed_disk_does_nothing_more() {
    let disk = disk();
    let at = docroot(&disk);
    disk.plan_crash(CrashPlan::BeforePrimitive(1));
    disk.make_directory(&at, &name("one"), 0o755).unwrap();
    let kind = |outcome: Result<(), mirrormesh::store::DiskError>| outcome.unwrap_err().kind;
    assert_eq!(kind(disk.make_directory(&at, &name("two"), 0o755)), DiskErrorKind::Crashed);
    assert_eq!(kind(disk.sync_all(&at)), DiskErrorKind::Crashed);
    assert_eq!(kind(disk.get(Table::State, b"k").map(drop)), DiskErrorKind::Crashed);
    assert_eq!(disk.watch(&at, &Path::root()), Watched::No);
    assert_eq!(disk.tree_of_docroot().len(), 1);
    assert!(disk.is_crashed());
}

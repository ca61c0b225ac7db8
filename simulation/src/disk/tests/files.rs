use super::*;

#[test]
fn open_files_outlive_their_names() {
    let disk = disk();
    disk.user_write("page", b"content").unwrap();
    let at = docroot(&disk);
    let file = disk.open_file(&at, &name("page")).unwrap();
    disk.user_remove("page").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(disk.read(&file, 0, &mut buffer).unwrap(), 7);
    assert_eq!(disk.stat_file(&file).unwrap().links, 0);
    drop(file);
    disk.write_back();
    assert_eq!(disk.pending(), (0, 0));
    assert_eq!(disk.open_handles(), 1);
}

#[test]
fn room_comes_back_when_files_go() {
    let disk = disk();
    let at = docroot(&disk);
    let free = || disk.filesystem(&at).unwrap().free_bytes;
    let all = free();
    let file = disk.create_unnamed(&at).unwrap();
    disk.write(&file, 0, &[1; 10_000]).unwrap();
    assert_eq!(free(), all - 3 * SECTOR as u64);
    let twin = disk.create_unnamed(&at).unwrap();
    disk.clone_range(&file, &twin, 10_000).unwrap();
    assert_eq!(free(), all - 3 * SECTOR as u64, "shared blocks cost nothing");
    disk.write(&twin, 0, b"own").unwrap();
    assert_eq!(free(), all - 4 * SECTOR as u64);
    disk.set_length(&file, 1).unwrap();
    assert_eq!(free(), all - 2 * SECTOR as u64);
    drop((file, twin));
    assert_eq!(free(), all);
    assert_eq!(disk.pending(), (0, 0), "nothing is left of files without names");
}

#[test]
fn room_that_is_used_up_is_said_so() {
    let disk = disk();
    let at = docroot(&disk);
    disk.leave_room(2 * SECTOR as u64, 2);
    let file = disk.create(&at, &name("a")).unwrap();
    let full = disk.write(&file, 0, &[1; 3 * SECTOR]).unwrap_err();
    assert_eq!(full.kind, DiskErrorKind::NoSpace);
    assert_eq!(disk.stat_file(&file).unwrap().size, 2 * SECTOR as u64, "a part was written");
    disk.make_directory(&at, &name("b"), 0o755).unwrap();
    let full = disk.make_directory(&at, &name("c"), 0o755).unwrap_err();
    assert_eq!(full.kind, DiskErrorKind::NoSpace);
    disk.remove(&at, &name("a")).unwrap();
    drop(file);
    disk.sync_directory(&at).unwrap();
    disk.make_directory(&at, &name("c"), 0o755).unwrap();
}

#[test]
fn times_follow_the_machines_clock_in_its_steps() {
    let disk = SimDisk::new(Options { time_step: 1_000_000_000, ..Options::default() });
    let at = docroot(&disk);
    let file = put(&disk, &at, "page", b"x", true);
    disk.set_clock(Time { seconds: 2_000_000_000, nanoseconds: 999 });
    let mtime = Some(Time { seconds: -5, nanoseconds: 700 });
    disk.set_file_metadata(&file, Metadata { mtime, ..Metadata::default() }).unwrap();
    let stat = disk.stat_file(&file).unwrap();
    assert_eq!(stat.mtime, Time { seconds: -5, nanoseconds: 0 });
    assert_eq!(stat.ctime, Time { seconds: 2_000_000_000, nanoseconds: 0 });
}

#[test]
fn counters_count_each_primitive() {
    let disk = disk();
    let at = docroot(&disk);
    drop(put(&disk, &at, "page", b"x", true));
    let counts: Vec<_> = disk.counts().into_iter().collect();
    let expected =
        [("create_unnamed", 1), ("link", 1), ("open_place", 1), ("sync_file", 1), ("write", 1)];
    assert_eq!(counts, expected);
    assert_eq!(disk.primitives(), 5);
}

#[test]
fn the_docroot_may_go_come_back_and_be_another() {
    let disk = disk();
    disk.user_write("page", b"x").unwrap();
    disk.write_back();
    let before = disk.stat_directory(&docroot(&disk)).unwrap();
    disk.docroot_vanishes().unwrap();
    let gone = disk.open_place(Place::Docroot).err().map(|error| error.kind);
    assert_eq!(gone, Some(DiskErrorKind::NotFound));
    assert!(disk.open_place(Place::Work).is_ok());
    disk.docroot_appears().unwrap();
    assert_ne!(disk.stat_directory(&docroot(&disk)).unwrap().inode, before.inode);
    disk.docroot_returns().unwrap();
    assert_eq!(disk.stat_directory(&docroot(&disk)).unwrap(), before_with_ctime(&disk, before));
    assert_eq!(disk.tree_of_docroot().len(), 1);

    disk.mount_over_docroot().unwrap();
    let at = docroot(&disk);
    assert_ne!(disk.stat_directory(&at).unwrap().device, before.device);
    let work = disk.open_place(Place::Work).unwrap();
    assert_ne!(disk.filesystem(&at).unwrap().mount, disk.filesystem(&work).unwrap().mount);
    assert!(disk.tree_of_docroot().is_empty());
    let disk = disk.crash(Policy::Strict, 0).reopen();
    assert!(disk.tree_of_docroot().is_empty());
    disk.unmount_docroot().unwrap();
    assert_eq!(disk.tree_of_docroot().len(), 1);
}

fn before_with_ctime(disk: &SimDisk, before: mirrormesh::store::Stat) -> mirrormesh::store::Stat {
    let now = disk.stat_directory(&docroot(disk)).unwrap();
    mirrormesh::store::Stat { ctime: now.ctime, mtime: now.mtime, ..before }
}

#[test]
fn a_work_directory_inside_the_docroot_is_not_seen_there() {
    let disk = SimDisk::new(Options { work: WorkPlace::Inside, ..Options::default() });
    let work = disk.open_place(Place::Work).unwrap();
    disk.make_directory(&work, &name("kept"), 0o700).unwrap();
    assert!(disk.tree_of_docroot().is_empty());
    assert_eq!(disk.tree_of_work().len(), 1);
    let mut listed = Vec::new();
    disk.list(&docroot(&disk), &mut |name, _| listed.push(name)).unwrap();
    assert_eq!(listed, [name(".mirrormesh")]);
}

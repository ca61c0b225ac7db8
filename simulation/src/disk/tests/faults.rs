use super::*;

fn kind<T>(outcome: mirrormesh::store::DiskResult<T>) -> Option<DiskErrorKind> {
    outcome.err().map(|error| error.kind)
}

#[test]
fn a_failed_sync_loses_data_that_a_second_sync_does_not_bring_back() {
    for how in [FailedSync::LooksClean, FailedSync::Vanishes] {
        let disk = disk();
        let at = docroot(&disk);
        let file = put(&disk, &at, "page", b"data", false);
        disk.fail_next_sync(DiskErrorKind::Failed, how);
        assert_eq!(kind(disk.sync_file(&file)), Some(DiskErrorKind::Failed));
        let mut buffer = [0; 4];
        disk.read(&file, 0, &mut buffer).unwrap();
        assert_eq!(&buffer == b"data", how == FailedSync::LooksClean);
        disk.sync_file(&file).unwrap();
        disk.sync_directory(&at).unwrap();
        let left = content(&disk.crash(Policy::Lucky, 0), "page");
        assert_eq!(left, Some(vec![0; 4]));
    }
}

#[test]
fn data_written_again_after_a_failed_sync_is_durable() {
    let disk = disk();
    let at = docroot(&disk);
    let file = put(&disk, &at, "page", b"data", false);
    disk.fail_next_sync(DiskErrorKind::NoSpace, FailedSync::LooksClean);
    assert_eq!(kind(disk.sync_file(&file)), Some(DiskErrorKind::NoSpace));
    disk.write(&file, 0, b"data").unwrap();
    disk.sync_file(&file).unwrap();
    disk.sync_directory(&at).unwrap();
    assert_eq!(content(&disk.crash(Policy::Strict, 0), "page"), Some(b"data".to_vec()));
}

#[test]
fn rights_reads_and_rot() {
    let disk = disk();
    disk.user_mkdir("secret").unwrap();
    disk.user_write("secret/a", b"x").unwrap();
    disk.user_write("page", b"0123").unwrap();
    disk.write_back();
    let at = docroot(&disk);
    disk.deny("secret");
    let secret = disk.open_directory(&at, &name("secret")).unwrap();
    assert_eq!(kind(disk.list(&secret, &mut |_, _| {})), Some(DiskErrorKind::Permission));
    assert_eq!(kind(disk.open_file(&secret, &name("a"))), Some(DiskErrorKind::Permission));
    assert_eq!(kind(disk.create(&secret, &name("b"))), Some(DiskErrorKind::Permission));
    disk.allow("secret");
    assert!(disk.open_file(&secret, &name("a")).is_ok());
    disk.deny("page");
    assert_eq!(kind(disk.open_file(&at, &name("page"))), Some(DiskErrorKind::Permission));
    disk.allow("page");

    let stat = disk.stat(&at, &name("page")).unwrap();
    disk.rot("page", 2).unwrap();
    assert_eq!(disk.stat(&at, &name("page")).unwrap(), stat);
    assert_eq!(content(&disk.crash(Policy::Strict, 0), "page"), Some(b"01\"3".to_vec()));

    let disk = disk.crash(Policy::Strict, 0).reopen();
    disk.break_file("page").unwrap();
    disk.user_rename("page", "moved").unwrap();
    let file = disk.open_file(&docroot(&disk), &name("moved")).unwrap();
    assert_eq!(kind(disk.read(&file, 0, &mut [0; 4])), Some(DiskErrorKind::Failed));
}

#[test]
fn planned_failures_and_read_only() {
    let disk = disk();
    let at = docroot(&disk);
    disk.fail_next("make_directory", DiskErrorKind::NoSpace);
    let made = || disk.make_directory(&at, &name("d"), 0o755);
    assert_eq!(kind(made()), Some(DiskErrorKind::NoSpace));
    disk.set_read_only(true);
    assert_eq!(kind(made()), Some(DiskErrorKind::ReadOnly));
    disk.set_read_only(false);
    made().unwrap();
}

#[test]
fn too_many_open_files() {
    let disk = SimDisk::new(Options { open_limit: 2, ..Options::default() });
    let at = docroot(&disk);
    let file = disk.create(&at, &name("a")).unwrap();
    assert_eq!(kind(disk.create(&at, &name("b"))), Some(DiskErrorKind::TooManyOpen));
    assert_eq!(kind(disk.create_unnamed(&at)), Some(DiskErrorKind::TooManyOpen));
    drop(file);
    disk.create_unnamed(&at).unwrap();
    assert_eq!(disk.tree_of_docroot().len(), 1);
}

#[test]
fn short_reads_read_everything_in_the_end() {
    let disk = SimDisk::new(Options { short_reads: true, ..Options::default() });
    let bytes: Vec<u8> = (0..10_000).map(|number| (number % 251) as u8).collect();
    disk.user_write("page", &bytes).unwrap();
    let file = disk.open_file(&docroot(&disk), &name("page")).unwrap();
    let mut read = Vec::new();
    let mut buffer = [0; 4000];
    loop {
        match disk.read(&file, read.len() as u64, &mut buffer).unwrap() {
            0 => break,
            length => read.extend_from_slice(&buffer[..length]),
        }
    }
    assert_eq!(read, bytes);
    assert!(disk.counts()["read"] > 4);
}

use super::*;

#[test]
fn a_name_may_have_any_bytes() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    let mut names: Vec<Name> = (1..=255_u8)
        .filter(|byte| !b"/.".contains(byte))
        .flat_map(|byte| [name([byte]), name([byte; 255]), name([b'.', byte, b'\n'])])
        .collect();
    names.push(name("..."));
    names.push(name("ü"));
    names.sort();
    names.dedup();
    for name in &names {
        fixture.disk.create(&docroot, name).unwrap();
        assert_eq!(kind_of(fixture.disk.create(&docroot, name)), DiskErrorKind::Exists);
        assert_eq!(fixture.disk.stat(&docroot, name).unwrap().kind, FileKind::File);
        fixture.disk.open_file(&docroot, name).unwrap();
    }
    let listed: Vec<Name> = fixture.listed(&docroot).into_iter().map(|(name, _)| name).collect();
    assert_eq!(listed, names);
    for name in &names {
        fixture.disk.remove(&docroot, name).unwrap();
    }
    assert_eq!(fixture.listed(&docroot), []);
}

#[test]
fn three_hundred_levels_and_paths_over_4096_bytes() {
    let fixture = Fixture::new();
    let level = name([b'd'; 20]);
    let mut here = fixture.docroot();
    for _ in 0..300 {
        fixture.disk.make_directory(&here, &level, 0o755).unwrap();
        here = fixture.disk.open_directory(&here, &level).unwrap();
    }
    fixture.file(&here, "deep", b"content");
    let mut here = fixture.docroot();
    for _ in 0..300 {
        assert_eq!(fixture.listed(&here), [(level.clone(), FileKind::Directory)]);
        here = fixture.disk.open_directory(&here, &level).unwrap();
    }
    let file = fixture.disk.open_file(&here, &name("deep")).unwrap();
    let mut buffer = [0; 16];
    assert_eq!(fixture.disk.read(&file, 0, &mut buffer).unwrap(), 7);
    fixture
        .disk
        .rename(&here, &name("deep"), &fixture.docroot(), &name("up"), Rename::Keep)
        .unwrap();
}

#[test]
fn a_listing_is_whole_whoever_else_lists_the_same_handle() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    for index in 0..3_000 {
        fixture.file(&docroot, &format!("a-name-of-common-length-{index}"), b"");
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(fixture.listed(&docroot).len(), 3_000));
        }
    });
    assert_eq!(fixture.listed(&docroot).len(), 3_000);
}

#[test]
fn a_listing_tells_kinds() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    fixture.file(&docroot, "file", b"");
    fixture.disk.make_directory(&docroot, &name("directory"), 0o700).unwrap();
    fixture.disk.make_symlink(&docroot, &name("symlink"), b"/nowhere\xff").unwrap();
    assert!(run("mkfifo", &[fixture.path("pipe").to_str().unwrap()]));
    let listed: Vec<_> =
        fixture.listed(&docroot).into_iter().map(|(name, kind)| (name.to_string(), kind)).collect();
    let expected = [
        ("directory", FileKind::Directory),
        ("file", FileKind::File),
        ("pipe", FileKind::Fifo),
        ("symlink", FileKind::Symlink),
    ];
    assert_eq!(listed, expected.map(|(name, kind)| (name.to_owned(), kind)));
    for (listed, kind) in expected {
        assert_eq!(fixture.disk.stat(&docroot, &name(listed)).unwrap().kind, kind);
    }
    let target = fixture.disk.read_symlink(&docroot, &name("symlink")).unwrap();
    assert_eq!(&target[..], b"/nowhere\xff");
    assert_eq!(kind_of(fixture.disk.read_symlink(&docroot, &name("file"))), DiskErrorKind::Invalid);
}

#[test]
fn a_rename_replaces_keeps_or_exchanges() {
    let fixture = Fixture::new();
    let disk = &fixture.disk;
    let docroot = fixture.docroot();
    let inode = |of: &str| disk.stat(&docroot, &name(of)).unwrap().inode;
    let rename =
        |old: &str, new: &str, how| disk.rename(&docroot, &name(old), &docroot, &name(new), how);
    fixture.file(&docroot, "a", b"a");
    fixture.file(&docroot, "b", b"b");
    disk.make_directory(&docroot, &name("full"), 0o755).unwrap();
    disk.make_directory(&docroot, &name("empty"), 0o755).unwrap();
    let full = disk.open_directory(&docroot, &name("full")).unwrap();
    fixture.file(&full, "inside", b"");
    let (a, b, directory) = (inode("a"), inode("b"), inode("full"));

    assert_eq!(kind_of(rename("a", "b", Rename::Keep)), DiskErrorKind::Exists);
    assert_eq!((inode("a"), inode("b")), (a, b));
    rename("a", "b", Rename::Exchange).unwrap();
    assert_eq!((inode("a"), inode("b")), (b, a));
    rename("a", "full", Rename::Exchange).unwrap();
    assert_eq!((inode("a"), inode("full")), (directory, b));
    rename("a", "full", Rename::Exchange).unwrap();
    assert_eq!(kind_of(rename("a", "none", Rename::Exchange)), DiskErrorKind::NotFound);
    rename("a", "b", Rename::Replace).unwrap();
    assert_eq!(inode("b"), b);
    assert_eq!(kind_of(rename("empty", "full", Rename::Replace)), DiskErrorKind::NotEmpty);
    assert_eq!(kind_of(rename("b", "full", Rename::Replace)), DiskErrorKind::NotRegular);
    assert_eq!(kind_of(rename("full", "b", Rename::Replace)), DiskErrorKind::NotDirectory);
    rename("b", "c", Rename::Keep).unwrap();
    assert_eq!(inode("c"), b);
    assert_eq!(kind_of(rename("full", "empty", Rename::Keep)), DiskErrorKind::Exists);
    assert_eq!(kind_of(disk.remove_directory(&docroot, &name("full"))), DiskErrorKind::NotEmpty);
    assert_eq!(kind_of(disk.remove_directory(&docroot, &name("c"))), DiskErrorKind::NotDirectory);
    assert_eq!(kind_of(disk.remove(&docroot, &name("full"))), DiskErrorKind::NotRegular);
    disk.remove_directory(&docroot, &name("empty")).unwrap();
}

/// What stands in for a keeping rename on file systems that have none.
#[test]
fn a_keeping_rename_by_hand_never_replaces() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    let rename = |old: &str, new: &str| {
        names::keep_by_hand(docroot.as_fd(), &name(old), docroot.as_fd(), &name(new))
    };
    fixture.file(&docroot, "a", b"a");
    fixture.file(&docroot, "b", b"b");
    fixture.disk.make_directory(&docroot, &name("x"), 0o755).unwrap();
    fixture.disk.make_directory(&docroot, &name("y"), 0o755).unwrap();
    fixture.disk.make_symlink(&docroot, &name("link"), b"a").unwrap();
    for (old, new) in [("a", "b"), ("a", "x"), ("x", "y"), ("x", "a"), ("link", "a")] {
        assert_eq!(rename(old, new), Err(rustix::io::Errno::EXIST), "{old} to {new}");
    }
    assert_eq!(fixture.listed(&docroot).len(), 5);
    for (old, new) in [("a", "a2"), ("link", "link2"), ("y", "y2")] {
        let inode = fixture.disk.stat(&docroot, &name(old)).unwrap().inode;
        rename(old, new).unwrap();
        assert_eq!(fixture.disk.stat(&docroot, &name(new)).unwrap().inode, inode);
        assert_eq!(kind_of(fixture.disk.stat(&docroot, &name(old))), DiskErrorKind::NotFound);
    }
    assert_eq!(fixture.disk.stat(&docroot, &name("a2")).unwrap().links, 1);
}

#[test]
fn a_directory_gets_exactly_the_bits_asked_for() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    // The bit for groups is inherited, the mask takes others away: neither may show.
    let inherits = Metadata { mode: Some(0o2775), ..Metadata::default() };
    fixture.disk.set_directory_metadata(&docroot, inherits).unwrap();
    for mode in [0o777, 0o755, 0o700, 0o2775, 0o1777, 0o500, 0o000] {
        let made = name(format!("{mode:o}"));
        fixture.disk.make_directory(&docroot, &made, mode).unwrap();
        let stat = fixture.disk.stat(&docroot, &made).unwrap();
        assert_eq!((stat.kind, stat.mode), (FileKind::Directory, mode));
        let again = fixture.disk.make_directory(&docroot, &made, mode);
        assert_eq!(kind_of(again), DiskErrorKind::Exists);
    }
}

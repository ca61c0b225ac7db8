use super::*;

fn content(fixture: &Fixture, file: &File) -> Vec<u8> {
    let mut content = Vec::new();
    let mut buffer = [0; 7];
    loop {
        match fixture.disk.read(file, content.len() as u64, &mut buffer).unwrap() {
            0 => return content,
            count => content.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn a_file_is_written_cut_extended_and_read() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    let file = fixture.file(&docroot, "file", b"some content");
    assert_eq!(fixture.disk.stat_file(&file).unwrap().mode, 0o600);
    fixture.disk.write(&file, 5, b"CONTENT and more").unwrap();
    fixture.disk.set_length(&file, 12).unwrap();
    fixture.disk.set_length(&file, 14).unwrap();
    assert_eq!(content(&fixture, &file), b"some CONTENT\0\0");
    drop(file);
    let file = fixture.disk.reopen(&docroot, &name("file")).unwrap();
    fixture.disk.write(&file, 14, b"!").unwrap();
    let file = fixture.disk.open_file(&docroot, &name("file")).unwrap();
    assert_eq!(content(&fixture, &file), b"some CONTENT\0\0!");
    assert!(fixture.disk.write(&file, 0, b"x").is_err());
    fixture.disk.sync_file(&file).unwrap();
    let large = 1 << 40;
    let file = fixture.disk.reopen(&docroot, &name("file")).unwrap();
    fixture.disk.write(&file, large, b"end").unwrap();
    assert_eq!(fixture.disk.stat_file(&file).unwrap().size, large + 3);
}

#[test]
fn an_unnamed_file_gets_a_free_name_or_vanishes() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    let file = fixture.disk.create_unnamed(&docroot).unwrap();
    fixture.disk.write(&file, 0, b"staged").unwrap();
    assert_eq!(fixture.listed(&docroot), []);
    let stat = fixture.disk.stat_file(&file).unwrap();
    assert_eq!((stat.links, stat.mode), (0, 0o600));
    fixture.disk.link(&file, &docroot, &name("named")).unwrap();
    assert_eq!(fixture.disk.stat(&docroot, &name("named")).unwrap().inode, stat.inode);
    let other = fixture.disk.create_unnamed(&docroot).unwrap();
    let taken = fixture.disk.link(&other, &docroot, &name("named"));
    assert_eq!(kind_of(taken), DiskErrorKind::Exists);
    drop(other);
    assert_eq!(fixture.listed(&docroot).len(), 1);
}

/// The way through `/proc`, for processes without the capability.
#[test]
fn an_unnamed_file_gets_a_name_by_its_descriptor() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    let file = fixture.disk.create_unnamed(&docroot).unwrap();
    let path = names::by_descriptor(&file);
    let follow = rustix::fs::AtFlags::SYMLINK_FOLLOW;
    rustix::fs::linkat(rustix::fs::CWD, path, &docroot, "named", follow).unwrap();
    assert_eq!(fixture.listed(&docroot).len(), 1);
}

#[test]
fn cloning_shares_a_prefix_or_says_that_it_cannot() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    let from = fixture.file(&docroot, "from", &[7; 10_000]);
    let to = fixture.disk.create_unnamed(&docroot).unwrap();
    let cloned = fixture.disk.clone_range(&from, &to, 5_000);
    if fixture.disk.filesystem(&docroot).unwrap().reflink {
        cloned.unwrap();
        assert_eq!(content(&fixture, &to), vec![7; 5_000]);
        let to = fixture.disk.create_unnamed(&docroot).unwrap();
        assert!(fixture.disk.clone_range(&from, &to, 20_000).is_err());
        assert_eq!(fixture.disk.stat_file(&to).unwrap().size, 0);
    } else {
        eprintln!("SKIPPED in part: this file system cannot share blocks");
        assert_eq!(kind_of(cloned), DiskErrorKind::Unsupported);
    }
}

#[test]
fn cloning_works_on_a_file_system_that_can() {
    let fixture = Fixture::new();
    let image = fixture.folder.path().join("image");
    std::fs::File::create(&image).unwrap().set_len(512 << 20).unwrap();
    let image = image.to_str().unwrap();
    let test = "cloning_works_on_a_file_system_that_can";
    if !run("mkfs.xfs", &["-q", "-f", image]) && !run("mkfs.btrfs", &["-q", "-f", image]) {
        eprintln!("SKIPPED {test}: no tools for xfs or btrfs");
        return;
    }
    let Some(_mounted) = Mounted::new(test, &["-o", "loop", image], fixture.path("")) else {
        return;
    };
    let docroot = fixture.docroot();
    // The work directory is elsewhere: nothing with a name may be tried here.
    let filesystem = fixture.disk.filesystem(&docroot).unwrap();
    assert!(filesystem.reflink && filesystem.unnamed_files);
    let from = fixture.file(&docroot, "from", &[7; 10_000]);
    for length in [0, 1, 4096, 5_000, 10_000] {
        let to = fixture.disk.create_unnamed(&docroot).unwrap();
        fixture.disk.clone_range(&from, &to, length).unwrap();
        assert_eq!(content(&fixture, &to), vec![7; length as usize]);
    }
    let to = fixture.disk.create_unnamed(&docroot).unwrap();
    assert_eq!(kind_of(fixture.disk.clone_range(&from, &to, 10_001)), DiskErrorKind::Invalid);
    assert_eq!(fixture.disk.stat_file(&to).unwrap().size, 0);
}

#[test]
fn errors_have_kinds() {
    let fixture = Fixture::new();
    let disk = &fixture.disk;
    let docroot = fixture.docroot();
    let none = name("none");
    let file = fixture.file(&docroot, "file", b"");
    assert_eq!(kind_of(disk.stat(&docroot, &none)), DiskErrorKind::NotFound);
    assert_eq!(kind_of(disk.open_file(&docroot, &none)), DiskErrorKind::NotFound);
    assert_eq!(kind_of(disk.open_directory(&docroot, &none)), DiskErrorKind::NotFound);
    assert_eq!(kind_of(disk.open_directory(&docroot, &name("file"))), DiskErrorKind::NotDirectory);
    assert_eq!(kind_of(disk.remove(&docroot, &none)), DiskErrorKind::NotFound);
    assert_eq!(kind_of(disk.make_symlink(&docroot, &name("file"), b"x")), DiskErrorKind::Exists);
    let long = [b'x'; 5_000];
    assert_eq!(kind_of(disk.make_symlink(&docroot, &none, &long)), DiskErrorKind::Invalid);
    let nobody = Metadata { owner: Some((u32::MAX, 0)), ..Metadata::default() };
    assert_eq!(kind_of(disk.set_file_metadata(&file, nobody)), DiskErrorKind::Invalid);
    // A directory that was removed while it was open.
    disk.make_directory(&docroot, &name("gone"), 0o755).unwrap();
    let gone = disk.open_directory(&docroot, &name("gone")).unwrap();
    disk.remove_directory(&docroot, &name("gone")).unwrap();
    assert_eq!(kind_of(disk.create(&gone, &none)), DiskErrorKind::NotFound);
    assert_eq!(kind_of(disk.link(&file, &gone, &none)), DiskErrorKind::NotFound);
    assert_eq!(kind_of(disk.list(&gone, &mut |_, _| {})), DiskErrorKind::NotFound);
    assert_eq!(disk.stat_directory(&gone).unwrap().kind, FileKind::Directory);
}

//! What somebody who can write the docroot may try.

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Says when dropped that a thread is to stop.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// With `openat2` and without.
fn openers() -> [Opener; 2] {
    [true, false].map(Opener::new)
}

#[test]
fn whatever_is_no_regular_file_is_refused_without_blocking() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    assert!(run("mkfifo", &[fixture.path("pipe").to_str().unwrap()]));
    let _socket = UnixListener::bind(fixture.path("socket")).unwrap();
    fixture.disk.make_directory(&docroot, &name("directory"), 0o755).unwrap();
    fixture.file(&docroot, "file", b"");
    fixture.disk.make_symlink(&docroot, &name("symlink"), b"file").unwrap();
    fixture.disk.make_symlink(&docroot, &name("magic"), b"/proc/self/exe").unwrap();
    let mut refused = vec!["pipe", "socket", "directory", "symlink", "magic"];
    if run("mknod", &[fixture.path("device").to_str().unwrap(), "c", "1", "5"]) {
        refused.push("device");
    } else {
        eprintln!("SKIPPED in part: making a device takes root");
    }
    in_time(move || {
        for refused in refused {
            for opener in openers() {
                for access in [OFlags::RDONLY, OFlags::RDWR] {
                    let opened = opener.file(docroot.as_fd(), &name(refused), access, "test");
                    assert_eq!(kind_of(opened), DiskErrorKind::NotRegular, "{refused}");
                }
            }
        }
    });
}

/// Something else takes the file's place between the look and the open.
#[test]
fn a_pipe_put_in_a_files_place_neither_blocks_nor_is_taken() {
    let fixture = Fixture::new();
    fixture.file(&fixture.docroot(), "file", b"");
    assert!(run("mkfifo", &[fixture.path("other").to_str().unwrap()]));
    let docroot = fixture.docroot();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let (at, disk) = (docroot.clone(), fixture.disk);
    let swapper = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            names::rename(at.as_fd(), &name("file"), at.as_fd(), &name("other"), Rename::Exchange)
                .unwrap();
        }
    });
    in_time(move || {
        for _ in 0..20_000 {
            match disk.open_file(&docroot, &name("file")) {
                Ok(file) => assert_eq!(disk.stat_file(&file).unwrap().kind, FileKind::File),
                Err(error) => assert_eq!(error.kind, DiskErrorKind::NotRegular, "{error}"),
            }
        }
    });
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
}

#[test]
fn a_symlink_is_never_followed_even_if_swapped_in_all_the_time() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    let outside = fixture.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "outside").unwrap();
    fixture.disk.make_directory(&docroot, &name("directory"), 0o755).unwrap();
    let inside = fixture.disk.open_directory(&docroot, &name("directory")).unwrap();
    fixture.file(&inside, "file", b"inside");
    let target = outside.to_str().unwrap().as_bytes();
    fixture.disk.make_symlink(&docroot, &name("other"), target).unwrap();

    let stop = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let at = docroot.as_fd();
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                names::rename(at, &name("directory"), at, &name("other"), Rename::Exchange)
                    .unwrap();
            }
        });
        // Also if what follows fails.
        let _stops = Stops(stop);
        for opener in openers() {
            let (mut opened, mut refused) = (0, 0);
            while (opened < 2_000 || refused < 2_000) && opened + refused < 2_000_000 {
                match opener.directory(at, &name("directory")) {
                    Ok(directory) => {
                        let flags = OFlags::RDONLY;
                        let file =
                            opener.file(directory.as_fd(), &name("file"), flags, "test").unwrap();
                        let mut buffer = [0; 16];
                        let count = content::read(&file, 0, &mut buffer).unwrap();
                        assert_eq!(&buffer[..count], b"inside");
                        opened += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.kind, DiskErrorKind::NotDirectory, "{error}");
                        refused += 1;
                    }
                }
            }
            assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
        }
    });
}

#[test]
fn another_mount_is_another_file_system_also_when_it_is_the_same() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    for made in ["tmpfs", "bind", "plain"] {
        fixture.disk.make_directory(&docroot, &name(made), 0o755).unwrap();
    }
    let test = "another_mount_is_another_file_system_also_when_it_is_the_same";
    let mount = |arguments: &[&str], at| Mounted::new(test, arguments, fixture.path(at));
    let Some(_tmpfs) = mount(&["-t", "tmpfs", "none"], "tmpfs") else { return };
    let plain = fixture.path("plain");
    let Some(_bind) = mount(&["--bind", plain.to_str().unwrap()], "bind") else { return };
    for opener in openers() {
        for mounted in ["tmpfs", "bind"] {
            let opened = opener.directory(docroot.as_fd(), &name(mounted));
            assert_eq!(kind_of(opened), DiskErrorKind::OtherFilesystem, "{mounted}");
        }
        opener.directory(docroot.as_fd(), &name("plain")).unwrap();
    }
    let here = fixture.disk.stat_directory(&docroot).unwrap().device;
    assert_ne!(fixture.disk.stat(&docroot, &name("tmpfs")).unwrap().device, here);
    assert_eq!(fixture.disk.stat(&docroot, &name("bind")).unwrap().device, here);
    let removed = fixture.disk.remove_directory(&docroot, &name("bind"));
    assert_eq!(kind_of(removed), DiskErrorKind::OtherFilesystem);
    let moved =
        fixture.disk.rename(&docroot, &name("tmpfs"), &docroot, &name("x"), Rename::Replace);
    assert_eq!(kind_of(moved), DiskErrorKind::OtherFilesystem);
}

/// The mount's number has to be found also where `statx` does not tell it.
#[test]
fn the_mount_is_known() {
    let fixture = Fixture::new();
    let docroot = fixture.docroot();
    let mount = status::mount_of(&docroot).unwrap();
    let work = fixture.disk.open_place(Place::Work).unwrap();
    assert_eq!(status::mount_of(work).unwrap(), mount);
    assert!(status::mount_of_by_proc(docroot.as_fd()).is_some());
}

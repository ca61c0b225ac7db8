use super::*;

#[test]
fn users_edit_between_any_two_primitives() {
    let disk = disk();
    disk.user_write("page", b"old").unwrap();
    let at = docroot(&disk);
    disk.before_primitive(|primitive, count, disk| {
        if primitive == "read" {
            assert_eq!(count, 2);
            disk.user_write("page", b"newer").unwrap();
        }
    });
    let file = disk.open_file(&at, &name("page")).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(disk.read(&file, 0, &mut buffer).unwrap(), 5, "in place: the same inode");
    disk.user_replace("page", b"x").unwrap();
    assert_eq!(disk.stat_file(&file).unwrap().links, 0, "by rename: another inode");
    assert!(!disk.counts().contains_key("user_write"));
}

#[test]
fn edits_in_place_move_ctime_even_if_mtime_is_set_back() {
    let disk = disk();
    disk.user_write("page", b"old").unwrap();
    let at = docroot(&disk);
    let before = disk.stat(&at, &name("page")).unwrap();
    disk.set_clock(Time { seconds: before.ctime.seconds + 1, nanoseconds: 0 });
    disk.user_write("page", b"new").unwrap();
    disk.user_touch("page", before.mtime).unwrap();
    let after = disk.stat(&at, &name("page")).unwrap();
    assert_eq!((after.inode, after.size, after.mtime), (before.inode, before.size, before.mtime));
    assert_ne!(after.ctime, before.ctime);
}

#[test]
fn files_open_for_writing_are_told_if_the_process_may_ask() {
    for may_ask_who_writes in [true, false] {
        let disk = SimDisk::new(Options { may_ask_who_writes, ..Options::default() });
        let open = disk.user_open("upload").unwrap();
        disk.user_write_open(&open, 0, b"part").unwrap();
        let file = disk.open_file(&docroot(&disk), &name("upload")).unwrap();
        let told = |answer| if may_ask_who_writes { answer } else { Writing::Unknown };
        assert_eq!(disk.is_somebody_writing(&file), told(Writing::Yes));
        disk.user_close(open);
        assert_eq!(disk.is_somebody_writing(&file), told(Writing::No));
        disk.answer_who_writes("upload", Some(Writing::Yes));
        assert_eq!(disk.is_somebody_writing(&file), Writing::Yes);
    }
}

#[test]
fn hints_name_what_users_did_in_watched_directories() {
    let disk = disk();
    disk.user_mkdir("blog").unwrap();
    let at = docroot(&disk);
    let blog = disk.open_directory(&at, &name("blog")).unwrap();
    assert_eq!(disk.watch(&blog, &Path::from(&name("blog"))), Watched::Yes);
    disk.user_write("unwatched", b"x").unwrap();
    disk.make_directory(&blog, &name("own"), 0o755).unwrap();
    assert_eq!(disk.take_hints(), []);
    disk.user_write("blog/a", b"x").unwrap();
    disk.user_replace("blog/a", b"y").unwrap();
    disk.user_mkdir("blog/new").unwrap();
    disk.user_remove("blog/new").unwrap();
    let hint = |path: &str, kind| Hint { path: Path::from_bytes(path.as_bytes()).unwrap(), kind };
    let expected = [
        hint("blog/a", HintKind::Changing),
        hint("blog/a", HintKind::Complete),
        hint("blog/.a.part", HintKind::Changing),
        hint("blog/.a.part", HintKind::Complete),
        hint("blog/.a.part", HintKind::Complete),
        hint("blog/a", HintKind::Complete),
        hint("blog/new", HintKind::Lost),
        hint("blog/new", HintKind::Removed),
    ];
    assert_eq!(disk.take_hints(), expected);
    assert_eq!(disk.watched(), [Path::from(&name("blog"))]);
    drop(blog);
    disk.user_remove("blog").unwrap();
    assert_eq!(disk.watched(), []);
}

#[test]
fn observers_see_each_change_that_shows_and_what_happened_at_once() {
    let disk = disk();
    disk.user_write("a", b"1").unwrap();
    disk.user_write("b", b"2").unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    disk.on_visible_change(move |group, _| {
        let one = |change: &VisibleChange| {
            let path = String::from_utf8(change.path.clone()).unwrap();
            let content = |seen: &Option<Seen>| {
                seen.as_ref().and_then(|seen| Some(seen.content.as_ref()?.bytes()))
            };
            (path, content(&change.before), content(&change.after), change.actor)
        };
        log.borrow_mut().push(group.iter().map(one).collect::<Vec<_>>());
    });
    let at = docroot(&disk);
    disk.rename(&at, &name("a"), &at, &name("b"), Rename::Exchange).unwrap();
    disk.user_remove("a").unwrap();
    let work = disk.open_place(Place::Work).unwrap();
    drop(put(&disk, &work, "unseen", b"x", true));
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    let expected = vec![
        vec![
            ("a".to_owned(), bytes("1"), bytes("2"), Actor::Mirrormesh),
            ("b".to_owned(), bytes("2"), bytes("1"), Actor::Mirrormesh),
        ],
        vec![("a".to_owned(), bytes("2"), None, Actor::User)],
    ];
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn other_mounts_special_files_and_links_are_as_they_are() {
    let disk = disk();
    disk.user_mkdir("media").unwrap();
    disk.user_mount("media").unwrap();
    disk.user_write("media/inside", b"x").unwrap();
    disk.user_mkfifo("pipe").unwrap();
    disk.user_symlink("link", b"/etc/passwd").unwrap();
    disk.user_write("one", b"x").unwrap();
    disk.user_link("one", "two").unwrap();
    let at = docroot(&disk);
    let kind = |text| disk.stat(&at, &name(text)).unwrap().kind;
    assert_eq!((kind("pipe"), kind("link")), (FileKind::Fifo, FileKind::Symlink));
    assert_eq!(disk.stat(&at, &name("one")).unwrap().links, 2);
    let media = disk.open_directory(&at, &name("media")).err().map(|error| error.kind);
    assert_eq!(media, Some(DiskErrorKind::OtherFilesystem));
    let docroot_device = disk.stat_directory(&at).unwrap().device;
    assert_ne!(disk.stat(&at, &name("media")).unwrap().device, docroot_device);
    let moved = disk.rename(&at, &name("media"), &at, &name("elsewhere"), Rename::Keep);
    assert_eq!(moved.unwrap_err().kind, DiskErrorKind::OtherFilesystem);
    let tree = disk.tree_of_docroot();
    assert!(
        tree.contains_key(b"media".as_slice()) && !tree.contains_key(b"media/inside".as_slice())
    );
    disk.user_write("one", b"longer").unwrap();
    assert_eq!(tree[b"one".as_slice()], tree[b"two".as_slice()]);
    disk.write_back();
    let disk = disk.crash(Policy::Strict, 0).reopen();
    let at = docroot(&disk);
    assert_eq!(disk.stat(&at, &name("two")).unwrap().links, 2);
    let media = disk.open_directory(&at, &name("media")).err().map(|error| error.kind);
    assert_eq!(media, Some(DiskErrorKind::OtherFilesystem));
}

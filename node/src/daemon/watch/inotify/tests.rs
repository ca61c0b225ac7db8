#![allow(clippy::disallowed_methods, clippy::print_stderr)] // Deadlines; skips are said.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Duration;

use super::*;
use crate::core::Hint;

const DEADLINE: Duration = Duration::from_secs(20);

/// A docroot that is watched.
pub(super) struct Watching {
    pub(super) folder: tempfile::TempDir,
    pub(super) watch: InotifyWatch,
    pub(super) receiver: HintReceiver,
    runtime: tokio::runtime::Runtime,
    seen: Vec<Hint>,
    marks: u32,
}

pub(super) fn path(text: &str) -> Path {
    Path::from_bytes(text.as_bytes()).unwrap()
}

impl Watching {
    pub(super) fn new(limit: usize, shard_watches: usize) -> Watching {
        let folder = tempfile::tempdir().unwrap();
        let (watch, receiver) =
            InotifyWatch::start_with(folder.path(), limit, shard_watches).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Watching { folder, watch, receiver, runtime, seen: Vec::new(), marks: 0 }
    }

    pub(super) fn full(&self, text: &str) -> PathBuf {
        self.folder.path().join(text)
    }

    pub(super) fn watch(&self, text: &str) -> Watched {
        let directory = std::fs::File::open(self.full(text)).unwrap();
        self.watch.watch(directory.as_fd(), &path(text))
    }

    fn receive(&mut self) {
        let receiving = self.receiver.recv_batch();
        let batch = self
            .runtime
            .block_on(async { tokio::time::timeout(DEADLINE, receiving).await })
            .unwrap_or_else(|_| panic!("nothing came; seen so far: {:?}", self.seen));
        self.seen.extend(batch);
    }

    /// Waits until a hint comes, and forgets all that came before.
    fn expect(&mut self, text: &str, kind: HintKind) {
        let wanted = Hint { path: path(text), kind };
        loop {
            if let Some(index) = self.seen.iter().position(|hint| *hint == wanted) {
                self.seen.drain(..=index);
                return;
            }
            self.receive();
        }
    }

    /// Waits until everything that happened in the docroot itself so far has been hinted.
    fn settled(&mut self) -> Vec<Hint> {
        self.marks += 1;
        let mark = format!("mark-{}", self.marks);
        std::fs::create_dir(self.full(&mark)).unwrap();
        let wanted = Hint { path: path(&mark), kind: HintKind::Lost };
        while !self.seen.contains(&wanted) {
            self.receive();
        }
        std::fs::remove_dir(self.full(&mark)).unwrap();
        self.expect(&mark, HintKind::Lost);
        std::mem::take(&mut self.seen)
            .into_iter()
            .filter(|hint| !hint.path.as_bytes().starts_with(b"mark-"))
            .collect()
    }

    /// Waits for a state that events lead to.
    fn wait_until(&mut self, what: &str, reached: impl Fn(&InotifyWatch) -> bool) {
        let deadline = std::time::Instant::now() + DEADLINE;
        while !reached(&self.watch) {
            assert!(std::time::Instant::now() < deadline, "{what}: {:?}", self.watch.status());
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_happens_to_files_is_hinted() {
    use std::io::Write;

    let mut watching = Watching::new(100, 100);
    assert_eq!(watching.watch(""), Watched::Yes);
    let file = watching.full("file");
    let mut open = std::fs::File::create(&file).unwrap();
    watching.expect("file", HintKind::Changing);
    open.write_all(b"x").unwrap();
    watching.expect("file", HintKind::Changing);
    drop(open);
    watching.expect("file", HintKind::Complete);
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    watching.expect("file", HintKind::Complete);
    std::fs::hard_link(&file, watching.full("link")).unwrap();
    watching.expect("link", HintKind::Complete);
    std::os::unix::fs::symlink("file", watching.full("symlink")).unwrap();
    watching.expect("symlink", HintKind::Complete);
    std::fs::rename(&file, watching.full("moved")).unwrap();
    watching.expect("file", HintKind::Complete);
    watching.expect("moved", HintKind::Complete);
    std::fs::remove_file(watching.full("moved")).unwrap();
    watching.expect("moved", HintKind::Removed);
    std::fs::create_dir(watching.full("directory")).unwrap();
    watching.expect("directory", HintKind::Lost);
    std::fs::OpenOptions::new().write(true).truncate(true).open(watching.full("link")).unwrap();
    watching.expect("link", HintKind::Complete);
}

#[test]
fn reading_and_reserved_names_give_no_hints() {
    let mut watching = Watching::new(100, 100);
    watching.watch("");
    std::fs::write(watching.full("file"), "x").unwrap();
    watching.expect("file", HintKind::Complete);
    assert_eq!(watching.settled(), []);
    for _ in 0..100 {
        assert_eq!(std::fs::read(watching.full("file")).unwrap(), b"x");
        assert!(std::fs::read_dir(watching.full("")).unwrap().count() > 0);
    }
    std::fs::write(watching.full(".mirrormesh.tmp-1"), "x").unwrap();
    std::fs::create_dir(watching.full(".mirrormesh")).unwrap();
    std::fs::remove_file(watching.full(".mirrormesh.tmp-1")).unwrap();
    assert_eq!(watching.settled(), []);
}

/// Whoever scans what is lost, watching each directory before listing it, misses nothing.
#[test]
fn nested_directories_made_at_once_are_found() {
    let mut watching = Watching::new(20_000, 64);
    watching.watch("");
    let root = watching.full("");
    let maker = std::thread::spawn(move || {
        for round in 0..300 {
            let deepest = root.join(format!("{round}/a/b"));
            std::fs::create_dir_all(&deepest).unwrap();
            for place in [format!("{round}"), format!("{round}/a"), format!("{round}/a/b")] {
                std::fs::write(root.join(place).join("file"), "x").unwrap();
            }
        }
    });
    let mut found = BTreeSet::new();
    while found.len() < 900 {
        watching.receive();
        for hint in std::mem::take(&mut watching.seen) {
            look(&watching, &hint.path, &mut found);
        }
    }
    maker.join().unwrap();
}

fn look(watching: &Watching, at: &Path, found: &mut BTreeSet<Path>) {
    let text = std::str::from_utf8(at.as_bytes()).unwrap();
    let full = watching.full(text);
    if !full.is_dir() {
        found.extend(full.is_file().then(|| at.clone()));
        return;
    }
    assert_eq!(watching.watch(text), Watched::Yes);
    for entry in std::fs::read_dir(full).unwrap() {
        let name = entry.unwrap().file_name();
        look(watching, &at.join(&mirrormesh_merkle::Name::new(name.as_bytes()).unwrap()), found);
    }
}

#[test]
fn a_directory_that_moves_is_forgotten_and_watched_anew() {
    for shard_watches in [1, 2, 100] {
        let mut watching = Watching::new(100, shard_watches);
        std::fs::create_dir_all(watching.full("a/b/c")).unwrap();
        for directory in ["", "a", "a/b", "a/b/c"] {
            assert_eq!(watching.watch(directory), Watched::Yes);
        }
        std::fs::rename(watching.full("a"), watching.full("z")).unwrap();
        watching.expect("a", HintKind::Lost);
        watching.expect("z", HintKind::Lost);
        watching.wait_until("forgotten", |watch| watch.status().watches == 1);
        watching.wait_until("unwatched", |watch| watch.inner.shared.state().removals.is_empty());
        for directory in ["", "z", "z/b", "z/b/c"] {
            assert_eq!(watching.watch(directory), Watched::Yes);
        }
        std::fs::write(watching.full("z/b/c/file"), "x").unwrap();
        watching.expect("z/b/c/file", HintKind::Complete);
        // Another one under the old name.
        std::fs::create_dir_all(watching.full("a/b/c")).unwrap();
        watching.expect("a", HintKind::Lost);
        for directory in ["a", "a/b", "a/b/c"] {
            assert_eq!(watching.watch(directory), Watched::Yes);
        }
        std::fs::write(watching.full("a/b/c/file"), "x").unwrap();
        watching.expect("a/b/c/file", HintKind::Complete);
        assert_eq!(watching.watch.status().watches, 7);
    }
}

#[test]
fn removed_directories_are_forgotten_and_may_come_back() {
    for shard_watches in [7, 1_000] {
        let mut watching = Watching::new(1_000, shard_watches);
        watching.watch("");
        let directories: Vec<String> = (0..100).map(|index| format!("top/{index}")).collect();
        for _ in 0..3 {
            for directory in &directories {
                std::fs::create_dir_all(watching.full(directory)).unwrap();
            }
            // Late events about the former directories may end a watch; a loss is hinted then, and
            // the scan that follows places it again.
            watching.wait_until("watched", |watch| {
                for directory in directories.iter().map(String::as_str).chain(["top"]) {
                    let open = std::fs::File::open(watch.inner.shared.full(&path(directory)));
                    assert_eq!(watch.watch(open.unwrap().as_fd(), &path(directory)), Watched::Yes);
                }
                watch.status().watches == 102
            });
            watching.settled();
            std::fs::write(watching.full("top/50/file"), "x").unwrap();
            watching.expect("top/50/file", HintKind::Complete);
            std::fs::remove_dir_all(watching.full("top")).unwrap();
            watching.wait_until("forgotten", |watch| watch.status().watches == 1);
            watching.expect("top", HintKind::Lost);
            assert_eq!(watching.watch.status().reason, "inotify watches every directory");
        }
    }
}

#[test]
fn after_a_barrier_everything_before_it_has_been_hinted() {
    let mut watching = Watching::new(100, 3);
    for directory in ["", "a", "b", "c", "d", "e"] {
        std::fs::create_dir_all(watching.full(directory)).unwrap();
        assert_eq!(watching.watch(directory), Watched::Yes);
    }
    assert!(watching.watch.barrier());
    while !watching.receiver.try_recv_batch().is_empty() {}
    for round in 0..50 {
        let mut made = BTreeSet::new();
        for index in 0..200 {
            let text = format!("{}/{round}-{index}", ["a", "b", "c", "d", "e"][index % 5]);
            std::fs::write(watching.full(&text), "x").unwrap();
            made.insert(path(&text));
        }
        assert!(watching.watch.barrier());
        loop {
            let batch = watching.receiver.try_recv_batch();
            if batch.is_empty() {
                break;
            }
            for hint in batch {
                assert_eq!(hint.kind, HintKind::Complete);
                made.remove(&hint.path);
            }
        }
        assert_eq!(made, BTreeSet::new());
    }
}

#[test]
fn the_limit_is_told() {
    let mut watching = Watching::new(3, 2);
    for directory in ["a", "b", "c"] {
        std::fs::create_dir(watching.full(directory)).unwrap();
    }
    let watched = ["", "a", "b", "c", "c"].map(|text| watching.watch(text) == Watched::Yes);
    assert_eq!(watched, [true, true, true, false, false]);
    let status = watching.watch.status();
    assert_eq!((status.watches, status.limit, status.unwatched), (3, 3, 1));
    assert!(status.reason.contains("at most 3"), "{}", status.reason);
    assert!(!watching.watch.barrier());
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["backend"], "inotify");
    std::fs::remove_dir(watching.full("b")).unwrap();
    watching.expect("b", HintKind::Lost);
    assert_eq!(watching.watch("c"), Watched::Yes);
    assert_eq!(watching.watch.status().unwatched, 0);
}

#[test]
fn a_path_that_leads_elsewhere_is_not_watched() {
    let watching = Watching::new(10, 10);
    std::fs::create_dir(watching.full("meant")).unwrap();
    std::fs::create_dir(watching.full("other")).unwrap();
    let meant = std::fs::File::open(watching.full("meant")).unwrap();
    std::fs::rename(watching.full("meant"), watching.full("moved")).unwrap();
    assert_eq!(watching.watch.watch(meant.as_fd(), &path("meant")), Watched::No);
    std::os::unix::fs::symlink("other", watching.full("meant")).unwrap();
    assert_eq!(watching.watch.watch(meant.as_fd(), &path("meant")), Watched::No);
    assert_eq!(watching.watch.status().watches, 0);
}

#[test]
fn paths_longer_than_the_system_takes_are_scanned() {
    let watching = Watching::new(10, 10);
    let mut directory = std::fs::File::open(watching.full("")).unwrap();
    let mut text = String::new();
    for _ in 0..20 {
        let name = "d".repeat(250);
        rustix::fs::mkdirat(&directory, &name, rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        let opened =
            rustix::fs::openat(&directory, &name, flags, rustix::fs::Mode::empty()).unwrap();
        directory = std::fs::File::from(opened);
        text = if text.is_empty() { name } else { format!("{text}/{name}") };
    }
    let Ok(path) = Path::from_bytes(text.as_bytes()) else { return };
    assert_eq!(watching.watch.watch(directory.as_fd(), &path), Watched::No);
    assert_eq!(watching.watch.status().unwatched, 1);
}

#[test]
fn another_docroot_in_its_place_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("current");
    for release in ["one", "two"] {
        std::fs::create_dir_all(folder.path().join(release).join("a")).unwrap();
    }
    std::os::unix::fs::symlink("one", &link).unwrap();
    let mut watching = Watching::new(10, 10);
    let (watch, receiver) = InotifyWatch::start_with(&link, 10, 1).unwrap();
    (watching.watch, watching.receiver) = (watch, receiver);
    let watch = |watching: &Watching, text: &str| {
        let directory = std::fs::File::open(link.join(text)).unwrap();
        watching.watch.watch(directory.as_fd(), &path(text))
    };
    assert_eq!(watch(&watching, ""), Watched::Yes);
    assert_eq!(watch(&watching, "a"), Watched::Yes);
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("two", &link).unwrap();
    assert_eq!(watch(&watching, ""), Watched::Yes);
    assert_eq!(watching.watch.status().watches, 1);
    assert_eq!(watch(&watching, "a"), Watched::Yes);
    std::fs::write(folder.path().join("two/a/file"), "x").unwrap();
    watching.expect("a/file", HintKind::Complete);
    std::fs::write(folder.path().join("two/file"), "x").unwrap();
    watching.expect("file", HintKind::Complete);
}

/// The kernel's queue overflows while the handler waits for a lock that this test holds.
#[test]
fn lost_events_are_told_and_everything_is_watched_anew() {
    let queue: usize = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    if queue > 100_000 {
        eprintln!("SKIPPED lost_events_are_told: the queue holds {queue} events");
        return;
    }
    let mut watching = Watching::new(10, 1);
    std::fs::create_dir(watching.full("a")).unwrap();
    std::fs::write(watching.full("first"), "x").unwrap();
    assert_eq!((watching.watch(""), watching.watch("a")), (Watched::Yes, Watched::Yes));
    let inner = Arc::clone(&watching.watch.inner);
    let state = inner.shared.state();
    std::fs::remove_file(watching.full("first")).unwrap();
    for index in 0..queue / 2 + 1_000 {
        std::fs::write(watching.full(&format!("file-{}", index % 50)), "x").unwrap();
    }
    drop(state);
    watching.wait_until("told", |watch| watch.status().overflows == 1);
    watching.expect("", HintKind::Lost);
    watching.wait_until("given up", |watch| watch.inner.shared.state().removals.is_empty());
    assert_eq!((watching.watch(""), watching.watch("a")), (Watched::Yes, Watched::Yes));
    std::fs::write(watching.full("after"), "x").unwrap();
    watching.expect("after", HintKind::Complete);
    std::fs::write(watching.full("a/after"), "x").unwrap();
    watching.expect("a/after", HintKind::Complete);
}

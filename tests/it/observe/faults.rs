//! Primitives that fail: one name is listed and stays, the others are none the worse for it.

use std::cell::Cell;

use mirrormesh::store::{Depth, DiskErrorKind, Job, JobError, Observe, Side, run};
use mirrormesh_merkle::Path;
use mirrormesh_simulation::disk::Options;

use super::fixture::{AMPLE, Fixture, look};
use super::model::{check_books, check_tree, stored};

const PRIMITIVES: [&str; 8] = [
    "open_file",
    "stat_file",
    "read",
    "stat",
    "list",
    "open_directory",
    "read_symlink",
    "filesystem",
];

fn changed() -> Fixture {
    let mut fixture = Fixture::new(Options::default());
    for at in ["a", "b"] {
        fixture.disk.user_mkdir(at).unwrap();
        fixture.disk.user_write(format!("{at}/file"), at.as_bytes()).unwrap();
        fixture.disk.user_symlink(format!("{at}/link"), at.as_bytes()).unwrap();
    }
    fixture.scan();
    fixture.pass(1_000);
    for at in ["a", "b"] {
        fixture.disk.user_write(format!("{at}/file"), b"changed").unwrap();
        fixture.disk.user_remove(format!("{at}/link")).unwrap();
        fixture.disk.user_symlink(format!("{at}/link"), b"changed").unwrap();
    }
    fixture
}

#[test]
fn a_failure_at_one_name_takes_nothing_away() {
    for primitive in PRIMITIVES {
        for kind in [DiskErrorKind::Failed, DiskErrorKind::Permission, DiskErrorKind::Invalid] {
            let mut fixture = changed();
            let before = stored(&fixture.disk, &fixture.current);
            // The docroot itself is listed first, and must be.
            let skipped = Cell::new(primitive != "list");
            fixture.disk.before_primitive(move |called, _, disk| {
                if called == "open_directory" && !skipped.replace(true) {
                    disk.fail_next(primitive, kind);
                }
            });
            if primitive != "list" {
                fixture.disk.fail_next(primitive, kind);
            }
            fixture.scan();
            check_books(&fixture);
            let after = stored(&fixture.disk, &fixture.current);
            assert!(before.keys().eq(after.keys()), "{primitive} {kind:?}");
            fixture.disk.take_hints();
            fixture.follow_hints();
            check_tree(&fixture);
        }
    }
}

#[test]
fn a_failure_of_more_than_a_name_changes_nothing() {
    let kinds = [
        ("stat", DiskErrorKind::TooManyOpen),
        ("open_file", DiskErrorKind::TooManyOpen),
        ("list", DiskErrorKind::Permission),
        ("get", DiskErrorKind::Failed),
        ("range", DiskErrorKind::Failed),
        ("commit", DiskErrorKind::NoSpace),
    ];
    for (primitive, kind) in kinds {
        let mut fixture = changed();
        fixture.disk.fail_next(primitive, kind);
        let job = Observe {
            side: Side::Origin,
            current: fixture.current,
            looks: vec![look(Path::root(), Depth::Subtree)],
            hashed: Vec::new(),
            excludes: fixture.excludes.clone(),
            expected: None,
            large_bytes: 1 << 30,
            give_up: Vec::new(),
            inline: false,
            limits: AMPLE,
            rehash: false,
            judgement: Default::default(),
        };
        let failed = run(Job::Observe(job), &fixture.disk);
        assert!(matches!(failed, Err(JobError::Disk { kind: found, .. }) if found == kind));
        check_books(&fixture);
        fixture.scan();
        check_tree(&fixture);
    }
}

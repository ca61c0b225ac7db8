use crate::tests::support::{directory, file, path, put, remove};
use crate::{
    Change, EntryError, File, Limit, MemoryNodes, Path, Record, Tree, TreeError, lookup, update,
};

fn record_at(store: &MemoryNodes, tree: &Tree, text: &str) -> Option<Record> {
    lookup(store, &tree.root, &path(text)).unwrap().as_ref().map(Record::from)
}

#[test]
fn a_directory_put_again_keeps_what_is_in_it() {
    let mut store = MemoryNodes::new();
    let changes = [put("a", directory()), put("a/b", file(1))];
    let tree = update(&mut store, &Tree::empty(), &changes).unwrap();
    let private = Record::Directory { mode: 0o700, attributes: None };
    let tree = update(&mut store, &tree, &[put("a", private.clone())]).unwrap();
    assert_eq!(record_at(&store, &tree, "a"), Some(private));
    assert_eq!(record_at(&store, &tree, "a/b"), Some(file(1)));
}

#[test]
fn another_kind_takes_what_is_below_away() {
    let mut store = MemoryNodes::new();
    let changes = [put("a", directory()), put("a/b", file(1))];
    let tree = update(&mut store, &Tree::empty(), &changes).unwrap();
    let tree = update(&mut store, &tree, &[put("a", file(2))]).unwrap();
    assert_eq!(tree.files, 1);
    let tree = update(&mut store, &tree, &[put("a", directory())]).unwrap();
    assert_eq!(record_at(&store, &tree, "a/b"), None);
    assert_eq!(tree.files, 0);
}

#[test]
fn removing_below_what_was_replaced_is_no_error() {
    let mut store = MemoryNodes::new();
    let changes = [put("a", directory()), put("a/b", directory()), put("a/b/c", file(1))];
    let tree = update(&mut store, &Tree::empty(), &changes).unwrap();
    // What a difference lists when a directory goes, and when a file takes its place.
    let all = [remove("a"), remove("a/b"), remove("a/b/c")];
    assert_eq!(update(&mut store, &tree, &all).unwrap(), Tree::empty());
    let replaced = [put("a", file(2)), remove("a/b"), remove("a/b/c")];
    let direct = update(&mut store, &Tree::empty(), &[put("a", file(2))]).unwrap();
    assert_eq!(update(&mut store, &tree, &replaced).unwrap(), direct);
}

#[test]
fn parents_must_be_directories_after_what_came_before() {
    let mut store = MemoryNodes::new();
    let changes = [put("a", directory()), put("f", file(1))];
    let tree = update(&mut store, &Tree::empty(), &changes).unwrap();
    let mut refused = |changes: &[Change]| update(&mut store, &tree, changes).unwrap_err();
    assert!(
        matches!(refused(&[put("x/y/z", file(1))]), TreeError::MissingParent(at) if at == path("x"))
    );
    assert!(
        matches!(refused(&[put("a/y/z", file(1))]), TreeError::MissingParent(at) if at == path("a/y"))
    );
    assert!(
        matches!(refused(&[put("f/y", file(1))]), TreeError::NotADirectory(at) if at == path("f"))
    );
    assert!(matches!(refused(&[remove("a"), put("a/b", file(1))]), TreeError::MissingParent(_)));
    assert!(matches!(
        refused(&[put("a", file(1)), put("a/b", file(1))]),
        TreeError::NotADirectory(_)
    ));
}

#[test]
fn faults_of_the_caller_are_refused() {
    let mut store = MemoryNodes::new();
    let mut refused = |changes: &[Change]| update(&mut store, &Tree::empty(), changes).unwrap_err();
    assert!(matches!(refused(&[put("b", file(1)), put("a", file(1))]), TreeError::Order(_)));
    assert!(matches!(refused(&[put("a", file(1)), put("a", file(1))]), TreeError::Order(_)));
    let root = Change { path: Path::root(), record: Some(directory()) };
    assert!(matches!(refused(&[root]), TreeError::Forbidden(_)));
    assert!(matches!(refused(&[put(".mirrormesh-www", directory())]), TreeError::Forbidden(_)));
    let Record::File(good) = file(1) else { panic!() };
    let wrong = Record::File(File { mode: 0o10000, ..good.clone() });
    assert!(matches!(
        refused(&[put("a", wrong)]),
        TreeError::Entry { error: EntryError::Mode, .. }
    ));
    let huge = Record::File(File { size: u64::MAX, ..good });
    assert!(matches!(refused(&[put("a", huge)]), TreeError::Entry { error: EntryError::Size, .. }));
}

#[test]
fn totals_beyond_64_bits_are_refused() {
    let mut store = MemoryNodes::new();
    let Record::File(good) = file(1) else { panic!() };
    let huge = Record::File(File { size: i64::MAX as u64, ..good });
    let changes = [put("a", huge.clone()), put("b", huge.clone()), put("c", huge)];
    assert!(update(&mut store, &Tree::empty(), &changes[..2]).is_ok());
    assert!(matches!(
        update(&mut store, &Tree::empty(), &changes),
        Err(TreeError::Limit(Limit::Totals))
    ));
}

use crate::tests::support::{directory, file, path, put};
use crate::{
    DecodeError, MemoryNodes, NodeSource, Path, Tree, TreeError, entries, list, lookup, tree_of,
    update,
};

fn small() -> (MemoryNodes, Tree) {
    let mut store = MemoryNodes::new();
    let changes = [put("a", directory()), put("a/b", file(7)), put("c", file(8))];
    let tree = update(&mut store, &Tree::empty(), &changes).unwrap();
    (store, tree)
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let (store, tree) = small();
    for text in ["x", "a/x", "c/x", "x/y"] {
        assert_eq!(lookup(&store, &tree.root, &path(text)).unwrap(), None);
    }
    assert_eq!(lookup(&store, &tree.root, &Path::root()).unwrap(), None);
}

#[test]
fn listing_says_what_is_no_directory() {
    let (store, tree) = small();
    let listed = |text: &str| list(&store, &tree.root, &path(text));
    assert!(matches!(listed("c"), Err(TreeError::NotADirectory(at)) if at == path("c")));
    assert!(matches!(listed("x"), Err(TreeError::MissingParent(at)) if at == path("x")));
    assert!(matches!(listed("c/x"), Err(TreeError::MissingParent(_))));
    assert_eq!(listed("a").unwrap().len(), 1);
}

#[test]
fn a_missing_node_is_named() {
    let (mut store, tree) = small();
    let directory = lookup(&store, &tree.root, &path("a")).unwrap().unwrap();
    let node = directory.as_directory().unwrap().node;
    store.remove(&node);
    assert!(matches!(
        lookup(&store, &tree.root, &path("a/b")),
        Err(TreeError::Missing(hash)) if hash == node
    ));
    let mut stream = entries(&store, &tree.root, &path("a")).unwrap();
    assert!(matches!(stream.next(), Some(Err(TreeError::Missing(_)))));
    assert!(stream.next().is_none());
}

#[test]
fn the_empty_tree_needs_no_store() {
    let store = MemoryNodes::new();
    assert_eq!(tree_of(&store, &Tree::empty().root).unwrap(), Tree::empty());
    assert!(store.node(&Tree::empty().root).unwrap().is_none());
}

/// A directory entry whose totals are not those of its node is refused wherever it is read.
#[test]
fn false_totals_are_refused() {
    let (mut store, tree) = small();
    let entry = lookup(&store, &tree.root, &path("a")).unwrap().unwrap();
    let mut directory = entry.as_directory().unwrap().clone();
    directory.files += 1;
    let names = vec![(crate::Name::new("a").unwrap(), crate::Entry::Directory(directory))];
    let bytes = crate::node::encode_leaf(&names);
    let root = crate::node_hash(&bytes);
    crate::NodeStore::put(&mut store, root, bytes).unwrap();
    let refused = |result: Result<(), TreeError<_>>| {
        assert!(matches!(result, Err(TreeError::Decode { error: DecodeError::Totals, .. })));
    };
    refused(lookup(&store, &root, &path("a/b")).map(|_| ()));
    refused(list(&store, &root, &path("a")).map(|_| ()));
    refused(crate::difference(&store, &Tree::empty().root, &root, None, 9).map(|_| ()));
    let base = tree_of(&store, &root).unwrap();
    refused(update(&mut store, &base, &[put("a/c", file(1))]).map(|_| ()));
    // A tree that states false totals itself is no base either.
    let base = Tree { files: tree.files + 1, ..tree };
    refused(update(&mut store, &base, &[put("d", file(1))]).map(|_| ()));
}

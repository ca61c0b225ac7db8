use proptest::prelude::*;

use crate::tests::model::{Model, order_key};
use crate::tests::support::{build, directory, file, pairs, path, paths, put};
use crate::{
    Difference, Differences, MemoryNodes, Path, Record, Tree, difference, tree_order, update,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn differences_are_those_of_the_models(
        (old, new) in pairs(),
        limit in 1..20usize,
        probes in prop::collection::vec(paths(), 10),
    ) {
        let mut store = MemoryNodes::new();
        let (left, right) = (build(&mut store, &old).root, build(&mut store, &new).root);
        let expected = old.difference(&new);
        let all = difference(&store, &left, &right, None, usize::MAX).unwrap();
        prop_assert_eq!(&all, &expected);

        // In pages.
        let mut paged: Vec<Difference> = Vec::new();
        loop {
            let after = paged.last().map(|found| found.path.clone());
            let page = difference(&store, &left, &right, after.as_ref(), limit).unwrap();
            prop_assert!(page.len() <= limit);
            let last = page.len() < limit;
            paged.extend(page);
            if last {
                break;
            }
        }
        prop_assert_eq!(&paged, &expected);

        // After every path that differs, every path there is, and some that are not.
        let listed = expected.iter().map(|found| &found.path);
        for after in listed.chain(old.0.keys()).chain(&probes) {
            let rest = difference(&store, &left, &right, Some(after), limit).unwrap();
            let later = expected.iter().filter(|found| order_key(&found.path) > order_key(after));
            prop_assert_eq!(rest, later.take(limit).cloned().collect::<Vec<_>>());
        }
    }

    #[test]
    fn tree_order_is_that_of_slots_and_names(left in paths(), right in paths()) {
        prop_assert_eq!(tree_order(&left, &right), order_key(&left).cmp(&order_key(&right)));
    }
}

#[test]
fn a_change_of_kind_lists_what_goes_and_comes_below() {
    let mut store = MemoryNodes::new();
    let changes = [put("a", directory()), put("a/b", file(1))];
    let tree = update(&mut store, &Tree::empty(), &changes).unwrap();
    let flat = update(&mut store, &Tree::empty(), &[put("a", file(2))]).unwrap();
    let at = |text: &str, old: Option<Record>, new: Option<Record>| Difference {
        path: path(text),
        old,
        new,
    };
    assert_eq!(
        difference(&store, &tree.root, &flat.root, None, 9).unwrap(),
        [at("a", Some(directory()), Some(file(2))), at("a/b", Some(file(1)), None)]
    );
    assert_eq!(
        difference(&store, &flat.root, &tree.root, None, 9).unwrap(),
        [at("a", Some(file(2)), Some(directory())), at("a/b", None, Some(file(1)))]
    );
}

#[test]
fn nothing_follows_an_error() {
    let store = MemoryNodes::new();
    let missing = crate::Hash::ZERO;
    let mut differences = Differences::new(&store, &Tree::empty().root, &missing, None);
    assert!(differences.next().unwrap().is_err());
    assert!(differences.next().is_none());
}

#[test]
fn equal_roots_are_not_even_read() {
    let store = MemoryNodes::new();
    let unknown = crate::Hash::ZERO;
    let after = Path::from_bytes(b"a").unwrap();
    assert!(difference(&store, &unknown, &unknown, None, 9).unwrap().is_empty());
    assert!(difference(&store, &unknown, &unknown, Some(&after), 9).unwrap().is_empty());
}

/// Two directories of several levels of trie each: what follows every cursor is all that follows.
#[test]
fn resuming_in_a_deep_trie_loses_nothing() {
    let numbered = |numbers: std::ops::Range<u64>| {
        let files = numbers.map(|number| (path(&format!("{number}")), file(number % 7)));
        Model(files.collect())
    };
    let (old, new) = (numbered(0..3000), numbered(1000..4000));
    let mut store = MemoryNodes::new();
    let (left, right) = (build(&mut store, &old).root, build(&mut store, &new).root);
    let expected = old.difference(&new);
    assert_eq!(expected.len(), 2000);
    for at in (0..expected.len()).step_by(61) {
        let after = Some(&expected[at].path);
        let rest = difference(&store, &left, &right, after, usize::MAX).unwrap();
        assert_eq!(rest, expected[at + 1..]);
    }
}

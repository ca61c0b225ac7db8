use proptest::prelude::*;

use crate::tests::model::Model;
use crate::tests::support::{build, directory, file, models, pairs, path, put, remove};
use crate::{
    Delta, DeltaChange, MemoryNodes, Move, Path, Record, Tree, TreeError, apply_delta, update,
};

fn between(old: &Model, new: &Model) -> (MemoryNodes, Tree, Delta) {
    let mut store = MemoryNodes::new();
    let mut both = MemoryNodes::new();
    let base = build(&mut store, old);
    build(&mut both, old);
    let target = build(&mut both, new);
    let delta = Delta::between(&both, &base.root, &target.root).unwrap().unwrap();
    (store, base, delta)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_delta_leads_to_its_target((old, new) in pairs()) {
        let (mut store, base, delta) = between(&old, &new);
        let decoded = Delta::decode(&delta.encode().unwrap()).unwrap();
        prop_assert_eq!(apply_delta(&mut store, &base, &decoded).unwrap(), new.tree());
    }

    /// A delta with one change left out, altered or added is refused, whatever it was.
    #[test]
    fn a_delta_that_is_not_the_difference_is_refused(
        (old, new) in pairs(),
        index in any::<prop::sample::Index>(),
        how in 0..5,
    ) {
        let (mut store, base, mut delta) = between(&old, &new);
        prop_assume!(!delta.changes.is_empty());
        let index = index.index(delta.changes.len());
        let odd = Record::Directory { mode: 0o1, attributes: None };
        match how {
            0 => drop(delta.changes.remove(index)),
            1 => delta.changes[index].old = Some(odd),
            2 => delta.changes[index].new = Some(odd),
            3 => delta.changes.push(DeltaChange { path: path("z"), old: None, new: Some(odd) }),
            _ => delta.changes[index].path = path("\u{1}"),
        }
        prop_assert!(apply_delta(&mut store, &base, &delta).is_err());
        prop_assert_eq!(crate::tree_of(&store, &base.root).unwrap(), base);
    }

    /// Moves of random paths do what the model does, or are refused.
    #[test]
    fn moves_do_what_the_model_does(
        model in models(),
        from in any::<prop::sample::Index>(),
        into in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!model.0.is_empty());
        let paths: Vec<&Path> = model.0.keys().collect();
        let directories = model.0.iter().filter(|(_, r)| matches!(r, Record::Directory { .. }));
        let directories: Vec<Path> =
            directories.map(|(path, _)| path.clone()).chain([Path::root()]).collect();
        let from = paths[from.index(paths.len())].clone();
        let to = directories[into.index(directories.len())].join(&crate::Name::new("moved").unwrap());
        let mut store = MemoryNodes::new();
        let base = build(&mut store, &model);
        let legal = !to.starts_with(&from);
        let mut after = model.clone();
        if legal {
            after.rename(&from, &to);
        }
        let target = after.tree().root;
        let moves = vec![Move { from, to }];
        let delta = Delta { base: base.root, target, moves, changes: Vec::new() };
        match apply_delta(&mut store, &base, &delta) {
            Ok(tree) => prop_assert!(legal && tree == after.tree()),
            Err(error) => prop_assert!(!legal, "{}", error),
        }
    }
}

fn store_with(changes: &[crate::Change]) -> (MemoryNodes, Tree) {
    let mut store = MemoryNodes::new();
    let tree = update(&mut store, &Tree::empty(), changes).unwrap();
    (store, tree)
}

#[test]
fn moves_come_before_changes() {
    let (mut store, base) =
        store_with(&[put("a", directory()), put("a/b", file(1)), put("c", directory())]);
    let target = update(
        &mut store.clone(),
        &base,
        &[remove("a"), put("c/a", directory()), put("c/a/b", file(2))],
    );
    let delta = Delta {
        base: base.root,
        target: target.unwrap().root,
        moves: vec![
            Move { from: path("a"), to: path("x") },
            Move { from: path("x"), to: path("c/a") },
        ],
        changes: vec![DeltaChange { path: path("c/a/b"), old: Some(file(1)), new: Some(file(2)) }],
    };
    let delta = Delta::decode(&delta.encode().unwrap()).unwrap();
    assert_eq!(apply_delta(&mut store, &base, &delta).unwrap().root, delta.target);
}

#[test]
fn impossible_moves_are_refused() {
    let (mut store, base) = store_with(&[
        put("a", directory()),
        put("a/b", file(1)),
        put("ab", directory()),
        put("f", file(2)),
    ]);
    let mut try_move = |from: &str, to: &str| {
        let moves = vec![Move { from: path(from), to: path(to) }];
        let delta = Delta { base: base.root, target: base.root, moves, changes: Vec::new() };
        apply_delta(&mut store, &base, &delta).unwrap_err()
    };
    assert!(matches!(try_move("x", "y"), TreeError::Move { .. }));
    assert!(matches!(try_move("a", "f"), TreeError::Move { .. }));
    assert!(matches!(try_move("a", "a/c"), TreeError::Move { .. }));
    assert!(matches!(try_move("a", "a"), TreeError::Move { .. }));
    assert!(matches!(try_move("a", "x/y"), TreeError::MissingParent(_)));
    assert!(matches!(try_move("a", "f/y"), TreeError::NotADirectory(_)));
    // Allowed as a move, but not the target that was stated.
    assert!(matches!(try_move("a", "ab/a"), TreeError::WrongTarget { .. }));
}

#[test]
fn both_ends_must_fit() {
    let (mut store, base) = store_with(&[put("a", file(1))]);
    let change = DeltaChange { path: path("a"), old: Some(file(1)), new: Some(file(2)) };
    let target = update(&mut store, &base, &[put("a", file(2))]).unwrap().root;
    let delta = Delta { base: base.root, target, moves: Vec::new(), changes: vec![change] };
    assert!(apply_delta(&mut store, &base, &delta).is_ok());
    let elsewhere = Delta { base: target, ..delta.clone() };
    assert!(matches!(apply_delta(&mut store, &base, &elsewhere), Err(TreeError::WrongBase { .. })));
    let mut wrong = delta.clone();
    wrong.changes[0].old = Some(file(3));
    assert!(matches!(
        apply_delta(&mut store, &base, &wrong),
        Err(TreeError::BaseMismatch(at)) if at == path("a")
    ));
    let mut wrong = delta;
    wrong.changes[0].new = Some(file(3));
    assert!(matches!(apply_delta(&mut store, &base, &wrong), Err(TreeError::WrongTarget { .. })));
}

#[test]
fn a_change_that_does_not_fit_is_found_before_anything_is_written() {
    let (mut store, base) = store_with(&[put("f", file(1))]);
    let before = store.len();
    let change = DeltaChange { path: path("a/b"), old: Some(file(1)), new: Some(file(2)) };
    let target = Tree::empty().root;
    let delta = Delta { base: base.root, target, moves: Vec::new(), changes: vec![change] };
    assert!(matches!(
        apply_delta(&mut store, &base, &delta),
        Err(TreeError::BaseMismatch(at)) if at == path("a/b")
    ));
    assert_eq!(store.len(), before);
}

#[test]
fn a_change_that_changes_nothing_is_refused() {
    let (mut store, base) = store_with(&[put("a", file(1)), put("b", file(1))]);
    let target = update(&mut store, &base, &[put("b", file(2))]).unwrap().root;
    let same = DeltaChange { path: path("a"), old: Some(file(1)), new: Some(file(1)) };
    let change = DeltaChange { path: path("b"), old: Some(file(1)), new: Some(file(2)) };
    let changes = vec![same, change];
    let delta = Delta { base: base.root, target, moves: Vec::new(), changes };
    assert!(matches!(
        apply_delta(&mut store, &base, &delta),
        Err(TreeError::BaseMismatch(at)) if at == path("a")
    ));
}

/// A removed directory without what was below it leads to the right root, and a fold would still
/// go wrong over it: refused.
#[test]
fn what_goes_with_a_directory_must_be_listed() {
    let (mut store, base) = store_with(&[put("a", directory()), put("a/b", file(1))]);
    let target = Tree::empty().root;
    let gone = |text: &str, record| DeltaChange { path: path(text), old: Some(record), new: None };
    let mut delta =
        Delta { base: base.root, target, moves: Vec::new(), changes: vec![gone("a", directory())] };
    assert!(matches!(
        apply_delta(&mut store, &base, &delta),
        Err(TreeError::BaseMismatch(at)) if at == path("a/b")
    ));
    delta.changes.push(gone("a/b", file(1)));
    assert!(apply_delta(&mut store, &base, &delta).is_ok());
}

use proptest::prelude::*;

use crate::tests::model::Model;
use crate::tests::support::{batches, build, evolve, file, path};
use crate::{Delta, DeltaChange, Fold, FoldError, Hash, MemoryNodes, Move, apply_delta};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Folding the deltas of a history is the delta from its start to its end.
    #[test]
    fn a_fold_is_the_difference_of_its_ends(history in prop::collection::vec(batches(0..3), 2..6)) {
        let mut store = MemoryNodes::new();
        let mut model = Model::default();
        let mut trees = Vec::new();
        for batches in &history {
            model = evolve(&model, batches);
            trees.push(build(&mut store, &model));
        }
        let mut fold = Fold::new();
        for pair in trees.windows(2) {
            let delta = Delta::between(&store, &pair[0].root, &pair[1].root).unwrap().unwrap();
            fold.push(&delta).unwrap();
        }
        let (first, last) = (trees[0], trees[trees.len() - 1]);
        let whole = Delta::between(&store, &first.root, &last.root).unwrap().unwrap();
        prop_assert_eq!(fold.ends(), Some((first.root, last.root)));
        prop_assert_eq!(fold.len(), whole.changes.len());
        let bound: usize = whole.changes.iter().map(DeltaChange::encoded_bound).sum();
        prop_assert_eq!(fold.bytes(), bound);
        let folded = fold.into_delta().unwrap();
        prop_assert_eq!(&folded, &whole);
        prop_assert_eq!(apply_delta(&mut store, &first, &folded).unwrap(), last);
    }
}

fn step(from: u8, to: u8, changes: Vec<DeltaChange>) -> Delta {
    let (base, target) = (Hash::from_bytes([from; 32]), Hash::from_bytes([to; 32]));
    Delta { base, target, moves: Vec::new(), changes }
}

fn change(old: Option<u64>, new: Option<u64>) -> DeltaChange {
    DeltaChange { path: path("a"), old: old.map(file), new: new.map(file) }
}

#[test]
fn what_does_not_follow_is_refused() {
    let mut fold = Fold::new();
    assert!(fold.is_empty() && fold.ends().is_none());
    fold.push(&step(1, 2, vec![change(None, Some(1))])).unwrap();
    assert!(matches!(fold.push(&step(1, 2, Vec::new())), Err(FoldError::Gap { .. })));
    let mut moving = step(2, 3, Vec::new());
    moving.moves = vec![Move { from: path("a"), to: path("b") }];
    assert_eq!(fold.push(&moving), Err(FoldError::Moves));
    assert_eq!(
        fold.clone().push(&step(2, 3, vec![change(Some(7), None)])),
        Err(FoldError::Inconsistent(path("a")))
    );
    // Refused deltas left nothing behind.
    fold.push(&step(2, 3, vec![change(Some(1), None)])).unwrap();
    assert_eq!((fold.len(), fold.bytes()), (0, 0));
    assert_eq!(fold.finish().count(), 0);
}

#[test]
fn first_old_and_last_new_remain() {
    let mut fold = Fold::new();
    fold.push(&step(1, 2, vec![change(Some(1), Some(2))])).unwrap();
    fold.push(&step(2, 3, vec![change(Some(2), None)])).unwrap();
    fold.push(&step(3, 4, vec![change(None, Some(3))])).unwrap();
    assert_eq!(fold.finish().collect::<Vec<_>>(), [change(Some(1), Some(3))]);
}

//! One set of entries has one root, whatever history led to it; what is read is what was put.

use proptest::prelude::*;

use super::model::Model;
use super::support::{batches, build, evolve, paths};
use crate::{Change, MemoryNodes, Path, Record, TreeError, entries, list, lookup, tree_of, update};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Batch after batch, applied or refused exactly as the model says, to the model's root.
    #[test]
    fn batches_lead_where_the_model_goes(seed in batches(0..3), batches in batches(1..12)) {
        let mut model = evolve(&Model::default(), &seed);
        let mut store = MemoryNodes::new();
        let mut tree = build(&mut store, &model);
        prop_assert_eq!(tree, model.tree());
        for batch in &batches {
            let before = tree;
            match update(&mut store, &tree, batch) {
                Ok(after) => {
                    prop_assert!(model.apply_all(batch));
                    tree = after;
                }
                Err(TreeError::MissingParent(_) | TreeError::NotADirectory(_)) => {
                    prop_assert!(!model.apply_all(batch));
                    prop_assert_eq!(tree_of(&store, &before.root).unwrap(), before);
                }
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
        }
        prop_assert_eq!(tree, model.tree());
        prop_assert_eq!(tree, build(&mut MemoryNodes::new(), &model));
        prop_assert_eq!(tree_of(&store, &tree.root).unwrap(), tree);
    }

    /// One change at a time, forwards or backwards, ends at the same root as one batch.
    #[test]
    fn order_and_grouping_do_not_matter(seed in batches(1..5), detour in batches(0..3)) {
        let model = evolve(&Model::default(), &seed);
        let mut store = MemoryNodes::new();
        let mut tree = build(&mut store, &evolve(&model, &detour));
        let target = model.as_changes();
        let stale: Vec<Change> = evolve(&model, &detour).0.keys()
            .filter(|path| !model.0.contains_key(*path))
            .map(|path| Change { path: path.clone(), record: None })
            .collect();
        for change in stale.iter().rev().chain(&target) {
            tree = update(&mut store, &tree, std::slice::from_ref(change)).unwrap();
        }
        prop_assert_eq!(tree, model.tree());
    }

    #[test]
    fn reading_gives_what_was_put(seed in batches(1..5), probes in prop::collection::vec(paths(), 20)) {
        let model = evolve(&Model::default(), &seed);
        let mut store = MemoryNodes::new();
        let root = build(&mut store, &model).root;
        for path in model.0.keys().chain(&probes) {
            let found = lookup(&store, &root, path).unwrap();
            let found = found.as_ref().map(Record::from);
            prop_assert_eq!(found.as_ref(), model.0.get(path));
        }
        let directories = model.0.iter().filter(|(_, record)| matches!(record, Record::Directory { .. }));
        let directories = directories.map(|(path, _)| path.clone());
        for directory in directories.chain([Path::root()]) {
            let listed = list(&store, &root, &directory).unwrap();
            prop_assert_eq!(&listed, &model.list(&directory));
            let streamed: Result<Vec<_>, _> = entries(&store, &root, &directory).unwrap().collect();
            let mut streamed = streamed.unwrap();
            streamed.sort();
            prop_assert_eq!(streamed, listed);
        }
    }
}

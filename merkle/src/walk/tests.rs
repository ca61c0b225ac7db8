use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::node::encode_leaf;
use crate::source::NodeSource;
use crate::tests::support::{build, directory, file, models, name, pairs, put, reachable};
use crate::{
    Change, Directory, Entry, MemoryNodes, NodeStore, Tree, difference, serve_nodes, update,
};

/// Walks to `target`, asking `server` for `limit` nodes at a time. A number decides about each
/// request how many levels and bytes it asks for and whether the answer is lost.
fn run(
    client: &mut MemoryNodes,
    server: &MemoryNodes,
    target: Hash,
    limit: usize,
    mut decide: impl FnMut() -> u32,
) -> Walk {
    let mut walk = Walk::new(target);
    for _ in 0..1_000_000 {
        let request = walk.next_request(client, limit).unwrap();
        if request.is_empty() {
            assert!(walk.is_finished());
            assert_eq!(walk.waiting, 0);
            return walk;
        }
        assert!(request.len() <= limit);
        let choice = decide();
        let levels = (choice % 6) as u8;
        let budget = [0, 100, 2_000, 1 << 20][(choice >> 4) as usize % 4];
        if choice >> 8 & 7 != 7 {
            let nodes = serve_nodes(server, &request, levels, budget).unwrap();
            assert_eq!(walk.accept(client, &nodes).unwrap(), nodes.len());
        }
        walk.requeue(&request);
    }
    panic!("the walk does not end");
}

/// A deterministic source of decisions.
fn decisions(seed: u32) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    }
}

fn assert_holds(store: &MemoryNodes, server: &MemoryNodes, root: Hash) {
    for (hash, _) in reachable(server, root) {
        assert_eq!(store.node(&hash).unwrap(), server.node(&hash).unwrap(), "{hash}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// From any part of the nodes, through any losses, to all of them and no others.
    #[test]
    fn a_walk_from_any_partial_store_completes_it(
        model in models(),
        held in any::<u64>(),
        limit in 1..20usize,
        seed in any::<u32>(),
    ) {
        let mut server = MemoryNodes::new();
        let tree = build(&mut server, &model);
        let mut client = MemoryNodes::new();
        for (index, (hash, _)) in reachable(&server, tree.root).into_iter().enumerate() {
            if held >> (index % 64) & 1 == 1 {
                client.put(hash, server.node(&hash).unwrap().unwrap()).unwrap();
            }
        }
        let missing = reachable(&server, tree.root).iter().map(|(hash, _)| *hash)
            .filter(|hash| client.node(hash).unwrap().is_none())
            .collect::<BTreeSet<Hash>>().len();
        let walk = run(&mut client, &server, tree.root, limit, decisions(seed));
        assert_holds(&client, &server, tree.root);
        prop_assert!(walk.progress().nodes as usize >= missing);
        prop_assert_eq!(client.len(), server.len());
        let totals = walk.progress().target.unwrap();
        prop_assert_eq!((totals.files, totals.bytes), (tree.files, tree.bytes));
        // A new walk finds everything there.
        let mut again = Walk::new(tree.root);
        prop_assert!(again.next_request(&client, 9).unwrap().is_empty() && again.is_finished());
    }

    /// What a complete older tree shares with the target is not asked for.
    #[test]
    fn what_is_complete_is_not_fetched((old, new) in pairs(), seed in any::<u32>()) {
        let mut server = MemoryNodes::new();
        let target = build(&mut server, &new);
        let mut client = MemoryNodes::new();
        let base = build(&mut client, &old);
        for hash in client.hashes().copied().collect::<Vec<_>>() {
            client.mark_complete(hash);
        }
        let known: BTreeSet<Hash> = client.hashes().copied().collect();
        let mut walk = Walk::new(target.root);
        let mut decide = decisions(seed);
        loop {
            let request = walk.next_request(&client, 5).unwrap();
            if request.is_empty() {
                break;
            }
            for wanted in &request {
                prop_assert!(!known.contains(&wanted.hash));
            }
            let nodes = serve_nodes(&server, &request, (decide() % 4) as u8, 1 << 20).unwrap();
            walk.accept(&mut client, &nodes).unwrap();
            walk.requeue(&request);
        }
        prop_assert!(walk.is_finished());
        assert_holds(&client, &server, target.root);
        let found = difference(&client, &base.root, &target.root, None, usize::MAX).unwrap();
        prop_assert_eq!(found, old.difference(&new));
    }
}

fn served() -> (MemoryNodes, Tree) {
    let mut server = MemoryNodes::new();
    let mut changes: Vec<Change> = (0..300).map(|n| put(&format!("f{n}"), file(n))).collect();
    changes.extend([put("d", directory()), put("d/e", directory()), put("d/e/f", file(1))]);
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    let tree = update(&mut server, &Tree::empty(), &changes).unwrap();
    (server, tree)
}

#[test]
fn a_node_nobody_asked_for_is_refused() {
    let (server, tree) = served();
    let root = server.node(&tree.root).unwrap().unwrap();
    let stranger = encode_leaf(&[(name("x"), crate::tests::support::bare(&file(9)))]);
    let mut client = MemoryNodes::new();
    let mut walk = Walk::new(tree.root);
    // Not even the target, before it was asked for.
    let early = walk.accept(&mut client, std::slice::from_ref(&root));
    assert!(matches!(early, Err(WalkError::Unexpected(_))));
    let request = walk.next_request(&client, 9).unwrap();
    let refused = walk.accept(&mut client, &[root.clone(), stranger.clone()]);
    assert!(matches!(refused, Err(WalkError::Unexpected(hash)) if hash == node_hash(&stranger)));
    // The good node before it was taken, and the walk goes on from it.
    assert_eq!(client.len(), 1);
    walk.requeue(&request);
    let twice = walk.accept(&mut client, &[root]);
    assert!(matches!(twice, Err(WalkError::Unexpected(_))));
    run(&mut client, &server, tree.root, 7, decisions(1));
    assert_holds(&client, &server, tree.root);
}

#[test]
fn a_flipped_bit_is_another_node() {
    let (server, tree) = served();
    let mut client = MemoryNodes::new();
    let mut walk = Walk::new(tree.root);
    walk.next_request(&client, 1).unwrap();
    let mut bytes = server.node(&tree.root).unwrap().unwrap().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let refused = walk.accept(&mut client, &[bytes.into()]);
    assert!(matches!(refused, Err(WalkError::Unexpected(_))));
    assert!(client.is_empty());
}

#[test]
fn a_target_that_is_invalid_is_not_the_peers_fault() {
    let (mut server, _) = served();
    let below = encode_leaf(&[(name("x"), crate::tests::support::bare(&file(9)))]);
    let node = node_hash(&below);
    let false_totals = Directory { mode: 0o755, node, files: 2, bytes: 9, attributes: None };
    let top = encode_leaf(&[(name("d"), Entry::Directory(false_totals))]);
    let root = node_hash(&top);
    server.put(node, below).unwrap();
    server.put(root, top).unwrap();
    let mut client = MemoryNodes::new();
    let mut walk = Walk::new(root);
    let request = walk.next_request(&client, 1).unwrap();
    let nodes = serve_nodes(&server, &request, 3, 1 << 20).unwrap();
    let refused = walk.accept(&mut client, &nodes);
    assert!(matches!(
        refused,
        Err(WalkError::Decode { hash, error: DecodeError::Totals }) if hash == node
    ));
}

/// Two places refer to one node, the second one with false totals: both are judged, whether the
/// node was asked for already or comes with the message.
#[test]
fn every_place_that_refers_to_a_node_is_checked() {
    let below = encode_leaf(&[(name("x"), crate::tests::support::bare(&file(9)))]);
    let node = node_hash(&below);
    let at = |files| Directory { mode: 0o755, node, files, bytes: 9, attributes: None };
    let twins = [(name("a"), Entry::Directory(at(1))), (name("b"), Entry::Directory(at(2)))];
    let top = encode_leaf(&twins);
    for together in [false, true] {
        let mut client = MemoryNodes::new();
        let mut walk = Walk::new(node_hash(&top));
        walk.next_request(&client, 9).unwrap();
        let refused = if together {
            walk.accept(&mut client, &[top.clone(), below.clone()])
        } else {
            walk.accept(&mut client, std::slice::from_ref(&top)).unwrap();
            assert_eq!(walk.next_request(&client, 9).unwrap().len(), 1);
            walk.accept(&mut client, std::slice::from_ref(&below))
        };
        assert!(matches!(refused, Err(WalkError::Decode { error: DecodeError::Totals, .. })));
    }
}

/// A leaf that is valid by itself, referred to from a place where its names do not belong.
#[test]
fn a_node_in_the_wrong_place_is_refused() {
    let (mut server, tree) = served();
    let top = server.node(&tree.root).unwrap().unwrap();
    let Node::Interior(mut top) = Node::decode(&top, &Position::ROOT).unwrap() else {
        panic!("300 entries are no leaf")
    };
    let (first, second) = (top.children[0].1, top.children[1].1);
    (top.children[0].1, top.children[1].1) = (second, first);
    let bytes = Node::Interior(top).encode();
    let root = node_hash(&bytes);
    server.put(root, bytes).unwrap();
    let mut client = MemoryNodes::new();
    let mut walk = Walk::new(root);
    let request = walk.next_request(&client, 1).unwrap();
    let nodes = serve_nodes(&server, &request, 1, 1 << 20).unwrap();
    let refused = walk.accept(&mut client, &nodes);
    assert!(matches!(refused, Err(WalkError::Decode { error: DecodeError::Position, .. })));
    // Held already, it is refused all the same.
    let refused = Walk::new(root).next_request(&server, 9);
    assert!(matches!(refused, Err(WalkError::Decode { error: DecodeError::Position, .. })));
}

#[test]
fn an_exponential_tree_ends() {
    // Sixty levels of two equal directories: 2^60 paths, sixty-one nodes.
    let mut server = MemoryNodes::new();
    let bottom = encode_leaf(&[(name("x"), crate::tests::support::bare(&directory()))]);
    let mut node = node_hash(&bottom);
    server.put(node, bottom).unwrap();
    for _ in 0..60 {
        let entry = Directory { mode: 0o755, node, files: 0, bytes: 0, attributes: None };
        let twins = ["a", "b"].map(|text| (name(text), Entry::Directory(entry.clone())));
        let bytes = encode_leaf(&twins);
        node = node_hash(&bytes);
        server.put(node, bytes).unwrap();
    }
    for limit in [1, 64] {
        let mut client = MemoryNodes::new();
        run(&mut client, &server, node, limit, decisions(3));
        assert_eq!(client.len(), 61);
        run(&mut client, &server, node, limit, decisions(3));
    }
}

#[test]
fn a_target_that_is_too_deep_is_refused() {
    let mut server = MemoryNodes::new();
    let mut node = empty_node().0;
    for _ in 0..=MAX_DEPTH {
        let entry = Directory { mode: 0o755, node, files: 0, bytes: 0, attributes: None };
        let bytes = encode_leaf(&[(name("d"), Entry::Directory(entry))]);
        node = node_hash(&bytes);
        server.put(node, bytes).unwrap();
    }
    let mut walk = Walk::new(node);
    let refused = walk.next_request(&server, 9);
    assert!(matches!(refused, Err(WalkError::Depth)));
    let found = difference(&server, &Tree::empty().root, &node, None, usize::MAX);
    assert!(matches!(found, Err(crate::TreeError::Limit(crate::Limit::Path))));
}

#[test]
fn the_empty_target_needs_nobody() {
    let store = MemoryNodes::new();
    let mut walk = Walk::new(Tree::empty().root);
    assert!(walk.next_request(&store, 9).unwrap().is_empty());
    assert!(walk.is_finished());
    assert_eq!(walk.progress().target, Some(Totals::default()));
}

#[test]
fn levels_follow_what_is_missing() {
    let (mut server, tree) = served();
    let mut client = server.clone();
    let mut walk = Walk::new(tree.root);
    assert_eq!(walk.levels(), 1);
    // Everything is missing.
    walk.next_request(&MemoryNodes::new(), 9).unwrap();
    assert_eq!(walk.levels(), 3);
    // One file of 300 changed: of seventeen nodes two are missing.
    for hash in server.hashes().copied().collect::<Vec<_>>() {
        client.mark_complete(hash);
    }
    let next = update(&mut server, &tree, &[put("f7", file(999))]).unwrap();
    let mut walk = Walk::new(next.root);
    let request = walk.next_request(&client, 9).unwrap();
    walk.accept(&mut client, &serve_nodes(&server, &request, 0, 0).unwrap()).unwrap();
    walk.next_request(&client, 9).unwrap();
    assert_eq!(walk.levels(), 0);
}

#[test]
fn serving_keeps_its_bounds() {
    let (server, tree) = served();
    let at = |hash| Wanted { hash, position: Position::ROOT };
    let all = serve_nodes(&server, &[at(tree.root)], 4, usize::MAX).unwrap();
    assert_eq!(all.len(), server.len());
    let hashes: BTreeSet<Hash> = all.iter().map(|bytes| node_hash(bytes)).collect();
    assert_eq!(hashes.len(), all.len(), "a node was sent twice");
    assert_eq!(node_hash(&all[0]), tree.root);
    let size = |nodes: &[Bytes]| nodes.iter().map(Bytes::len).sum::<usize>();
    for budget in [0, 1, 700, 2000, 5000] {
        let some = serve_nodes(&server, &[at(tree.root)], 4, budget).unwrap();
        assert!(some.len() == 1 || size(&some) <= budget);
        assert_eq!(some[..], all[..some.len()]);
    }
    assert_eq!(serve_nodes(&server, &[at(tree.root)], 0, usize::MAX).unwrap().len(), 1);
    // Unknown ones are left out, and the first known one is sent all the same.
    let request = [at(Hash::ZERO), at(tree.root), at(tree.root)];
    assert_eq!(serve_nodes(&server, &request, 0, 0).unwrap().len(), 1);
    // The empty directory is everybody's.
    let empty = serve_nodes(&MemoryNodes::new(), &[at(Tree::empty().root)], 0, 0).unwrap();
    assert_eq!(empty, [empty_node().1]);
    let hashes: Vec<Hash> = server.hashes().copied().collect();
    let many: Vec<Wanted> = hashes.iter().cycle().take(MAX_WANTED).map(|h| at(*h)).collect();
    let beyond = [many, vec![at(empty_node().0)]].concat();
    assert_eq!(serve_nodes(&server, &beyond, 0, usize::MAX).unwrap().len(), server.len());
}

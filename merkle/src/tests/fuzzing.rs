//! The fuzzing bodies on valid encodings, on slightly damaged ones, and on noise.

use proptest::prelude::*;

use super::support::{build, models, pairs};
use crate::{Delta, MemoryNodes, Move, NodeSource, Path, fuzz};

/// One way of damaging bytes.
#[derive(Debug, Clone)]
enum Damage {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Truncate(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let index = any::<prop::sample::Index>;
    let one = prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (index(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        index().prop_map(Damage::Remove),
        index().prop_map(Damage::Truncate),
        (index(), index()).prop_map(|(left, right)| Damage::Swap(left, right)),
    ];
    prop::collection::vec(one, 1..4)
}

fn damage(bytes: &mut Vec<u8>, how: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match how {
        Damage::Set(at, byte) => bytes[at.index(length)] = *byte,
        Damage::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Damage::Insert(at, byte) => bytes.insert(at.index(length), *byte),
        Damage::Remove(at) => drop(bytes.remove(at.index(length))),
        Damage::Truncate(at) => bytes.truncate(at.index(length)),
        Damage::Swap(left, right) => bytes.swap(left.index(length), right.index(length)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nodes(model in models(), ways in prop::collection::vec(damages(), 20)) {
        let mut store = MemoryNodes::new();
        build(&mut store, &model);
        for hash in store.hashes() {
            let bytes = store.node(hash).unwrap().unwrap();
            fuzz::decode_node(&bytes);
            for way in &ways {
                let mut bytes = bytes.to_vec();
                way.iter().for_each(|how| damage(&mut bytes, how));
                fuzz::decode_node(&bytes);
            }
        }
    }

    #[test]
    fn deltas((old, new) in pairs(), moves in any::<bool>(), ways in prop::collection::vec(damages(), 60)) {
        let mut store = MemoryNodes::new();
        let (left, right) = (build(&mut store, &old).root, build(&mut store, &new).root);
        let mut delta = Delta::between(&store, &left, &right).unwrap().unwrap();
        if moves {
            let path = |byte: u8| Path::from_bytes(&[byte]).unwrap();
            delta.moves.push(Move { from: path(b'a'), to: path(b'b') });
        }
        let bytes = delta.encode().unwrap();
        fuzz::decode_delta(&bytes);
        for way in &ways {
            let mut bytes = bytes.to_vec();
            way.iter().for_each(|how| damage(&mut bytes, how));
            fuzz::decode_delta(&bytes);
        }
    }

    #[test]
    fn noise(tag in prop::sample::select(&b"LID\0"[..]), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&[tag, 1], &bytes[..]].concat();
        fuzz::decode_node(&bytes);
        fuzz::decode_delta(&bytes);
    }
}

use super::{ClusterId, Genesis};
use crate::tests::genesis;

#[test]
fn the_cluster_id_covers_everything() {
    let genesis = genesis();
    let id = genesis.cluster_id();
    assert_eq!(Genesis::decode(&genesis.encode()), Ok(genesis.clone()));
    let others = [
        Genesis { name: "farm2".to_owned(), ..genesis.clone() },
        Genesis { nonce: [8; 16], ..genesis.clone() },
        Genesis { founder: crate::tests::id(2), ..genesis.clone() },
        Genesis { created: crate::Wall(0), ..genesis.clone() },
    ];
    assert!(others.iter().all(|other| other.cluster_id() != id));
    assert_eq!(id.to_string().parse::<ClusterId>(), Ok(id));
    assert_eq!(id.short().len(), 16);
    assert!(genesis.encode().len() <= Genesis::MAX_ENCODED);
}

#[test]
fn bad_names_are_refused() {
    for name in ["", "a\nb", &"a".repeat(65)] {
        assert!(!Genesis::is_name(name));
        let bytes = Genesis { name: name.to_owned(), ..genesis() }.encode();
        assert!(Genesis::decode(&bytes).is_err());
    }
    assert!(Genesis::is_name(&"a".repeat(64)));
}

use mirrormesh_merkle::Hash;
use proptest::prelude::*;

use super::Fence;
use crate::Term;

pub(crate) fn term() -> impl Strategy<Value = Term> {
    (1_u64..4, any::<bool>(), (0_u64..3, 0_u64..3), 0_u8..3).prop_map(
        |(epoch, voted, base, hash)| Term {
            epoch,
            voted,
            base,
            certificate: Hash::from_bytes([hash; 32]),
        },
    )
}

#[test]
fn it_admits_only_what_lies_strictly_above() {
    let term =
        Term { epoch: 2, voted: false, base: (1, 9), certificate: Hash::from_bytes([5; 32]) };
    let fence = Fence::at(term, 7);
    assert!(!fence.admits(&term, 6));
    assert!(!fence.admits(&term, 7));
    assert!(fence.admits(&term, 8));
    let older = Term { epoch: 1, ..term };
    let newer = Term { epoch: 3, ..term };
    let voted = Term { voted: true, ..term };
    let larger_hash = Term { certificate: Hash::from_bytes([6; 32]), ..term };
    assert!(!fence.admits(&older, u64::MAX));
    assert!(!fence.admits(&larger_hash, u64::MAX));
    assert!(fence.admits(&newer, 0));
    assert!(fence.admits(&voted, 0));
    assert!(Fence::open().admits(&older, 0));
}

proptest! {
    #[test]
    fn it_never_goes_back(moves in prop::collection::vec((term(), 0_u64..5, any::<bool>()), 0..40)) {
        let mut fence = Fence::open();
        for (term, seq, restart) in moves {
            let before = fence;
            let admitted = fence.admits(&term, seq);
            prop_assert_eq!(fence.raise(term, seq), admitted);
            if admitted {
                prop_assert_eq!(fence, Fence::at(term, seq));
            } else {
                prop_assert_eq!(fence, before);
            }
            // Whatever was refused once is refused for ever, restarts included.
            prop_assert!(!fence.admits(&term, seq));
            if let Some(old) = before.term() {
                prop_assert!(!fence.admits(old, before.seq()));
            }
            if restart {
                let bytes = fence.encode();
                prop_assert!(bytes.len() <= Fence::MAX_ENCODED);
                prop_assert_eq!(Fence::decode(&bytes), Ok(fence));
                fence = Fence::decode(&bytes).unwrap();
            }
        }
    }
}

use proptest::prelude::*;

use super::*;

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::from_bytes)
}

fn want() -> impl Strategy<Value = Want> {
    let path = prop::collection::vec("[a-z]{1,9}", 1..4).prop_map(|names| names.join("/"));
    (hash(), any::<u64>(), path).prop_map(|(content, size, path)| Want {
        content,
        size,
        path: Path::from_bytes(path.as_bytes()).unwrap(),
    })
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let nibbles = prop::collection::vec(0_u8..16, 0..32);
    (hash(), nibbles).prop_map(|(hash, nibbles)| Wanted {
        hash,
        position: Position::from_nibbles(&nibbles).unwrap(),
    })
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        prop::collection::vec(want(), 0..9).prop_map(|wants| Request::Contents { wants }),
        (want(), any::<u64>()).prop_map(|(want, offset)| Request::Content { want, offset }),
        (prop::collection::vec(wanted(), 0..9), any::<u8>(), any::<u32>())
            .prop_map(|(wanted, levels, budget)| Request::Nodes { wanted, levels, budget }),
        (hash(), hash()).prop_map(|(from, to)| Request::Since { from, to }),
    ]
}

proptest! {
    #[test]
    fn requests_survive(request in request()) {
        prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
    }

    #[test]
    fn bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_decode(&bytes);
    }

    #[test]
    fn damaged_requests_do_no_harm(request in request(), at: prop::sample::Index, byte: u8) {
        let mut bytes = request.encode().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        fuzz_decode(&bytes);
        fuzz_decode(&bytes[..at]);
    }
}

#[test]
fn an_unknown_kind_is_told_apart() {
    let bytes = envelope(77, &SinceBody { from: Hash::ZERO, to: Hash::ZERO });
    assert_eq!(Request::decode(&bytes), Err(RequestError::UnknownKind(77)));
    assert!(matches!(Request::decode(b"nonsense"), Err(RequestError::Malformed(_))));
}

#[test]
fn the_largest_parcel_fits_and_more_is_refused() {
    // The paths of a parcel have at most 256 KiB together.
    let want = |number: usize| Want {
        content: Hash::ZERO,
        size: u64::MAX,
        path: Path::from_bytes(format!("{number:0>250}").as_bytes()).unwrap(),
    };
    let mut wants: Vec<Want> = (0..MAX_WANTS).map(want).collect();
    let bytes = encode(&wants);
    assert!(bytes.len() <= MAX_REQUEST_BYTES, "{}", bytes.len());
    assert!(Request::decode(&bytes).is_ok());
    wants.push(want(0));
    assert!(matches!(Request::decode(&encode(&wants)), Err(RequestError::Malformed(_))));
}

#[test]
fn reserved_paths_are_refused() {
    for path in [".mirrormesh/x", ""] {
        let path = Path::from_bytes(path.as_bytes()).unwrap();
        let request =
            Request::Content { want: Want { content: Hash::ZERO, size: 0, path }, offset: 0 };
        assert_eq!(Request::decode(&request.encode()), Err(RequestError::Refused("a path")));
    }
}

use mirrormesh_merkle::{Path, content_hash};
use proptest::prelude::*;

use super::*;

fn want(bytes: &[u8]) -> Want {
    let path = Path::from_bytes(b"path").unwrap();
    Want { content: content_hash(bytes), size: bytes.len() as u64, path }
}

fn framed(contents: &[Option<Vec<u8>>]) -> Bytes {
    let mut out = BytesMut::new();
    for content in contents {
        match content {
            None => out.put_u8(GONE),
            Some(bytes) => {
                out.put_u8(WHOLE);
                out.put_u64(bytes.len() as u64);
                out.put_slice(bytes);
            }
        }
    }
    out.freeze()
}

proptest! {
    #[test]
    fn contents_survive_any_cut(
        contents in prop::collection::vec(
            prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), 0..12),
        cut in 1_usize..50,
        end: prop::sample::Index,
    ) {
        let wants: Vec<Want> =
            contents.iter().map(|content| want(content.as_deref().unwrap_or(b"gone"))).collect();
        let whole = framed(&contents);
        let expected: Vec<(Hash, Vec<u8>)> =
            contents.iter().flatten().map(|bytes| (content_hash(bytes), bytes.clone())).collect();
        let read = |bytes: &Bytes| -> Vec<(Hash, Vec<u8>)> {
            let chunks: Vec<Bytes> = bytes.chunks(cut).map(|chunk| bytes.slice_ref(chunk)).collect();
            let found = super::contents(&wants, &chunks);
            found.into_iter().map(|(hash, pieces)| (hash, pieces.concat())).collect()
        };
        prop_assert_eq!(&read(&whole), &expected);
        // A reply that ends early has what was whole before.
        let part = whole.slice(..end.index(whole.len() + 1));
        prop_assert!(expected.starts_with(&read(&part)));
    }

    #[test]
    fn bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 1_usize..40) {
        let wants = [want(b""), want(b"one"), want(b"twelve bytes")];
        fuzz_reply(&bytes, &wants, cut);
    }

    #[test]
    fn lists_survive(items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..9)) {
        let items: Vec<Bytes> = items.into_iter().map(Bytes::from).collect();
        prop_assert_eq!(decode_list(&encode_list(&items)), Ok(items));
    }
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let wants = [want(b"one")];
    let read = |mut bytes: Bytes| {
        let mut reader = ContentReader::new(&wants);
        loop {
            match reader.next(&mut bytes) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(reader.is_finished()),
                Err(error) => return Err(error),
            }
        }
    };
    assert_eq!(read(framed(&[Some(b"one".to_vec())])), Ok(true));
    assert_eq!(read(framed(&[])), Ok(false));
    let longer = framed(&[Some(b"longer".to_vec())]);
    assert_eq!(read(longer), Err(ReplyError::Size { expected: 3, found: 6 }));
    assert_eq!(read(framed(&[None, None])), Err(ReplyError::Trailing));
    assert_eq!(read(Bytes::from_static(&[7])), Err(ReplyError::Status(7)));
}

//! Packing contents for peers, and verifying.

use std::sync::Arc;

use bytes::Bytes;
use mirrormesh::store::request::contents;
use mirrormesh::store::{Done, Job, Pack, Packed, Side, Verified, Verify, Want, run};
use mirrormesh_merkle::content_hash;
use mirrormesh_simulation::disk::Options;

use super::fixture::{Fixture, Random, path};
use super::model::{check_books, check_tree, rows};

fn want(at: &str, bytes: &[u8]) -> Want {
    Want { content: content_hash(bytes), size: bytes.len() as u64, path: path(at) }
}

fn pack(fixture: &Fixture, job: Pack) -> Packed {
    match run(Job::Pack(job), &fixture.disk).unwrap() {
        Done::Pack(packed) => packed,
        _ => panic!("another answer"),
    }
}

/// All chunks of a reply.
fn packed(fixture: &Fixture, wants: &Arc<Vec<Want>>, framed: bool, budget: usize) -> Vec<Bytes> {
    let (mut next, mut offset) = (0, 0);
    let mut chunks = Vec::new();
    while next < wants.len() {
        let job = Pack { wants: Arc::clone(wants), next, offset, framed, budget };
        let packed = pack(fixture, job);
        assert!(!packed.gone);
        assert!(packed.chunk.len() <= budget.max(10));
        assert!((packed.next, packed.offset) > (next, offset));
        (next, offset) = (packed.next, packed.offset);
        chunks.push(packed.chunk);
    }
    chunks
}

#[test]
fn contents_are_packed_in_chunks_of_any_size() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut fixture = Fixture::new(Options::draw(seed));
        let mut wants = Vec::new();
        let mut expected = Vec::new();
        for number in 0..12 {
            let bytes = vec![number as u8; random.below(60) as usize];
            let at = format!("f{number}");
            fixture.disk.user_write(&at, &bytes).unwrap();
            wants.push(want(&at, &bytes));
            expected.push((content_hash(&bytes), bytes));
        }
        fixture.pass(5_000_000_000);
        fixture.scan();
        fixture.pass(5_000_000_000);
        // One has changed, one is gone, one lies elsewhere.
        fixture.disk.user_write("f3", b"changed").unwrap();
        fixture.disk.user_remove("f4").unwrap();
        wants[5].path = path("not/there");
        expected.retain(|(hash, _)| {
            let lost = |at: usize| wants[at].content == *hash && wants[at].size > 0;
            !lost(3) && !lost(4)
        });
        let wants = Arc::new(wants);
        let chunks = packed(&fixture, &wants, true, 10 + random.below(90) as usize);
        let found = contents(&wants, &chunks);
        let found: Vec<_> =
            found.into_iter().map(|(hash, pieces)| (hash, pieces.concat())).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_content_whose_place_is_being_rewritten_is_read_elsewhere() {
    let mut fixture = Fixture::new(Options::default());
    for at in ["first", "second"] {
        fixture.disk.user_write(at, b"same").unwrap();
    }
    fixture.pass(5_000_000_000);
    fixture.scan();
    for (rewritten, asked) in [("first", "second"), ("second", "first")] {
        fixture.pass(5_000_000_000);
        fixture.disk.user_write(rewritten, b"HALF").unwrap();
        for at in [rewritten, asked] {
            let wants = Arc::new(vec![want(at, b"same")]);
            let found = contents(&wants, &packed(&fixture, &wants, true, 1_000));
            let found: Vec<_> = found.into_iter().map(|(_, pieces)| pieces.concat()).collect();
            assert_eq!(found, [b"same"], "{at} was asked for");
        }
        fixture.disk.user_write(rewritten, b"same").unwrap();
        fixture.scan();
    }
}

#[test]
fn one_content_is_sent_raw_from_any_offset() {
    let mut fixture = Fixture::new(Options::default());
    let bytes: Vec<u8> = (0..1_000_u32).map(|number| number as u8).collect();
    fixture.disk.user_write("f", &bytes).unwrap();
    fixture.scan();
    let wants = Arc::new(vec![want("f", &bytes)]);
    for offset in [0, 1, 999, 1_000] {
        let (mut next, mut at) = (0, offset);
        let mut sent = Vec::new();
        while next < 1 {
            let job =
                Pack { wants: Arc::clone(&wants), next, offset: at, framed: false, budget: 64 };
            let packed = pack(&fixture, job);
            assert!(!packed.gone);
            sent.extend_from_slice(&packed.chunk);
            (next, at) = (packed.next, packed.offset);
        }
        assert_eq!(sent, bytes[offset as usize..]);
    }
    fixture.pass(1_000);
    fixture.disk.user_write_at("f", 500, b"other").unwrap();
    let job = Pack { wants, next: 0, offset: 64, framed: false, budget: 64 };
    assert!(pack(&fixture, job).gone);
}

fn verify(fixture: &mut Fixture, repair: bool) -> Vec<(String, String)> {
    let mut after = None;
    let mut differs = Vec::new();
    loop {
        let job = Verify {
            current: fixture.current,
            after,
            repair,
            side: fixture.side.clone(),
            excludes: Arc::clone(&fixture.excludes),
        };
        let verified: Verified = match run(Job::Verify(job), &fixture.disk).unwrap() {
            Done::Verify(verified) => verified,
            _ => panic!("another answer"),
        };
        fixture.current = verified.tree;
        differs.extend(verified.differs.into_iter().map(|(path, how)| (path.to_string(), how)));
        after = verified.next;
        if after.is_none() {
            return differs;
        }
    }
}

#[test]
fn verifying_finds_what_differs_and_repairs_the_books() {
    let mut fixture = Fixture::new(Options::default());
    fixture.side = Side::Replica { target: None };
    for at in ["a", "d/b", "d/c", "e/f"] {
        fixture.disk.user_mkdir(at.split('/').next().filter(|_| at.len() > 1).unwrap_or("")).ok();
        fixture.disk.user_write(at, at.as_bytes()).unwrap();
    }
    fixture.disk.user_symlink("l", b"a").unwrap();
    fixture.scan();
    assert_eq!(verify(&mut fixture, false), []);
    fixture.pass(1_000);
    fixture.disk.rot("d/b", 0).unwrap();
    fixture.disk.user_write("a", b"edited").unwrap();
    fixture.disk.user_remove("e").unwrap();
    fixture.disk.user_remove("l").unwrap();
    fixture.disk.user_symlink("l", b"b").unwrap();
    let tree = fixture.current;
    let found: Vec<String> = verify(&mut fixture, false).into_iter().map(|(at, _)| at).collect();
    assert_eq!(found, ["a", "e", "l", "d/b", "e/f"]);
    assert_eq!(fixture.current, tree);
    verify(&mut fixture, true);
    check_books(&fixture);
    check_tree(&fixture);
    assert!(rows(&fixture.disk)[&path("d/b")].local);
    assert_eq!(verify(&mut fixture, false), []);
}

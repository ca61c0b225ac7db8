use proptest::prelude::*;

use super::*;

fn path(text: &str) -> Path {
    Path::from_bytes(text.as_bytes()).unwrap()
}

fn hint(text: &str, kind: HintKind) -> Hint {
    Hint { path: path(text), kind }
}

fn all(receiver: &mut HintReceiver) -> Vec<Hint> {
    let mut all = Vec::new();
    loop {
        let batch = receiver.try_recv_batch();
        if batch.is_empty() {
            return all;
        }
        assert!(batch.len() <= BATCH);
        all.extend(batch);
    }
}

#[test]
fn a_path_is_hinted_once_and_the_later_kind_counts() {
    let (hints, mut receiver) = Hints::new();
    for (text, kind) in [
        ("a", HintKind::Changing),
        ("b", HintKind::Complete),
        ("a", HintKind::Complete),
        ("b", HintKind::Changing),
        ("c", HintKind::Lost),
        ("c", HintKind::Complete),
    ] {
        hints.add(path(text), kind);
    }
    let expected =
        [hint("a", HintKind::Complete), hint("b", HintKind::Changing), hint("c", HintKind::Lost)];
    assert_eq!(all(&mut receiver), expected);
    assert_eq!(all(&mut receiver), []);
}

#[test]
fn a_loss_takes_the_place_of_what_is_below_and_of_nothing_else() {
    let (hints, mut receiver) = Hints::new();
    for text in ["a/b", "a-b", "a/b/c", "b", "a"] {
        hints.add(path(text), HintKind::Complete);
    }
    hints.add(path("a"), HintKind::Lost);
    hints.add(path("a/d"), HintKind::Complete);
    let expected =
        [hint("a-b", HintKind::Complete), hint("b", HintKind::Complete), hint("a", HintKind::Lost)];
    assert_eq!(all(&mut receiver), expected);
    hints.add(path("x/y"), HintKind::Complete);
    hints.add(Path::root(), HintKind::Lost);
    hints.add(path("z"), HintKind::Complete);
    assert_eq!(all(&mut receiver), [hint("", HintKind::Lost)]);
}

#[test]
fn a_full_set_loses_the_deepest_first_and_stays_bounded() {
    let (hints, mut receiver) = Hints::new();
    for index in 0..2_000 {
        hints.add(path(&format!("top-{index}")), HintKind::Complete);
    }
    for index in 0..100_000 {
        let directory = index % 100;
        hints.add(path(&format!("deep/{directory}/file-{index}")), HintKind::Complete);
        assert!(hints.lock().kinds.len() <= CAPACITY);
    }
    let hinted = all(&mut receiver);
    let tops = hinted.iter().filter(|hint| hint.kind == HintKind::Complete).count();
    assert!(tops >= 2_000, "{tops}");
    for directory in 0..100 {
        assert!(hinted.contains(&hint(&format!("deep/{directory}"), HintKind::Lost)));
    }
    for index in 0..=CAPACITY {
        hints.add(path(&format!("top-{index}")), HintKind::Changing);
    }
    assert_eq!(all(&mut receiver), [hint("", HintKind::Lost)]);
}

#[test]
fn a_receiver_wakes_for_what_came_before_and_after_it_waited() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (hints, mut receiver) = Hints::new();
    hints.add(path("a"), HintKind::Complete);
    runtime.block_on(async {
        assert_eq!(receiver.recv_batch().await, [hint("a", HintKind::Complete)]);
        let adder = std::thread::spawn(move || {
            for index in 0..1_000 {
                hints.add(path(&format!("{index}")), HintKind::Complete);
            }
        });
        let mut received = 0;
        while received < 1_000 {
            received += receiver.recv_batch().await.len();
        }
        adder.join().unwrap();
    });
}

proptest! {
    /// Whatever is added, every path that was added is covered by what is taken.
    #[test]
    fn nothing_is_forgotten(
        added in proptest::collection::vec(("[ab-]{1,2}(/[ab-]{1,2}){0,3}", 0..3_u8), 0..60)
    ) {
        let (hints, mut receiver) = Hints::new();
        for (text, kind) in &added {
            let kind = [HintKind::Complete, HintKind::Changing, HintKind::Lost][usize::from(*kind)];
            hints.add(path(text), kind);
        }
        let taken = all(&mut receiver);
        for (text, kind) in &added {
            let covered = taken.iter().any(|hint| {
                (hint.path == path(text) && (*kind < 2 || hint.kind == HintKind::Lost))
                    || (hint.kind == HintKind::Lost && path(text).starts_with(&hint.path))
            });
            prop_assert!(covered, "{} of {:?}", text, taken);
        }
        for (index, hint) in taken.iter().enumerate() {
            for other in &taken[index + 1..] {
                prop_assert_ne!(&hint.path, &other.path);
            }
        }
    }
}

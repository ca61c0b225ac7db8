use super::*;

const NOW: Instant = Instant::ZERO;

fn pass() -> Pass {
    Pass::new(Tree::empty(), Tree::empty().root, NOW)
}

/// A pass during which something happens ends with a path in error, after many such.
fn ended(happens: impl FnOnce(&mut Transfer)) -> Transfer {
    let mut transfer = Transfer { retries: 9, ..Transfer::default() };
    transfer.begin(pass());
    happens(&mut transfer);
    transfer.errors.insert(Path::root(), "no".into());
    let ended = transfer.pass.take().expect("it runs");
    transfer.pause_after(&ended, true, ended.target.root, NOW);
    transfer
}

#[test]
fn a_pass_that_nothing_overtook_has_tried_all_and_waits_long() {
    let transfer = ended(|_| ());
    assert!(transfer.has_tried_all());
    assert_eq!(transfer.retry_at, Some(NOW + RETRY.1));
}

#[test]
fn edits_overtake_a_pass_and_are_reverted_soon() {
    let mut transfer = ended(|transfer| transfer.edited(NOW));
    assert!(!transfer.has_tried_all());
    assert_eq!(transfer.retry_at, Some(NOW + RETRY.0));
    transfer.begin(pass());
    transfer.pass = None;
    assert!(transfer.has_tried_all(), "the next pass meets them");
}

#[test]
fn room_or_a_member_that_comes_while_a_pass_runs_is_tried_soon() {
    let transfer = ended(|transfer| transfer.retry_now(NOW));
    assert!(!transfer.has_tried_all());
    assert_eq!(transfer.retry_at, Some(NOW + RETRY.0));
}

#[test]
fn edits_between_two_passes_have_not_been_tried() {
    let mut transfer = ended(|_| ());
    transfer.edited(NOW);
    assert!(!transfer.has_tried_all());
    // A large file fails meanwhile.
    transfer.pause_retry(NOW);
    assert_eq!(transfer.retry_at, Some(NOW + RETRY.0));
}

#[test]
fn what_a_pass_wants_looked_at_has_not_been_tried() {
    let transfer = ended(|transfer| transfer.pass.as_mut().expect("it runs").partial = true);
    assert!(!transfer.has_tried_all());
    assert_eq!(transfer.retry_at, Some(NOW + RETRY.1), "but not again and again");
}

#[test]
fn a_target_that_is_applied_at_once_is_judged_by_that_pass() {
    let parcel =
        Parcel { items: Vec::new(), wants: Vec::new(), large: None, request: Bytes::new() };
    let mut transfer = Transfer::default();
    let root = Tree::empty().root;
    transfer.target_changed(Tree::empty(), Some(Arc::new(parcel)), root, NOW);
    assert!(transfer.pass.take().is_some() && transfer.has_tried_all());
}

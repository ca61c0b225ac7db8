//! Tests of what waits for a look.

use std::time::Duration;

use super::*;

fn path(text: &str) -> Path {
    Path::from_bytes(text.as_bytes()).expect("a path")
}

fn hint(text: &str, kind: HintKind) -> Hint {
    Hint { path: path(text), kind }
}

fn at(milliseconds: u64) -> Instant {
    Instant(milliseconds * 1_000_000)
}

#[test]
fn complete_changes_are_due_at_once() {
    let mut dirty = Dirty::default();
    dirty.hint(hint("a", HintKind::Complete), at(5), true);
    let (looks, oldest) = dirty.take(at(5));
    assert_eq!(looks, [Look { path: path("a"), depth: Depth::Name, after: None }]);
    assert_eq!(oldest, Some(at(5)));
    assert_eq!(dirty.take(at(9)).0, []);
}

#[test]
fn changes_that_go_on_settle_but_not_for_ever() {
    let mut dirty = Dirty::default();
    for step in 0..100 {
        dirty.hint(hint("a", HintKind::Changing), at(step * 10), true);
        if dirty.is_due(at(step * 10)) {
            assert!(step * 10 >= SETTLE_CAP.as_millis() as u64);
            return;
        }
    }
    panic!("a file that is written to all the time is never looked at");
}

#[test]
fn a_complete_change_ends_the_settling() {
    let mut dirty = Dirty::default();
    dirty.hint(hint("a", HintKind::Changing), at(0), true);
    assert!(!dirty.is_due(at(1)));
    dirty.hint(hint("a", HintKind::Complete), at(1), true);
    assert!(dirty.is_due(at(1)));
    assert_eq!(dirty.take(at(1)).0.len(), 1);
    assert_eq!(dirty.deadline(), None);
}

#[test]
fn the_wider_look_wins() {
    let mut dirty = Dirty::default();
    dirty.hint(hint("d", HintKind::Lost), at(0), true);
    dirty.hint(hint("d", HintKind::Complete), at(1), true);
    let (looks, oldest) = dirty.take(at(1));
    assert_eq!(looks[0].depth, Depth::Subtree);
    assert_eq!(oldest, Some(at(0)), "a wait must not take the later hint for the first");
}

#[test]
fn an_unfinished_scan_starts_again_when_hints_are_lost() {
    let mut dirty = Dirty::default();
    let rest = Look { path: Path::root(), depth: Depth::Subtree, after: Some(path("m")) };
    dirty.look_from(rest, at(3), at(1));
    dirty.look(Path::root(), Depth::Subtree, at(4));
    assert_eq!(dirty.take(at(4)).0[0].after, None);
}

#[test]
fn too_many_paths_collapse_into_one_scan() {
    let mut dirty = Dirty::default();
    for number in 0..=MAX_DIRTY {
        dirty.hint(hint(&format!("f{number}"), HintKind::Complete), at(0), true);
    }
    let mut covered = false;
    loop {
        let (looks, _) = dirty.take(at(0));
        if looks.is_empty() {
            break;
        }
        covered |= looks.iter().any(|look| look.path.is_root() && look.depth == Depth::Subtree);
    }
    assert!(covered, "paths were forgotten");
}

#[test]
fn a_collapse_forgets_no_moment() {
    let mut dirty = Dirty::default();
    dirty.retry(path("open"), at(60_000), at(0));
    for number in 1..MAX_DIRTY {
        dirty.hint(hint(&format!("f{number}"), HintKind::Complete), at(1), true);
    }
    dirty.hint(hint("one too many", HintKind::Complete), at(3), true);
    assert!(!dirty.has_settled(at(2)), "what was hinted before has not been looked at");
    assert!(dirty.has_settled(at(0)), "a file open for writing holds no barrier up");
    assert_eq!(dirty.take(at(3)).1, Some(at(1)));
    assert!(dirty.has_settled(at(2)));
}

#[test]
fn barriers_hurry_what_settles_but_not_retries() {
    let mut dirty = Dirty::default();
    dirty.hint(hint("settling", HintKind::Changing), at(0), true);
    dirty.retry(path("open"), at(60_000), at(0));
    assert!(!dirty.has_settled(at(1)));
    dirty.hurry(at(1));
    assert_eq!(dirty.take(at(1)).0.len(), 1);
    assert!(dirty.has_settled(at(1)), "a file open for writing holds no barrier up");
    assert_eq!(dirty.deadline(), Some(at(60_000)));
}

#[test]
fn a_hint_brings_a_retry_forward() {
    let mut dirty = Dirty::default();
    dirty.retry(path("open"), at(60_000), at(0));
    dirty.hint(hint("open", HintKind::Complete), at(10), true);
    assert!(dirty.is_due(at(10)));
    assert!(SETTLE < Duration::from_secs(1));
}

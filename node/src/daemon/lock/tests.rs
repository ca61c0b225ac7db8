use super::*;

#[test]
fn the_second_is_told_who_has_it() {
    let state = tempfile::tempdir().unwrap();
    let first = Lock::take(state.path()).unwrap();
    match Lock::take(state.path()) {
        Err(LockError::Held { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(first);
    Lock::take(state.path()).unwrap();
}

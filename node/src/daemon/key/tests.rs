use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn what_was_written_is_read_and_never_replaced() {
    let state = tempfile::tempdir().unwrap();
    assert!(matches!(read(state.path()), Err(KeyFileError::Missing(_))));
    let key = SecretKey::from_seed([7; 32]);
    write(state.path(), &key).unwrap();
    assert_eq!(read(state.path()).unwrap().public(), key.public());
    let path = state.path().join(KEY_FILE);
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1, "nothing else is left");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    write(state.path(), &SecretKey::from_seed([8; 32])).unwrap_err();
    assert_eq!(read(state.path()).unwrap().public(), key.public());
    fs::write(&path, [0xff; 64]).unwrap();
    assert!(matches!(read(state.path()), Err(KeyFileError::Damaged(_))));
    fs::write(&path, "abc\n").unwrap();
    assert!(matches!(read(state.path()), Err(KeyFileError::Damaged(_))));
}

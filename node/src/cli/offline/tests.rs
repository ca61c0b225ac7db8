use std::fs;
use std::os::unix::fs::symlink;

use mirrormesh_merkle::{Hash, Path, content_hash};

use super::{Reader, open_below, open_directory};

fn root(directory: &std::path::Path) -> Hash {
    let opened = open_directory(directory).unwrap();
    Reader::new().tree(opened).unwrap().root
}

#[test]
fn what_is_not_mirrored_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    assert_eq!(root(at), mirrormesh_merkle::Tree::empty().root);
    fs::create_dir(at.join("a")).unwrap();
    fs::write(at.join("a/b.html"), "hello").unwrap();
    symlink("/etc/passwd", at.join("a/link")).unwrap();
    let before = root(at);
    fs::write(at.join(".mirrormesh.tmp-1"), "x").unwrap();
    fs::create_dir(at.join(".mirrormesh")).unwrap();
    std::os::unix::net::UnixListener::bind(at.join("socket")).unwrap();
    assert_eq!(root(at), before);
    fs::write(at.join("a/c"), "").unwrap();
    assert_ne!(root(at), before);
}

#[test]
fn a_directory_is_its_part_of_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::create_dir(at.join("blog")).unwrap();
    for number in 0..300 {
        fs::write(at.join(format!("blog/{number}.html")), number.to_string()).unwrap();
    }
    let opened = open_directory(at).unwrap();
    let mut reader = Reader::new();
    let whole = reader.tree(&opened).unwrap();
    assert_eq!(whole.files, 300);
    let blog = Path::from_bytes(b"blog").unwrap();
    let entry = mirrormesh_merkle::lookup(reader.nodes(), &whole.root, &blog).unwrap().unwrap();
    assert_eq!(entry.as_directory().unwrap().node, root(&at.join("blog")));
}

#[test]
fn contents_are_plain_blake3_and_symlinks_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "hello").unwrap();
    symlink("file", directory.path().join("link")).unwrap();
    let opened = open_directory(directory.path()).unwrap();
    let below = |name: &[u8]| {
        open_below(&opened, &Path::from_bytes(name).unwrap(), rustix::fs::OFlags::RDONLY)
    };
    let file = below(b"file").unwrap();
    assert_eq!(Reader::new().content(&file).unwrap(), (content_hash(b"hello"), 5));
    assert!(below(b"link").is_err());
}

#[test]
fn what_is_no_directory_is_said_so() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(open_directory(file.path()).unwrap_err().message.ends_with("is not a directory"));
    let missing = std::path::Path::new("/nowhere/at/all");
    assert!(open_directory(missing).unwrap_err().message.ends_with("does not exist"));
}

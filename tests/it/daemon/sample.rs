//! Files to mirror.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::farm_command::WRITING;

/// Writes a file, with the directories above it.
#[track_caller]
pub(super) fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _writing = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    fs::write(path, content).unwrap();
}

/// Content that no other seed gives, and that does not compress.
pub(super) fn content(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(bytes);
    content
}

/// Sets permission bits.
#[track_caller]
pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Sets the time of the last change.
#[track_caller]
pub(super) fn touch(path: &Path, mtime: SystemTime) {
    let file = File::options().read(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(mtime)).unwrap();
}

/// Makes a FIFO.
#[track_caller]
pub(super) fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

/// A site of `directories` times `files` small files.
pub(super) fn site(root: &Path, directories: usize, files: usize) {
    for directory in 0..directories {
        for file in 0..files {
            let seed = (directory * files + file) as u64;
            let size = 200 + (seed as usize * 37) % 5_000;
            let path = root.join(format!("section-{directory}/page-{file}.html"));
            write(&path, content(seed, size));
        }
    }
}

/// Names, kinds and metadata that are hard to get right.
pub(super) fn odd(root: &Path) {
    names(&root.join("names"));
    links(&root.join("links"));
    modes(&root.join("modes"));
    times(&root.join("times"));
    sizes(&root.join("sizes"));
    let mut deep = root.join("deep");
    for level in 0..40 {
        deep.push(format!("level-{level}"));
    }
    write(&deep.join("bottom"), "here");
    fs::create_dir_all(root.join("empty/emptier")).unwrap();
    let wide = root.join("wide");
    for number in 0..3_000 {
        write(&wide.join(format!("entry-{number}")), number.to_string());
    }
}

fn names(root: &Path) {
    let long = [b'n'; 255];
    let names: [&[u8]; 12] = [
        b"\xff\xfe not UTF-8 \x80",
        b"two\nlines",
        &long,
        b"-rf",
        b"--docroot",
        b"...",
        b" ",
        b"back\\slash",
        b"\"quoted\" 'twice'",
        b"\x01\x1b[31m",
        "gr\u{fc}\u{df}e \u{1f600}".as_bytes(),
        b"*?[glob]",
    ];
    for (number, name) in names.iter().enumerate() {
        write(&root.join(OsStr::from_bytes(name)), number.to_string());
        let below = [b"d", &name[..name.len().min(254)]].concat();
        write(&root.join(OsStr::from_bytes(&below)).join(OsStr::from_bytes(name)), "below");
    }
}

fn links(root: &Path) {
    fs::create_dir_all(root.join("directory")).unwrap();
    write(&root.join("file"), "linked");
    let links = [
        ("to-file", "file"),
        ("to-directory", "directory"),
        ("dangling", "nowhere/at/all"),
        ("absolute", "/etc/passwd"),
        ("outside", "../../../../../../etc"),
        ("itself", "itself"),
        ("ping", "pong"),
        ("pong", "ping"),
        ("top", ".."),
    ];
    for (name, target) in links {
        symlink(target, root.join(name)).unwrap();
    }
    symlink(OsStr::from_bytes(b"\xff\n"), root.join("strange")).unwrap();
    symlink("x".repeat(4_095), root.join("long")).unwrap();
    fs::hard_link(root.join("file"), root.join("hard")).unwrap();
}

fn modes(root: &Path) {
    for mode in [0o000, 0o400, 0o200, 0o600, 0o644, 0o755, 0o4755, 0o2755, 0o1644, 0o7777] {
        let path = root.join(format!("file-{mode:o}"));
        write(&path, format!("{mode:o}"));
        chmod(&path, mode);
    }
    for mode in [0o000, 0o500, 0o700, 0o1777, 0o2775] {
        let path = root.join(format!("directory-{mode:o}"));
        write(&path.join("file"), "inside");
        chmod(&path, mode);
    }
}

fn times(root: &Path) {
    let day = Duration::from_secs(86_400);
    let times = [
        ("before-1970", UNIX_EPOCH - day * 365 - Duration::from_nanos(1)),
        ("just-before-1970", UNIX_EPOCH - Duration::from_nanos(1)),
        ("1970", UNIX_EPOCH),
        ("nanoseconds", UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789)),
        ("after-2038", UNIX_EPOCH + Duration::new(3_000_000_000, 987_654_321)),
    ];
    for (name, time) in times {
        write(&root.join(name), name);
        touch(&root.join(name), time);
    }
}

fn sizes(root: &Path) {
    for size in [0, 1, 4_095, 4_096, 65_535, 65_536, 65_537, 1_048_576, 1_048_577] {
        write(&root.join(format!("{size}-bytes")), content(size as u64, size));
    }
    write(&root.join("large"), content(40, 40 * 1024 * 1024));
    let mut sparse = File::create(root.join("sparse")).unwrap();
    sparse.write_all(b"first").unwrap();
    sparse.seek(SeekFrom::Start(64 * 1024 * 1024)).unwrap();
    sparse.write_all(b"last").unwrap();
    sparse.set_len(80 * 1024 * 1024).unwrap();
}

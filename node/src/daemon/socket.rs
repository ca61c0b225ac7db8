//! Unix sockets in the state directory.
//!
//! Purpose: makes and finds sockets whatever the length of the directory's path: the kernel takes
//! 108 bytes, so that longer paths go through `/proc/self/fd`.
//!
//! Invariants: a socket is made with mode 0600 in a directory of mode 0700; an old socket is
//! replaced only by the holder of the state's lock.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Longest path that is handed to the kernel as it is.
const LONGEST_PATH: usize = 100;

/// Makes a socket and listens, replacing one that was left over. The caller holds the state's lock.
///
/// # Errors
/// What the system says.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (_directory, short) = shorten(path)?;
    let listener = UnixListener::bind(short)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to a socket.
///
/// # Errors
/// What the system says.
pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let (_directory, short) = shorten(path)?;
    UnixStream::connect(short).await
}

/// The path, or one through the open directory if it is too long.
fn shorten(path: &Path) -> io::Result<(Option<File>, PathBuf)> {
    if path.as_os_str().len() <= LONGEST_PATH {
        return Ok((None, path.to_owned()));
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = File::open(parent)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok((Some(directory), short))
}

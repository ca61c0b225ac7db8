//! Whether somebody has a file open for writing.
//!
//! A read lease is refused while the file is open for writing, and that is all it is taken for: it
//! is dropped by the very next call. Whoever opens the file for writing between the two waits for
//! as long as they lie apart, microseconds, and gets `EWOULDBLOCK` if it asked not to wait.

use std::os::fd::AsFd;

use rustix::io::Errno;

use super::system::{self, Lease};
use crate::store::Writing;

/// File systems whose leases another machine decides about, where a refusal tells nothing:
/// NFS, SMB (three numbers), AFS, Ceph, FUSE, 9P.
const REMOTE: [u64; 8] =
    [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x5346_414F, 0x00C3_6400, 0x6573_5546, 0x0102_1997];

/// Takes a read lease and drops it at once. A handle that may write counts as somebody.
pub(super) fn is_somebody_writing(file: impl AsFd) -> Writing {
    let file = file.as_fd();
    match system::set_lease(file, Lease::Take) {
        Ok(()) => {
            // Fails only if the kernel took the lease back already.
            let _ = system::set_lease(file, Lease::Drop);
            Writing::No
        }
        Err(Errno::AGAIN) if !remote(rustix::fs::fstatfs(file)) => Writing::Yes,
        Err(_) => Writing::Unknown,
    }
}

/// Whether a path lies on a file system that other machines write to.
pub(in crate::daemon) fn is_remote(path: &std::path::Path) -> bool {
    remote(rustix::fs::statfs(path))
}

fn remote(status: Result<rustix::fs::StatFs, Errno>) -> bool {
    status.is_ok_and(|status| REMOTE.contains(&(status.f_type as u64)))
}

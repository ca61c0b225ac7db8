//! The two system calls that rustix does not offer: leases, and what becomes of `SIGIO`.
//!
//! The only module of the disk with `unsafe`. Both calls are declared as C declares them and take
//! plain numbers or a function of the signature that C wants; no memory changes hands.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::process::Signal;

/// What to do with a read lease. The numbers are those of every architecture that is supported
/// (x86, ARM, RISC-V, POWER, S/390).
#[derive(Clone, Copy)]
pub(super) enum Lease {
    /// Take a read lease: refused with `AGAIN` while the file is open for writing.
    Take = 0,
    /// Drop it.
    Drop = 2,
}

const F_SETLEASE: c_int = 1024;

/// `fcntl(file, F_SETLEASE, …)`.
#[allow(unsafe_code)]
pub(super) fn set_lease(file: BorrowedFd<'_>, lease: Lease) -> Result<(), Errno> {
    unsafe extern "C" {
        fn fcntl(file: c_int, command: c_int, ...) -> c_int;
    }
    // SAFETY: F_SETLEASE takes one int and touches no memory; the descriptor is open while borrowed.
    let result = unsafe { fcntl(file.as_raw_fd(), F_SETLEASE, lease as c_int) };
    if result == -1 { Err(last_error()) } else { Ok(()) }
}

/// Makes `SIGIO` do nothing in this process.
///
/// The kernel sends it when somebody opens a file for writing while we hold a lease on it, and its
/// default is to end the process. It is caught by an empty function rather than set to be ignored:
/// programs that are started get the default back by themselves, since functions do not outlive
/// `exec`, and interrupted calls are restarted.
#[allow(unsafe_code)]
pub(super) fn discard_lease_breaks() {
    extern "C" fn discard(_signal: c_int) {}
    unsafe extern "C" {
        fn signal(signal: c_int, handler: extern "C" fn(c_int)) -> *const ();
    }
    // SAFETY: the handler does nothing, which is safe in a signal handler, and has C's signature.
    unsafe { signal(Signal::IO.as_raw(), discard) };
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

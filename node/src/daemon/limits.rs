//! What the system grants this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of files this process may have open to what it may raise it to: trees are
/// walked and peers served with many at once, and the usual 1,024 dates from `select`.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}

/// Keeps the allocator from holding a pool of memory for each thread: what one thread freed, such
/// as a parcel that was applied, serves the others.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
pub(super) fn share_memory() {
    use std::ffi::c_int;
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    const ARENA_MAX: c_int = -8;
    const POOLS: c_int = 2;
    // SAFETY: two plain numbers go in; the function locks what it changes. A refusal is harmless.
    unsafe { mallopt(ARENA_MAX, POOLS) };
}

/// Other allocators do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub(super) fn share_memory() {}

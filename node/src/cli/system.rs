//! Entropy and the wall clock of the operating system.

use mirrormesh_gossip::Wall;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};

use super::failure::Failure;

/// Bytes that nobody can guess.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Failure::failed(format!("no entropy: {error}"))),
        }
    }
    Ok(bytes)
}

/// Now, for people.
pub(crate) fn wall() -> Wall {
    let now = clock_gettime(ClockId::Realtime);
    Wall(now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec))
}

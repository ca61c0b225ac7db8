//! What only the system knows: the time, which boot this is, and entropy.
//!
//! Invariants: the clock that decides is CLOCK_BOOTTIME, which goes on during a suspend; the wall
//! clock is for people.

use std::io;
use std::time::Duration;

use mirrormesh_gossip::{Entropy, Instant, Wall};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::core::Moment;

/// Where Linux names its boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Now.
pub(crate) fn moment() -> Moment {
    let since_boot = nanoseconds(clock_gettime(ClockId::Boottime));
    Moment { now: Instant(since_boot.unsigned_abs()), wall: wall() }
}

/// Now, for people.
pub(crate) fn wall() -> Wall {
    Wall(nanoseconds(clock_gettime(ClockId::Realtime)))
}

/// Which boot of the machine this is, and when it began.
///
/// # Errors
/// The kernel does not name its boots.
pub(crate) fn boot() -> io::Result<(String, Wall)> {
    let name = std::fs::read_to_string(BOOT_ID)?;
    let moment = moment();
    let since = Duration::from_nanos(moment.now.0);
    let began = moment.wall.0.saturating_sub(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
    Ok((name.trim().to_owned(), Wall(began)))
}

/// A generator that nobody can predict.
///
/// # Errors
/// The system has no entropy to give.
pub(crate) fn entropy() -> io::Result<Entropy> {
    Ok(Entropy::new(secret()?))
}

/// Bytes that nobody can predict.
///
/// # Errors
/// The system has no entropy to give.
pub(crate) fn secret() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    let mut filled = 0;
    while filled < seed.len() {
        match getrandom(&mut seed[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(seed)
}

fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

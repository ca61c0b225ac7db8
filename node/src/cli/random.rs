//! Entropy of the operating system.

use rustix::rand::{GetRandomFlags, getrandom};

use super::failure::Failure;

/// Bytes that nobody can guess.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
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

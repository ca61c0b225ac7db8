//! Contents that are told apart by a hash, and made so that no two are equal.

use std::hash::{DefaultHasher, Hasher as _};

use super::random::Random;

/// What a content is remembered by.
pub(super) fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    hasher.finish()
}

/// A content of a size that a web server's files have: mostly small, now and then large.
pub(super) fn draw(random: &mut Random) -> Vec<u8> {
    let size = match random.below(1_000) {
        0..30 => 0,
        30..880 => 20 + random.below(12_000),
        880..980 => 20_000 + random.below(200_000),
        980..998 => 300_000 + random.below(2_000_000),
        _ => 9_000_000 + random.below(12_000_000),
    };
    of_size(random, size)
}

/// A content of so many bytes.
pub(super) fn of_size(random: &mut Random, size: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(size + 8);
    while content.len() < size {
        content.extend_from_slice(&random.next().to_le_bytes());
    }
    content.truncate(size);
    content
}

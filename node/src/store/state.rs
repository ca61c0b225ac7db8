//! Names of the values in [`super::Table::State`].

/// The current tree: root (32 bytes), files, bytes (both 8 bytes, big-endian).
pub const CURRENT: &[u8] = b"current";
/// The target tree of a replica, in the same form.
pub const TARGET: &[u8] = b"target";
/// Device and inode of the docroot (8 bytes each, big-endian).
pub const DOCROOT: &[u8] = b"docroot";
/// Everything the core keeps begins with this.
pub const CORE: &[u8] = b"core/";
/// There while damage that was found on an origin is not taken back yet. The core says more in it.
pub const DAMAGE: &[u8] = b"core/damage";
/// Followed by a path: the target has an unserved file there, whose content is not here.
pub const LEFT_OUT: &[u8] = b"left-out/";
/// The next identifier of something set aside (8 bytes, big-endian).
pub const NEXT_KEPT: &[u8] = b"next-kept";
/// Bytes set aside in all (8 bytes, big-endian).
pub const KEPT_BYTES: &[u8] = b"kept-bytes";

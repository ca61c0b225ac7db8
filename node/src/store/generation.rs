//! Dead nodes: rows of [`Table::Nodes`] that a collection has given up and not removed yet.
//!
//! [`Table::Nodes`]: super::Table::Nodes

/// The generation of dead nodes. A node that is put again is alive again.
pub(crate) const GENERATION_DEAD: u32 = u32::MAX;

/// Whether a row's node is dead: what is below it may be gone.
pub(crate) fn is_dead(value: &[u8]) -> bool {
    value.starts_with(&GENERATION_DEAD.to_be_bytes())
}

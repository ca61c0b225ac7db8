//! What a node is told at its start.

use mirrormesh_gossip::{NodeId, SecretKey, Wall};

use crate::store::Durability;

/// Settings that may change while a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether data is flushed before it becomes visible.
    pub durability: Durability,
    /// Most bytes that may be set aside in all.
    pub keep_bytes: u64,
}

/// This node's own settings, checked.
#[derive(Debug)]
pub struct Setup {
    /// The node's key.
    pub secret: SecretKey,
    /// The docroot as configured, for people.
    pub docroot: String,
    /// Where this node can be dialled, `host:port`.
    pub addresses: Vec<String>,
    /// What may change while it runs.
    pub settings: Settings,
    /// Identity of this boot of the machine.
    pub boot: String,
    /// When this boot of the machine began.
    pub boot_wall: Wall,
}

impl Setup {
    /// The node's identifier.
    pub fn id(&self) -> NodeId {
        self.secret.public()
    }
}

/// Why a node cannot start from what its state directory holds; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// No cluster was made or joined here.
    #[error(
        "there is no cluster in this state directory: run `mirrormesh init` or `mirrormesh join`"
    )]
    NoCluster,
    /// What is stored cannot be read.
    #[error("the state directory is damaged ({0}): restore it, or remove it and join again")]
    Damaged(String),
}

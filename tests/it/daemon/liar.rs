//! Peers that lie: nothing they say changes a byte on disk, each lie is counted, the daemon lives.

mod heads;
mod noise;
mod peer;
mod scene;
mod target;

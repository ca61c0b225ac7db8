//! Peers that lie: nothing they say changes a byte on disk, each lie is counted, the daemon lives.

mod heads;
mod noise;
mod others;
mod peer;
mod scene;
mod target;
mod yesterday;

//! (in work)
pub mod disk;
pub mod watch;
pub mod config;
mod drive;
mod hands;
mod input;
mod jobs;
mod machine;
mod notes;
pub mod transport;

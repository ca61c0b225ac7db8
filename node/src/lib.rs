//! mirrormesh: mirrors the document root of one web server to every other.
//!
//! `core` is the state machine of everything concurrent, `store` the jobs of everything
//! sequential; `daemon` and `cli` (feature `daemon`) drive them on a real machine, and the crate
//! `mirrormesh-simulation` drives the same two through faults.

pub mod core;
pub mod store;

#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod daemon;

//! The transport: QUIC connections between keys.
//!
//! Purpose: everything the core's seam calls connections, frames and streams, over quinn. One
//! [`Endpoint`] for a daemon; a [`Connection`] and a [`Stream`] are what the core's task holds to
//! give its orders; what happens comes back through the inbox.
//!
//! Invariants: both ends of a connection have proved their keys; nothing is read that the core did
//! not grant; orders never wait.
//!
//! Never knows what the bytes mean.

mod admission;
mod answering;
mod asking;
mod connection;
mod endpoint;
mod frames;
mod identity;
mod reset;
mod socket;
mod stream;
mod tls;
mod tuning;
mod verify;

pub use connection::Connection;
pub use endpoint::{Endpoint, EndpointError};
pub use stream::Stream;
pub use tls::TlsError;
pub use tuning::Tuning;

#[cfg(test)]
mod tests;

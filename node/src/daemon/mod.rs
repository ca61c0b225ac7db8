//! The daemon: everything that touches the world.
//!
//! Purpose: drives the core's node with real connections, disks, clocks and operators.
//!
//! One task runs the core ([`drive`], [`hands`]); everything else puts what happens into its inbox
//! ([`input`]): the transport (QUIC), the watcher, threads for jobs, the control socket, HTTP,
//! signals. [`run`] puts it together; [`join`] is the way into a cluster.
//!
//! Never decides anything about the cluster: that is the core's.

pub mod config;
pub mod control;
pub mod disk;
mod drive;
mod hands;
mod http;
mod input;
mod jobs;
pub mod join;
pub mod key;
mod limits;
pub mod lock;
mod log;
mod machine;
mod notes;
pub mod places;
mod regular;
mod reload;
pub mod run;
mod signals;
mod socket;
pub(crate) mod system;
mod systemd;
pub mod transport;
pub mod watch;
mod watching;

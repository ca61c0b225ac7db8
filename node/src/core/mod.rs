//! The state machine of one node: everything concurrent, and nothing that touches the world.
//!
//! [`Node`] takes events ([`Event`]) one at a time and says what is to be done about each
//! ([`Effect`]). It knows no files, sockets, clocks, threads or logs, and draws no entropy but what
//! it was given: two nodes that see the same events do the same.
//!
//! One file a concern; each adds its methods to [`Node`]: `session` (connections and frames),
//! `watching` (looking), `publish` and `returning` (an origin), `follow`, `transfer` and `replica`
//! (everybody else), `brake`, `serve`, `waits`, `operator`, `status`.

mod brake;
pub mod command;
mod contradiction;
mod damage;
mod dirty;
mod disown;
pub mod event;
mod fetch;
mod follow;
pub mod hint;
mod jobs;
pub mod join;
mod large;
mod lists;
mod node;
pub mod note;
mod operator;
mod peers;
mod publish;
mod regain;
mod replica;
mod returning;
mod review;
mod serve;
mod session;
mod setup;
mod state;
mod status;
mod transfer;
pub mod view;
mod waits;
mod watching;
pub mod wire;

pub use command::{
    Answer, Command, CommandId, HoldLine, KeptLine, MoreErrors, PathLine, WaitScope,
};
pub use event::*;
pub use hint::{Hint, HintKind};
pub use node::Node;
pub use note::{Level, Note};
pub use setup::{Settings, Setup, SetupError};
pub use view::View;

//! What the driver drives.
//!
//! Purpose: the state machine as the driver sees it, so that the driver can be tested with another
//! one than the core's node.
//!
//! Never does I/O: see `core`.

use mirrormesh_gossip::Instant;

use crate::core::{Effect, Event, Moment, Node, View};

/// A state machine: events in, effects out.
pub(crate) trait Machine: Send + 'static {
    /// Handles one event; what is to be done is left in `effects`, which are empty before.
    fn handle(&mut self, moment: Moment, event: Event, effects: &mut Vec<Effect>);

    /// When [`Event::Tick`] is wanted.
    fn deadline(&self) -> Option<Instant>;

    /// The state of things.
    fn view(&self, moment: Moment) -> View;
}

impl Machine for Node {
    fn handle(&mut self, moment: Moment, event: Event, effects: &mut Vec<Effect>) {
        Node::handle(self, moment, event, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        Node::deadline(self)
    }

    fn view(&self, moment: Moment) -> View {
        Node::view(self, moment)
    }
}

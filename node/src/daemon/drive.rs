//! The core's task: takes what happened, has the state machine handle it, carries out what it
//! says.
//!
//! Purpose: the daemon's only loop. Inputs, hints and the deadline are the three things it waits
//! for; all else is done by others, who put inputs into the inbox.
//!
//! State: the state machine, and the hands that carry out effects.
//!
//! Invariants: one event at a time, its effects carried out before the next; the task never waits
//! while it handles; neither a flood of inputs nor one of hints keeps the deadline from being
//! seen. Time is CLOCK_BOOTTIME: after a suspend the deadline is seen within [`LONGEST_SLEEP`].
//!
//! Never decides anything.

use std::future::Future;
use std::time::Duration;

use mirrormesh_gossip::Instant;
use tokio::sync::mpsc;

use super::hands::{Carried, Hands};
use super::input::Input;
use super::machine::Machine;
use crate::core::{Effect, Event, Hint, Moment, StopReason};

/// Most inputs handled between two looks at hints and deadline.
const BATCH: usize = 64;
/// More batches than can wait: after so many, all that were there before have been handled.
const HINT_BATCHES: usize = 64;
/// tokio's timers stop during a suspend, the core's clock does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Where hints come from.
pub(crate) trait HintSource: Send + 'static {
    /// Waits for the next hints, at most [`crate::core::MAX_HINTS`]. A future that is dropped loses
    /// none.
    fn next(&mut self) -> impl Future<Output = Vec<Hint>> + Send;

    /// The hints that have waited longest, if there are any.
    fn try_next(&mut self) -> Vec<Hint>;
}

/// The core's task.
pub(crate) struct Driver<M, H> {
    machine: M,
    hints: H,
    inputs: mpsc::Receiver<Input>,
    hands: Hands,
    moment: fn() -> Moment,
    effects: Vec<Effect>,
}

/// What ended a wait. Lives for a moment on the stack.
#[expect(clippy::large_enum_variant, reason = "boxing would cost more than moving it once")]
enum Woken {
    Input(Option<Input>),
    Hints(Vec<Hint>),
    Timer,
}

impl<M: Machine, H: HintSource> Driver<M, H> {
    /// A driver of `machine`. `effects` are those of making the machine, not carried out yet.
    pub(crate) fn new(
        machine: M,
        hints: H,
        inputs: mpsc::Receiver<Input>,
        hands: Hands,
        moment: fn() -> Moment,
        effects: Vec<Effect>,
    ) -> Driver<M, H> {
        Driver { machine, hints, inputs, hands, moment, effects }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self) -> (StopReason, Hands) {
        let reason = self.turn().await;
        (reason, self.hands)
    }

    async fn turn(&mut self) -> StopReason {
        if let Some(reason) = self.carry_out() {
            return reason;
        }
        loop {
            let deadline = self.machine.deadline();
            let woken = tokio::select! {
                biased;
                hints = self.hints.next() => Woken::Hints(hints),
                input = self.inputs.recv() => Woken::Input(input),
                () = until(deadline, self.moment) => Woken::Timer,
            };
            let stopped = match woken {
                Woken::Hints(hints) => self.handle(Event::Hints(hints)),
                Woken::Input(Some(input)) => self.take(input),
                Woken::Input(None) => Some(StopReason::Asked),
                Woken::Timer => None,
            };
            if let Some(reason) = stopped.or_else(|| self.drain()).or_else(|| self.tick()) {
                return reason;
            }
        }
    }

    /// Handles what else is there, without waiting.
    fn drain(&mut self) -> Option<StopReason> {
        for _ in 1..BATCH {
            let Ok(input) = self.inputs.try_recv() else { break };
            let stopped = self.take(input);
            if stopped.is_some() {
                return stopped;
            }
        }
        None
    }

    /// Handles the hints that wait: they came before the barrier that is about to be reported.
    fn drain_hints(&mut self) -> Option<StopReason> {
        for _ in 0..HINT_BATCHES {
            let hints = self.hints.try_next();
            if hints.is_empty() {
                break;
            }
            let stopped = self.handle(Event::Hints(hints));
            if stopped.is_some() {
                return stopped;
            }
        }
        None
    }

    fn tick(&mut self) -> Option<StopReason> {
        let due = self.machine.deadline().is_some_and(|deadline| deadline <= (self.moment)().now);
        if due { self.handle(Event::Tick) } else { None }
    }

    fn take(&mut self, input: Input) -> Option<StopReason> {
        match input {
            Input::View(answer) => {
                let mut view = self.machine.view((self.moment)());
                self.hands.complete(&mut view);
                let _ = answer.send(view);
                None
            }
            Input::Pulse(answer) => {
                let _ = answer.send(());
                None
            }
            Input::Broken(reason) => Some(StopReason::Broken(reason)),
            Input::Event(barrier @ Event::Barrier { .. }) => {
                self.drain_hints().or_else(|| self.handle(barrier))
            }
            other => match self.hands.receive(other) {
                Some(event) => self.handle(event),
                None => None,
            },
        }
    }

    fn handle(&mut self, event: Event) -> Option<StopReason> {
        self.machine.handle((self.moment)(), event, &mut self.effects);
        self.carry_out()
    }

    fn carry_out(&mut self) -> Option<StopReason> {
        for effect in self.effects.drain(..) {
            match self.hands.carry_out(effect) {
                Carried::Done => {}
                Carried::Stopped(reason) => return Some(reason),
            }
        }
        None
    }
}

/// Waits until the deadline, or for [`LONGEST_SLEEP`].
async fn until(deadline: Option<Instant>, moment: fn() -> Moment) {
    let Some(deadline) = deadline else { return std::future::pending().await };
    let rest = deadline.saturating_since(moment().now);
    if rest.is_zero() {
        // A state machine that is always due must not keep the thread from others.
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(rest.min(LONGEST_SLEEP)).await;
    }
}

#[cfg(test)]
mod tests;

//! Directed links: how long a packet takes, and whether it goes at all.

use std::time::Duration;

use crate::draw::Draws;
use crate::schedule::{MILLISECOND, Time};

/// What the network of a world is like.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// Whether packets are lost.
    pub(crate) loss: bool,
    /// Whether links are slow and unsteady.
    pub(crate) jitter: bool,
}

/// The way from one host to another.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) up: bool,
    latency: Time,
    jitter: Time,
    /// Of 1024 packets so many are lost.
    loss: u64,
    /// A spike.
    pub(super) extra: Time,
    uses: u64,
    number: u64,
}

impl Link {
    pub(super) fn draw(draws: Draws, number: u64, weather: &Weather) -> Link {
        let mut draw = draws.of("link", number);
        let latency = draw.duration(Duration::from_micros(50), Duration::from_millis(40));
        let jitter = match weather.jitter {
            true => draw.duration(Duration::from_micros(10), Duration::from_millis(50)),
            false => latency / 10,
        };
        let loss = if weather.loss { draw.spread(1, 100) } else { 0 };
        Link { up: true, latency, jitter, loss, extra: 0, uses: 0, number }
    }

    /// How long the next packet takes, and how often it is lost before.
    pub(super) fn travel(&mut self, draws: Draws, bytes: usize) -> (Time, u64) {
        self.uses += 1;
        let mut draw = draws.of_pair("packet", self.number, 0, self.uses);
        // A gigabit: eight nanoseconds a byte.
        let mut time =
            self.latency + self.extra + draw.below(self.jitter.max(1)) + bytes as u64 * 8;
        let mut lost = 0;
        while lost < 6 && draw.below(1024) < self.loss {
            time += (2 * self.latency + 20 * MILLISECOND) << lost;
            lost += 1;
        }
        (time, lost)
    }
}

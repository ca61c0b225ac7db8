//! What the service manager is told.
//!
//! Purpose: READY, a line of status when it changes, a sign of life while the core's task lives.
//!
//! State: the last line told.
//!
//! Invariants: no sign of life is given unless the core's task answered since the last.
//!
//! Never does anything where no service manager listens.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::input::Inbox;
use crate::core::View;

/// How often the line is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The daemon answers questions.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The daemon ends.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The settings are being read again; [`ready`] follows.
pub(crate) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Keeps the service manager informed until the core's task ends.
pub(crate) async fn attend(inbox: Inbox) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let watchdog = sd_notify::watchdog_enabled();
    let every = watchdog.map_or(LOOK, |limit| LOOK.min(limit / 4)).max(Duration::from_millis(50));
    let mut looks = interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        looks.tick().await;
        let Ok(view) = timeout(every * 2, inbox.view()).await else { continue };
        let Some(view) = view else { return };
        if watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
        let line = status_line(&view);
        if line != told {
            tell(&[NotifyState::Status(&line)]);
            told = line;
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("the service manager cannot be told: {error}");
    }
}

fn status_line(view: &View) -> String {
    let node = &view.node;
    let seq = node.seq.map_or_else(|| "no head yet".to_owned(), |seq| format!("seq {seq}"));
    let mut line = format!("{} {}, {seq}", node.name, node.role);
    if node.role != "witness" {
        line.push_str(if node.in_sync { ", in sync" } else { ", not in sync" });
    }
    if node.lag_seconds >= 1.0 && node.role != "origin" {
        line.push_str(&format!(", {:.0} s behind", node.lag_seconds));
    }
    if !node.fresh && node.role != "origin" {
        line.push_str(", origin not heard");
    }
    if let Some(held) = &node.held {
        line.push_str(&format!(", held: {}", held.reason));
    }
    line
}

#[cfg(test)]
mod tests;

//! Signals.
//!
//! Purpose: SIGTERM and SIGINT end the daemon cleanly, a second one at once; SIGHUP reads the
//! settings again. SIGPIPE stays as Rust sets it (writing to a client that left is an error, not
//! death); SIGIO is the disk's.

use std::path::{Path, PathBuf};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::config::Config;
use super::input::Inbox;
use super::systemd;
use crate::core::Command;

/// Exit code after a second signal: the end was not clean.
const IMPATIENT: i32 = 1;

/// The signals, caught from the moment this is made.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Catches the signals. Called within a tokio runtime.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn catch() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Turns signals into commands until the core's task ends.
    pub(crate) async fn attend(mut self, inbox: Inbox, state: PathBuf) {
        let mut stopping = false;
        loop {
            let stop = tokio::select! {
                biased;
                _ = self.terminate.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.hang_up.recv() => false,
            };
            if stop && stopping {
                tracing::warn!("a second signal: ending at once");
                std::process::exit(IMPATIENT);
            }
            let command = if stop { Command::Stop } else { Command::Reload };
            let inbox = inbox.clone();
            if stop {
                systemd::stopping();
            } else {
                systemd::reloading();
                check_settings(&state);
            }
            tokio::spawn(async move {
                if let Some((_, mut replies)) = inbox.command(command).await {
                    while replies.recv().await.is_some_and(|reply| !reply.last) {}
                }
                if !stop {
                    systemd::ready();
                }
            });
            stopping |= stop;
        }
    }
}

/// Says what is wrong with the settings before the next start finds out.
fn check_settings(state: &Path) {
    match Config::load(state) {
        Ok(_) => tracing::info!("the settings are sound; they take effect at the next start"),
        Err(error) => tracing::error!("the settings are not taken: {error}"),
    }
}

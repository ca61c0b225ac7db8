//! Signals.
//!
//! Purpose: SIGTERM and SIGINT end the daemon cleanly, a second one at once; SIGHUP reads the
//! settings again. SIGPIPE stays as Rust sets it (writing to a client that left is an error, not
//! death); SIGIO is the disk's.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::input::Inbox;
use super::reload::Reload;
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

    /// Does what signals ask for until the core's task ends.
    pub(crate) async fn attend(mut self, inbox: Inbox, mut reload: Reload) {
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
            if stop {
                systemd::stopping();
                stopping = true;
                let _ = inbox.command(Command::Stop).await;
            } else {
                systemd::reloading();
                reload.again().await;
                systemd::ready();
            }
        }
    }
}

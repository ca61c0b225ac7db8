//! Settings while the daemon runs.
//!
//! Purpose: at SIGHUP the settings are read again. What can change at run time is handed to the
//! core; of the rest the log says that it waits for the next start.
//!
//! Invariants: settings with a mistake change nothing.

use std::path::PathBuf;

use super::config::Config;
use super::input::{Inbox, Input};
use crate::core::{Event, Settings};

/// What of the settings may change at run time. Kept files lie on a file system of `work_bytes`.
pub(crate) fn settings(config: &Config, work_bytes: u64) -> Settings {
    let keep_bytes = work_bytes / 100 * u64::from(config.kept_percent);
    Settings { durability: config.durability, keep_bytes }
}

/// Reads settings again.
pub(crate) struct Reload {
    state: PathBuf,
    /// What is in force.
    running: Config,
    work_bytes: u64,
    inbox: Inbox,
}

impl Reload {
    /// `running` was read at the start.
    pub(crate) fn new(state: PathBuf, running: Config, work_bytes: u64, inbox: Inbox) -> Reload {
        warn_of_hooks(&running);
        Reload { state, running, work_bytes, inbox }
    }

    /// Reads the settings again, and hands them to the core.
    pub(crate) async fn again(&mut self) {
        let read = match Config::load(&self.state) {
            Ok(read) => read,
            Err(error) => return tracing::error!("the settings are not taken: {error}"),
        };
        let waiting = waiting(&self.running, &read);
        if read.on_promote != self.running.on_promote || read.on_demote != self.running.on_demote {
            warn_of_hooks(&read);
        }
        self.running.durability = read.durability;
        self.running.kept_percent = read.kept_percent;
        self.running.on_promote = read.on_promote;
        self.running.on_demote = read.on_demote;
        let settings = settings(&self.running, self.work_bytes);
        let event = Event::Settings(settings);
        if self.inbox.send(Input::Event(event)).await && self.inbox.pulse().await {
            tracing::info!("the settings were read again");
        }
        if !waiting.is_empty() {
            tracing::warn!("changed, and waiting for the next start: {}", waiting.join(", "));
        }
    }
}

/// Names of the settings that have changed and that only a start takes.
fn waiting(running: &Config, read: &Config) -> Vec<&'static str> {
    let all = [
        ("name", running.name != read.name),
        ("docroot", running.docroot != read.docroot),
        ("work", running.work != read.work),
        ("listen", running.listen != read.listen),
        ("advertise", running.advertise != read.advertise),
        ("http", running.http != read.http),
        ("watch_limit", running.watch_limit != read.watch_limit),
        ("log_format", running.log_format != read.log_format),
    ];
    all.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}

fn warn_of_hooks(config: &Config) {
    if config.on_promote.is_some() || config.on_demote.is_some() {
        tracing::warn!(
            "on_promote and on_demote are not run: no node of this version changes its role"
        );
    }
}

//! Ctrl-C, noted instead of obeyed at once: what was started is to be ended first.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::super::failure::Failure;

/// Whether somebody wants this to end.
pub(super) struct Interrupt {
    shared: Arc<(AtomicBool, Notify)>,
}

impl Interrupt {
    /// From here on SIGINT, SIGTERM and SIGHUP are noted.
    pub(super) fn listen() -> Result<Interrupt, Failure> {
        let shared = Arc::new((AtomicBool::new(false), Notify::new()));
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let mut signals = signal(kind).map_err(|error| Failure::failed(error.to_string()))?;
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    shared.0.store(true, Ordering::Release);
                    shared.1.notify_one();
                }
            });
        }
        Ok(Interrupt { shared })
    }

    /// Fails once it was noted.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.shared.0.load(Ordering::Acquire) {
            return Err(Failure::failed("interrupted"));
        }
        Ok(())
    }

    /// Ends once it was noted.
    pub(super) fn wait(&self) -> impl Future<Output = ()> + '_ {
        // A note that came before is kept by `notify_one`.
        self.shared.1.notified()
    }
}

//! The watcher, as the core's task sees it.

use std::sync::Arc;

use super::drive::HintSource;
use super::hands::Watcher;
use super::input::{Inbox, Input};
use super::watch::{Backend, HintReceiver, Watch};
use crate::core::view::WatchView;
use crate::core::{BarrierId, Event, Hint};

impl HintSource for HintReceiver {
    async fn next(&mut self) -> Vec<Hint> {
        self.recv_batch().await
    }

    fn try_next(&mut self) -> Vec<Hint> {
        self.try_recv_batch()
    }
}

/// Watches through a back end.
pub(crate) struct Watching(pub(crate) Arc<dyn Watch>);

impl Watcher for Watching {
    fn barrier(&mut self, barrier: BarrierId, inbox: &Inbox) {
        let (watch, inbox) = (self.0.clone(), inbox.clone());
        tokio::spawn(async move {
            let asked = tokio::task::spawn_blocking(move || watch.barrier()).await;
            let covered = asked.unwrap_or(false);
            inbox.send(Input::Event(Event::Barrier { barrier, covered })).await;
        });
    }

    fn view(&self) -> WatchView {
        let status = self.0.status();
        WatchView {
            backend: match status.backend {
                Backend::Inotify => "inotify".to_owned(),
                Backend::Scan => "scan".to_owned(),
            },
            reason: status.reason,
            watches: status.watches as u64,
            limit: status.limit as u64,
        }
    }
}

/// Watches nothing: a witness has no docroot.
pub(crate) struct NotWatching;

impl Watcher for NotWatching {
    fn barrier(&mut self, barrier: BarrierId, inbox: &Inbox) {
        let inbox = inbox.clone();
        tokio::spawn(async move {
            inbox.send(Input::Event(Event::Barrier { barrier, covered: true })).await;
        });
    }

    fn view(&self) -> WatchView {
        WatchView {
            backend: "scan".to_owned(),
            reason: "no docroot".to_owned(),
            watches: 0,
            limit: 0,
        }
    }
}

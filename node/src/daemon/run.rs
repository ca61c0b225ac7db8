//! The daemon: puts everything together, runs it, and takes it apart.
//!
//! Purpose: from a state directory to a running node, and to an end with an exit code.
//!
//! Invariants: nothing is changed before the state is locked, the port bound and the places proved;
//! READY is said when the control socket answers, which is before the first scan; at the end the
//! core has made everything durable before the threads are ended.
//!
//! Never ends by itself unless the core says so.

mod assemble;
mod failure;

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use super::log::Print;
pub use failure::RunError;

use self::assemble::Assembled;
use super::config::{Config, Http};
use super::lock::Lock;
use super::reload::Reload;
use super::signals::Signals;
use super::{control, http, key, limits, log, places, socket, systemd};
use crate::core::StopReason;

/// Threads that move bytes; work that waits for disks has its own.
const WORKERS: std::ops::RangeInclusive<usize> = 2..=4;
/// At the end, clients are told within this time.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// What `run` needs to know.
#[derive(Clone)]
pub struct RunOptions {
    /// The state directory.
    pub state: PathBuf,
    /// Prints lines of the log.
    pub print: Print,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// [`RunError`]: why it could not start, or why it ended by itself.
pub fn run(options: RunOptions) -> Result<(), RunError> {
    let state = &options.state;
    let config = Config::load(state).map_err(|error| RunError::in_state(state, error.into()))?;
    let secret = key::read(state).map_err(|error| RunError::in_state(state, error.into()))?;
    if !places::has_store(state) {
        return Err(RunError::store_is_gone(state));
    }
    log::start(config.log_format, options.print.clone());
    limits::raise_open_files();
    limits::share_memory();
    for path in places::close_state(state, &[key::KEY_FILE])? {
        let path = path.display();
        tracing::warn!("{path} was open to other users and is not any more");
    }
    let lock = Lock::take(state)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(*WORKERS.start(), *WORKERS.end()))
        .thread_name("mirrormesh")
        .enable_all()
        .build()
        .map_err(|error| RunError::failed(format!("no threads: {error}")))?;
    let reason = runtime.block_on(async {
        let assembled = assemble::assemble(&options.state, &config, &secret)?;
        serve(&options, &config, assembled).await
    });
    // A look-up of a name may hang for long; nothing of worth runs there.
    runtime.shutdown_timeout(LAST_ANSWERS);
    drop(lock);
    RunError::of(reason?)
}

/// Answers questions and lets the core run, until it stops.
async fn serve(
    options: &RunOptions,
    config: &Config,
    assembled: Assembled,
) -> Result<StopReason, RunError> {
    let Assembled { driver, inbox, endpoint, notes, work_bytes } = assembled;
    let unix = |name: &str| {
        let path = options.state.join(name);
        socket::listen(&path).map_err(|error| RunError::cannot_listen(&path.display(), &error))
    };
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    match config.http {
        Http::Off => {}
        Http::Socket => {
            let listener = unix(http::SOCKET)?;
            let (inbox, notes, stop) = (inbox.clone(), notes.clone(), stop.clone());
            tokio::spawn(http::serve_socket(listener, inbox, notes, stop));
        }
        Http::Address(address) => {
            let listener = tokio::net::TcpListener::bind(address).await;
            let listener = listener.map_err(|error| RunError::cannot_listen(&address, &error))?;
            let (inbox, notes, stop) = (inbox.clone(), notes.clone(), stop.clone());
            tokio::spawn(http::serve_address(listener, inbox, notes, stop));
        }
    }
    let signals = Signals::catch().map_err(|error| RunError::failed(error.to_string()))?;
    let listener = unix(control::SOCKET)?;
    tokio::spawn(control::serve(listener, inbox.clone(), tasks.clone(), stop.clone()));
    let reload = Reload::new(options.state.clone(), config.clone(), work_bytes, inbox.clone());
    let attending = tokio::spawn(signals.attend(inbox.clone(), reload));
    let manager = tokio::spawn(systemd::attend(inbox));
    // The core's task begins when everything else can be asked.
    let core = tokio::spawn(driver.run());
    systemd::ready();

    let (reason, hands) = core.await.map_err(|error| RunError::failed(error.to_string()))?;
    systemd::stopping();
    attending.abort();
    manager.abort();
    stop.cancel();
    endpoint.close().await;
    let jobs = hands.into_jobs();
    let _ = tokio::task::spawn_blocking(move || jobs.end()).await;
    tasks.close();
    let _ = tokio::time::timeout(LAST_ANSWERS, tasks.wait()).await;
    for name in [control::SOCKET, http::SOCKET] {
        let _ = std::fs::remove_file(options.state.join(name));
    }
    Ok(reason)
}

#[cfg(test)]
mod tests;

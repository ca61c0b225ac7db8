//! The daemon's end of the control socket.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::wire::{MAX_COMMAND, read, write};
use crate::core::{Answer, Command, Event};
use crate::daemon::input::{Inbox, Input, Reply};

/// Most clients at once; further ones wait.
const CLIENTS: usize = 64;

/// Takes clients until `stop`; clients in the middle of an answer end on their own when the core's
/// task has.
pub(crate) async fn serve(
    listener: UnixListener,
    inbox: Inbox,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("control socket: {error}");
                // Out of file descriptors, most likely: they come back when something ends.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        if !is_welcome(&stream) {
            continue;
        }
        let (inbox, stop) = (inbox.clone(), stop.clone());
        tasks.spawn(async move {
            let _place = place;
            if let Err(error) = converse(stream, &inbox, &stop).await {
                tracing::debug!("a client of the control socket: {error}");
            }
        });
    }
}

async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// Only the daemon's own user and root: the directory's mode says so already, but a directory can
/// be opened by accident.
fn is_welcome(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == 0 || peer.uid() == own => true,
        Ok(peer) => {
            tracing::warn!("user {} tried the control socket", peer.uid());
            false
        }
        Err(_) => false,
    }
}

async fn converse(stream: UnixStream, inbox: &Inbox, stop: &CancellationToken) -> io::Result<()> {
    let (mut from, mut to) = stream.into_split();
    loop {
        let command = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            command = read::<Command>(&mut from, MAX_COMMAND) => command,
        };
        let command = match command {
            Ok(Some(command)) => command,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return write(&mut to, &not_understood(&error)).await;
            }
            Err(error) => return Err(error),
        };
        let Some((id, replies)) = inbox.command(command).await else { return Ok(()) };
        match pass_on(replies, &mut from, &mut to).await {
            Ok(true) => {}
            outcome => {
                inbox.send(Input::Event(Event::Cancelled(id))).await;
                return outcome.map(|_| ());
            }
        }
    }
}

/// Passes replies on to the client; `true` after the last.
async fn pass_on(
    mut replies: mpsc::Receiver<Reply>,
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
) -> io::Result<bool> {
    let mut byte = [0; 1];
    loop {
        let reply = tokio::select! {
            biased;
            reply = replies.recv() => reply,
            // A client says nothing while it waits: whatever comes is its end, or a fault.
            read = from.read(&mut byte) => return read.map(|_| false),
        };
        let Some(reply) = reply else { return Ok(false) };
        write(to, &reply).await?;
        if reply.last {
            return Ok(true);
        }
    }
}

fn not_understood(error: &io::Error) -> Reply {
    let answer = Answer::Refused {
        exit: 1,
        message: format!("the daemon does not understand the question ({error})"),
        hint: "daemon and command line are of different versions: restart the daemon".to_owned(),
    };
    Reply { answer, last: true }
}

//! The answering side of a stream: request in, answer out.
//!
//! Purpose: reads the whole request, hands it to the core, and writes the chunks the core gives.
//!
//! State: at most one chunk, besides what QUIC holds within its send window.
//!
//! Invariants: a request that is too long or does not come is answered with a reset, and the core
//! never hears of it; control frames go before chunks; exactly one reset is reported if the other
//! side gives up, unless the connection ends or the core gave up first.
//!
//! Never interprets a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use tokio::time::timeout;

use super::connection::Connection;
use super::stream::{GIVEN_UP, Order, Stream};
use crate::core::{MAX_REQUEST_BYTES, StreamEvent};
use crate::daemon::input::{Inbox, Input};

/// A request must be whole within this time.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Most bytes written without looking whether control frames wait.
const PIECE_BYTES: usize = 128 * 1024;

/// Runs the answering side until it ends in whichever way.
pub(super) async fn answer(
    connection: Arc<Connection>,
    mut send: SendStream,
    mut receive: RecvStream,
    inbox: Inbox,
) {
    let request = match timeout(REQUEST_TIME, receive.read_to_end(MAX_REQUEST_BYTES)).await {
        Ok(Ok(request)) => Bytes::from(request),
        Ok(Err(_)) | Err(_) => {
            let _ = receive.stop(GIVEN_UP);
            let _ = send.reset(GIVEN_UP);
            return;
        }
    };
    let stream = Stream::new(connection.next_stream(), connection.id);
    inbox.send(Input::Opened { stream: stream.clone(), request }).await;
    let given_up_there = write_answer(&connection, &stream, &mut send, &inbox).await;
    if given_up_there && !connection.has_ended() {
        let event = StreamEvent::Reset;
        inbox.send(Input::Stream { stream: stream.id, event }).await;
    }
}

/// Carries out the core's orders; `true` if it ended because the other side gave up.
async fn write_answer(
    connection: &Connection,
    stream: &Stream,
    send: &mut SendStream,
    inbox: &Inbox,
) -> bool {
    let stopped = send.stopped();
    tokio::pin!(stopped);
    loop {
        match stream.next_order() {
            Order::Reset => {
                let _ = send.reset(GIVEN_UP);
                return false;
            }
            Order::Finish => {
                let _ = send.finish();
                return false;
            }
            Order::Write(chunk) => {
                let written = tokio::select! {
                    biased;
                    () = stream.given_up() => continue,
                    written = write_chunk(connection, send, chunk) => written,
                };
                if written.is_err() {
                    return true;
                }
                let event = StreamEvent::Writable;
                inbox.send(Input::Stream { stream: stream.id, event }).await;
            }
            Order::Wait => tokio::select! {
                biased;
                () = stream.changed() => {}
                _ = &mut stopped => return true,
            },
        }
    }
}

async fn write_chunk(
    connection: &Connection,
    send: &mut SendStream,
    mut chunk: Bytes,
) -> Result<(), quinn::WriteError> {
    while !chunk.is_empty() {
        connection.frames_gone().await;
        let piece = chunk.split_to(chunk.len().min(PIECE_BYTES));
        send.write_chunk(piece).await?;
    }
    Ok(())
}

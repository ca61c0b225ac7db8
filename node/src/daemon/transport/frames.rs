//! Control frames: a length of four bytes (big-endian), then the frame.
//!
//! Purpose: reads frames as far as the core granted, writes the frames that wait.
//!
//! State: one frame that is being read.
//!
//! Invariants: not even a length is read without credit; a frame that is too long or empty ends the
//! connection; memory grows with what came, not with what was announced; long frames of strangers
//! share one small budget. The stream begins, from the dialler's side, with four zero bytes: they
//! open it, so that the other side may speak first.
//!
//! Never interprets a frame.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::{ReadExactError, RecvStream, SendStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Outgoing};
use crate::core::MAX_FRAME_BYTES;
use crate::daemon::input::{Inbox, Input};

/// What the dialler writes first.
pub(super) const OPENING: [u8; 4] = [0; 4];
/// Most bytes of frames handed to QUIC at once.
const BATCH_BYTES: usize = 256 * 1024;
/// Bytes of long frames of all strangers that may be in memory at once.
pub(super) const STRANGER_BYTES: usize = 32 * 1024 * 1024;
/// A frame up to this length is not long.
const SHORT_FRAME: usize = 64 * 1024;
/// How long the last frames may take.
const LAST_FRAMES: Duration = Duration::from_secs(1);
/// Frames go before chunks of answers.
const PRIORITY: i32 = 1;

/// Reads frames until the stream or the connection ends.
pub(super) async fn read(
    connection: Arc<Connection>,
    mut receive: RecvStream,
    inbox: Inbox,
    stranger_bytes: Arc<Semaphore>,
) {
    loop {
        connection.frame_credit().await;
        match read_frame(&connection, &mut receive, &stranger_bytes).await {
            Ok((bytes, _permit)) => {
                let connection = connection.id;
                if !inbox.send(Input::Frame { connection, bytes }).await {
                    return;
                }
            }
            Err(Stopped::Fault(fault)) => return connection.end(fault),
            Err(Stopped::Ended) => break,
        }
    }
    // The other side has ended its frames, and the connection follows, by its hand or by ours.
    tokio::select! {
        biased;
        _ = connection.quic().closed() => {}
        () = sleep(LAST_FRAMES * 2) => connection.close_now("the control stream has ended"),
    }
}

enum Stopped {
    /// The peer broke the rules.
    Fault(&'static str),
    /// No more frames come.
    Ended,
}

impl From<ReadExactError> for Stopped {
    fn from(_: ReadExactError) -> Stopped {
        Stopped::Ended
    }
}

async fn read_frame(
    connection: &Connection,
    receive: &mut RecvStream,
    stranger_bytes: &Arc<Semaphore>,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Stopped> {
    let mut length = [0; 4];
    receive.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length == 0 || length > MAX_FRAME_BYTES {
        return Err(Stopped::Fault("a control frame is too long or empty"));
    }
    let mut permit = None;
    if length > SHORT_FRAME && !connection.is_admitted() {
        let places = u32::try_from(length).unwrap_or(u32::MAX);
        let taken = stranger_bytes.clone().try_acquire_many_owned(places);
        permit = Some(taken.map_err(|_| Stopped::Fault("too busy with strangers"))?);
    }
    Ok((read_body(receive, length).await?, permit))
}

async fn read_body(receive: &mut RecvStream, length: usize) -> Result<Bytes, Stopped> {
    let mut body = BytesMut::new();
    loop {
        let chunk = match receive.read_chunk(length - body.len(), true).await {
            Ok(Some(chunk)) => chunk.bytes,
            Ok(None) | Err(_) => return Err(Stopped::Ended),
        };
        if body.is_empty() && chunk.len() == length {
            return Ok(chunk);
        }
        body.extend_from_slice(&chunk);
        if body.len() == length {
            return Ok(body.freeze());
        }
    }
}

/// Writes frames until the connection is to be closed, or ends.
pub(super) async fn write(connection: Arc<Connection>, mut send: SendStream) {
    let _ = send.set_priority(PRIORITY);
    loop {
        match connection.take_frames(BATCH_BYTES) {
            Outgoing::Frames(frames) => {
                if write_frames(&connection, &mut send, frames).await.is_err() {
                    return;
                }
            }
            Outgoing::Close(reason) => {
                let _ = send.finish();
                let _ = timeout(LAST_FRAMES, send.stopped()).await;
                return connection.close_now(reason);
            }
            Outgoing::Nothing => connection.frames_came().await,
        }
    }
}

async fn write_frames(
    connection: &Connection,
    send: &mut SendStream,
    frames: Vec<Bytes>,
) -> Result<(), quinn::WriteError> {
    let mut bytes = 0;
    let mut pieces = Vec::with_capacity(frames.len() * 2);
    for frame in frames {
        bytes += frame.len();
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        pieces.push(Bytes::copy_from_slice(&length.to_be_bytes()));
        pieces.push(frame);
    }
    send.write_all_chunks(&mut pieces).await?;
    connection.frames_sent(bytes);
    Ok(())
}

//! The asking side of a stream: request out, answer in.
//!
//! Purpose: opens the stream, writes the request, and reads the answer as far as the core granted.
//!
//! State: one block of memory that chunks are cut from, at most 256 KiB, reused while it lasts.
//!
//! Invariants: not a byte is read beyond the credit; the end is reported without credit; exactly
//! one of end and reset is reported, unless the connection ends or the core gave the stream up.
//!
//! Never waits to fill a chunk: what is there is handed on, what comes later follows.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use quinn::{RecvStream, SendStream};
use tokio::io::AsyncReadExt as _;

use super::connection::Connection;
use super::stream::{GIVEN_UP, Stream};
use crate::core::{MAX_CHUNK_BYTES, StreamEvent};
use crate::daemon::input::{Inbox, Input};

/// Memory taken at first for chunks; doubled with every further block, so that short answers stay
/// small whoever keeps them.
const FIRST_BLOCK_BYTES: usize = 16 * 1024;
/// Most memory taken at once for chunks.
const BLOCK_BYTES: usize = 256 * 1024;
/// A block with less room than this is left for a new one.
const LEAST_ROOM: usize = 8 * 1024;

/// Runs the asking side until it ends in whichever way.
pub(super) async fn ask(
    connection: Arc<Connection>,
    stream: Arc<Stream>,
    request: Bytes,
    inbox: Inbox,
) {
    let opened = tokio::select! {
        biased;
        () = stream.given_up() => return,
        opened = connection.quic().open_bi() => opened,
    };
    let Ok((mut send, mut receive)) = opened else { return };
    let sent = tokio::select! {
        biased;
        () = stream.given_up() => false,
        written = send.write_chunk(request) => written.is_ok() && send.finish().is_ok(),
    };
    let outcome = if sent {
        read_answer(&stream, &mut receive, &inbox).await
    } else {
        give_up(&mut send);
        Outcome::Broken
    };
    let _ = receive.stop(GIVEN_UP);
    let event = match outcome {
        Outcome::End => StreamEvent::End,
        Outcome::Broken if !connection.has_ended() => StreamEvent::Reset,
        Outcome::Broken | Outcome::GivenUp => return,
    };
    inbox.send(Input::Stream { stream: stream.id, event }).await;
}

fn give_up(send: &mut SendStream) {
    let _ = send.reset(GIVEN_UP);
}

enum Outcome {
    /// All was read.
    End,
    /// The other side gave up, or the connection ended.
    Broken,
    /// The core gave up.
    GivenUp,
}

async fn read_answer(stream: &Stream, receive: &mut RecvStream, inbox: &Inbox) -> Outcome {
    let mut block = BytesMut::new();
    let mut next_block = FIRST_BLOCK_BYTES;
    loop {
        let most = match stream.credit() {
            None => return Outcome::GivenUp,
            Some(0) => match wait_for_credit(stream, receive).await {
                None => continue,
                Some(outcome) => return outcome,
            },
            Some(credit) => usize::try_from(credit).unwrap_or(usize::MAX).min(MAX_CHUNK_BYTES),
        };
        let wanted = most.min(BLOCK_BYTES);
        if block.capacity() < wanted.min(LEAST_ROOM) {
            block.reserve(wanted.min(next_block));
            next_block = (next_block * 2).min(BLOCK_BYTES);
        }
        let mut room = (&mut block).limit(wanted);
        let read = tokio::select! {
            biased;
            () = stream.given_up() => return Outcome::GivenUp,
            read = receive.read_buf(&mut room) => read,
        };
        match read {
            Ok(0) => return Outcome::End,
            Ok(count) => stream.spend(count as u64),
            Err(_) => return Outcome::Broken,
        }
        let event = StreamEvent::Chunk(block.split().freeze());
        inbox.send(Input::Stream { stream: stream.id, event }).await;
    }
}

/// Waits for credit and looks out for the end meanwhile; `None`: orders have changed.
async fn wait_for_credit(stream: &Stream, receive: &mut RecvStream) -> Option<Outcome> {
    // A read of no bytes tells the end from data that waits, and takes nothing.
    let probe = tokio::select! {
        biased;
        () = stream.changed() => return None,
        probe = receive.read_chunk(0, true) => probe,
    };
    match probe {
        Ok(None) => Some(Outcome::End),
        Err(_) => Some(Outcome::Broken),
        Ok(Some(_)) => {
            stream.changed().await;
            None
        }
    }
}

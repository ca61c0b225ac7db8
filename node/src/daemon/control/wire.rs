//! Frames on the control socket.

use std::io;

use mirrormesh_gossip::{from_bytes_bounded, to_bytes_named};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest command, in bytes.
pub(super) const MAX_COMMAND: usize = 1024 * 1024;
/// Longest answer, in bytes.
pub(super) const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Memory that is taken before bytes have come.
const FIRST_BYTES: usize = 64 * 1024;

/// Reads a frame of at most `most` bytes; `None` at the end of the stream.
pub(super) async fn read<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > most {
        return Err(invalid(format!("{length} bytes, at most {most} are allowed")));
    }
    let mut bytes = Vec::with_capacity(length.min(FIRST_BYTES));
    stream.take(length as u64).read_to_end(&mut bytes).await?;
    from_bytes_bounded(&bytes, most).map(Some).map_err(invalid)
}

/// Writes a frame.
pub(super) async fn write<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    value: &T,
) -> io::Result<()> {
    let bytes = to_bytes_named(value).map_err(invalid)?;
    let length = u32::try_from(bytes.len()).map_err(invalid)?;
    let mut frame = Vec::with_capacity(bytes.len() + 4);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&bytes);
    stream.write_all(&frame).await
}

fn invalid(reason: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}

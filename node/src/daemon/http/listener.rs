//! A listener with a bounded number of connections.
//!
//! Purpose: any local user may connect to a loopback address, and may open many connections and
//! say nothing on them. The one that is open longest makes room for the next: a question is
//! answered within moments, and no one's silence keeps the load balancer's from being heard.
//!
//! State: the open connections, in the order in which they came.
//!
//! Invariants: at most [`CONNECTIONS`] are open, but for those that are just being ended.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Most connections at once.
const CONNECTIONS: usize = 64;

/// A listener that ends the oldest connection when there is no place for the next.
pub(super) struct Bounded<L> {
    listener: L,
    next: u64,
    open: Arc<Open>,
}

#[derive(Default)]
struct Open(Mutex<BTreeMap<u64, CancellationToken>>);

/// A connection and its place.
pub(super) struct Placed<T> {
    stream: T,
    number: u64,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    open: Arc<Open>,
}

impl Open {
    fn connections(&self) -> MutexGuard<'_, BTreeMap<u64, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L> Bounded<L> {
    pub(super) fn new(listener: L) -> Bounded<L> {
        Bounded { listener, next: 0, open: Arc::default() }
    }

    /// Takes a place, the oldest connection's if there is no other.
    fn place<T>(&mut self, stream: T) -> Placed<T> {
        self.next += 1;
        let (number, end) = (self.next, CancellationToken::new());
        let mut open = self.open.connections();
        if open.len() >= CONNECTIONS
            && let Some((_, oldest)) = open.pop_first()
        {
            oldest.cancel();
        }
        open.insert(number, end.clone());
        drop(open);
        Placed { stream, number, ended: Box::pin(end.cancelled_owned()), open: self.open.clone() }
    }
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Placed<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Placed<L::Io>, L::Addr) {
        let (stream, address) = self.listener.accept().await;
        (self.place(stream), address)
    }

    fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.local_addr()
    }
}

impl<T> Placed<T> {
    /// Whether it had to make room; else whoever waits is woken when it has to.
    fn has_ended(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.ended.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<T> Drop for Placed<T> {
    fn drop(&mut self) {
        self.open.connections().remove(&self.number);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Placed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.has_ended(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Placed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.has_ended(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.has_ended(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

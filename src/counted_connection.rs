//! TCP connections that count towards the connection limits until they are closed, also after an upgrade to a WebSocket, and the
//! guard of a WebSocket over HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client_limit::ClientPermit;
use crate::metrics::{Gauge, GaugeGuard};

/// A connection that counts until it is dropped.
#[derive(Debug)]
pub(crate) struct CountedConnection {
    stream: TcpStream,
    _permit: ClientPermit,
    _open: GaugeGuard,
}

impl CountedConnection {
    /// Counts `stream` in `open` and holds `permit` until it is dropped.
    pub(crate) fn new(stream: TcpStream, permit: ClientPermit, open: &Gauge) -> Self {
        Self { stream, _permit: permit, _open: GaugeGuard::new(open) }
    }
}

impl AsyncRead for CountedConnection {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, into)
    }
}

impl AsyncWrite for CountedConnection {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

/// Held by the socket that a stream of HTTP/2 is upgraded to. When the last clone is dropped, the stream soon ends, even if its
/// client accepts no bytes.
#[derive(Clone, Debug)]
pub(crate) struct UpgradeGuard {
    _released: Arc<DropGuard>,
}

impl UpgradeGuard {
    /// A guard that cancels `released` when its last clone is dropped.
    pub(crate) fn new(released: CancellationToken) -> Self {
        Self { _released: Arc::new(released.drop_guard()) }
    }
}

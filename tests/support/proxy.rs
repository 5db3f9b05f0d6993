//! Connections to a server that a test can break: a single one after some number of bytes, or all connections of a [`Proxy`],
//! which can also delay them or redirect them to another server.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::eventually;

/// Connects to a server. The connection passes on this many bytes from the server; then both of its ends are reset. When one end
/// closes, so does the other.
pub async fn connect_limited(server: &str, bytes: u64) -> io::Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let ((mut near, _), mut far) = (listener.accept().await?, TcpStream::connect(server).await?);
    reset_when_dropped(&near)?;
    reset_when_dropped(&far)?;
    tokio::spawn(async move {
        let (mut from_client, mut to_client) = near.split();
        let (from_server, mut to_server) = far.split();
        let mut allowed = from_server.take(bytes);
        tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => {}
            _ = copy(&mut allowed, &mut to_client) => {}
        }
    });
    Ok(client)
}

/// Makes a connection end with a reset instead of a normal close, so that bytes in transit are lost.
pub fn reset_when_dropped(connection: &TcpStream) -> io::Result<()> {
    SockRef::from(connection).set_linger(Some(Duration::ZERO))
}

/// A TCP proxy in front of a server. It runs on the runtime of the test, so a test that blocks while a server starts behind it
/// needs several threads.
pub struct Proxy {
    address: String,
    state: Arc<State>,
    _task: AbortOnDropHandle<()>,
}

/// How connections are forwarded.
struct State {
    /// `None` while connections are refused.
    server: Mutex<Option<String>>,
    /// Cancelled to reset the open connections.
    cut: Mutex<CancellationToken>,
    /// Delay of responses, in milliseconds.
    delay: AtomicU64,
    /// Bytes of responses that are still passed on, over all connections. Then the connection with the last byte is reset.
    allowed: AtomicU64,
}

impl Proxy {
    /// Starts a proxy in front of this server.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(State {
            server: Mutex::new(Some(server.to_owned())),
            cut: Mutex::default(),
            delay: AtomicU64::new(0),
            allowed: AtomicU64::new(u64::MAX),
        });
        let task = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(Arc::clone(&state).forward(near));
                }
            }
        });
        Self { address, state, _task: AbortOnDropHandle::new(task) }
    }

    /// Host and port of the proxy.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Resets all open connections.
    pub fn cut(&self) {
        std::mem::take(&mut *self.state.cut.lock().expect("the token")).cancel();
    }

    /// Resets the connection that carries the last of this many bytes of responses.
    pub fn cut_after_bytes(&self, bytes: u64) {
        self.state.allowed.store(bytes, Ordering::Relaxed);
    }

    /// Waits until [`cut_after_bytes`](Self::cut_after_bytes) has reset a connection.
    pub async fn wait_for_cut(&self) {
        eventually("the bytes have passed", async || self.state.allowed.load(Ordering::Relaxed) == u64::MAX).await;
    }

    /// Resets all connections. New ones go to this server, or are reset if there is none.
    pub fn redirect_to(&self, server: Option<&str>) {
        *self.state.server.lock().expect("the server") = server.map(str::to_owned);
        self.cut();
    }

    /// Delays all responses by this time.
    pub fn delay(&self, delay: Duration) {
        self.state.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl State {
    async fn forward(self: Arc<Self>, mut near: TcpStream) {
        let _ = reset_when_dropped(&near);
        let cut = self.cut.lock().expect("the token").clone();
        let server = self.server.lock().expect("the server").clone();
        let Some(server) = server else { return };
        let Ok(mut far) = TcpStream::connect(server).await else { return };
        let _ = reset_when_dropped(&far).and(near.set_nodelay(true)).and(far.set_nodelay(true));
        let (mut from_client, to_client) = near.split();
        let (from_server, mut to_server) = far.split();
        tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => {}
            _ = self.forward_responses(from_server, to_client) => {}
            () = cut.cancelled() => {}
        }
    }

    /// Passes on bytes from the server after the delay, until no more are allowed.
    async fn forward_responses(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(1_024);
        let read = async {
            loop {
                let mut chunk = Vec::with_capacity(16 * 1024);
                if from.read_buf(&mut chunk).await? == 0 {
                    return io::Result::Ok(());
                }
                let due = Instant::now() + Duration::from_millis(self.delay.load(Ordering::Relaxed));
                let _ = sender.send((due, chunk)).await;
            }
        };
        let write = async {
            while let Some((due, chunk)) = receiver.recv().await {
                sleep_until(due).await;
                let (mut left, bytes) = (0, chunk.len() as u64);
                let take = |allowed: u64| {
                    left = allowed;
                    Some(if allowed <= bytes {
                        u64::MAX
                    } else if allowed == u64::MAX {
                        allowed
                    } else {
                        allowed - bytes
                    })
                };
                let _ = self.allowed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
                to.write_all(&chunk[..bytes.min(left) as usize]).await?;
                if left <= bytes {
                    break;
                }
            }
            io::Result::Ok(())
        };
        tokio::select! { read = read => read, written = write => written }
    }
}

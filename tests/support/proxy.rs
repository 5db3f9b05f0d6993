//! Ways to a server that can be cut: one line after so many bytes, wherever in a message that is, or a [`Proxy`] whose
//! lines are cut together, led elsewhere, or slow.

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

/// Connects to a server. The line passes on so many bytes of what the server says; then both of its ends are reset. It
/// ends with either end.
pub async fn connect_for(server: &str, bytes: u64) -> io::Result<TcpStream> {
    let door = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(door.local_addr()?).await?;
    let ((mut near, _), mut far) = (door.accept().await?, TcpStream::connect(server).await?);
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

/// The line will not end politely: whatever is under way on it is thrown away.
pub fn reset_when_dropped(line: &TcpStream) -> io::Result<()> {
    SockRef::from(line).set_linger(Some(Duration::ZERO))
}

/// An address that leads to a server, as long as this lives. It works only while the test's runtime does: a test that
/// waits for a server to start through it needs several threads.
pub struct Proxy {
    address: String,
    way: Arc<Way>,
    _task: AbortOnDropHandle<()>,
}

/// Where the lines lead, and how.
struct Way {
    /// `None` while nobody gets through.
    server: Mutex<Option<String>>,
    /// Cancelled to cut the lines there are.
    cut: Mutex<CancellationToken>,
    /// How much later answers come, in milliseconds.
    delay: AtomicU64,
    /// How many bytes of answers are passed on, all lines together, before the line that takes the last one is cut.
    allowed: AtomicU64,
}

impl Proxy {
    /// A way to this server.
    pub async fn to(server: &str) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = door.local_addr().expect("an address").to_string();
        let way = Arc::new(Way {
            server: Mutex::new(Some(server.to_owned())),
            cut: Mutex::default(),
            delay: AtomicU64::new(0),
            allowed: AtomicU64::new(u64::MAX),
        });
        let task = tokio::spawn({
            let way = Arc::clone(&way);
            async move {
                while let Ok((near, _)) = door.accept().await {
                    tokio::spawn(Arc::clone(&way).carry(near));
                }
            }
        });
        Self { address, way, _task: AbortOnDropHandle::new(task) }
    }

    /// Host and port of the near end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Resets all lines there are.
    pub fn cut(&self) {
        std::mem::take(&mut *self.way.cut.lock().expect("the lines")).cancel();
    }

    /// Cuts the line that takes the last of so many more bytes of answers.
    pub fn cut_after_bytes(&self, bytes: u64) {
        self.way.allowed.store(bytes, Ordering::Relaxed);
    }

    /// Waits until [`cut_after_bytes`](Self::cut_after_bytes) has had its effect.
    pub async fn has_cut(&self) {
        eventually("the bytes have passed", async || self.way.allowed.load(Ordering::Relaxed) == u64::MAX).await;
    }

    /// Cuts all lines; new ones lead to this server, or are reset if there is none.
    pub fn lead_to(&self, server: Option<&str>) {
        *self.way.server.lock().expect("the way") = server.map(str::to_owned);
        self.cut();
    }

    /// Has every answer come so much later.
    pub fn delay(&self, delay: Duration) {
        self.way.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Way {
    async fn carry(self: Arc<Self>, mut near: TcpStream) {
        let _ = reset_when_dropped(&near);
        let cut = self.cut.lock().expect("the lines").clone();
        let server = self.server.lock().expect("the way").clone();
        let Some(server) = server else { return };
        let Ok(mut far) = TcpStream::connect(server).await else { return };
        let _ = reset_when_dropped(&far).and(near.set_nodelay(true)).and(far.set_nodelay(true));
        let (mut from_client, to_client) = near.split();
        let (from_server, mut to_server) = far.split();
        tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => {}
            _ = self.pass_on(from_server, to_client) => {}
            () = cut.cancelled() => {}
        }
    }

    /// Passes on what the server says, each piece when its time has come, until no more bytes are allowed.
    async fn pass_on(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
        let (pieces, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(1_024);
        let read = async {
            loop {
                let mut piece = Vec::with_capacity(16 * 1024);
                if from.read_buf(&mut piece).await? == 0 {
                    return io::Result::Ok(());
                }
                let when = Instant::now() + Duration::from_millis(self.delay.load(Ordering::Relaxed));
                let _ = pieces.send((when, piece)).await;
            }
        };
        let write = async {
            while let Some((when, piece)) = due.recv().await {
                sleep_until(when).await;
                let (mut rest, bytes) = (0, piece.len() as u64);
                let take = |allowed: u64| {
                    rest = allowed;
                    Some(if allowed <= bytes {
                        u64::MAX
                    } else if allowed == u64::MAX {
                        allowed
                    } else {
                        allowed - bytes
                    })
                };
                let _ = self.allowed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
                to.write_all(&piece[..bytes.min(rest) as usize]).await?;
                if rest <= bytes {
                    break;
                }
            }
            io::Result::Ok(())
        };
        tokio::select! { read = read => read, written = write => written }
    }
}

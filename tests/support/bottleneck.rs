//! A TCP proxy that stops forwarding after some number of bytes, so that a test can act in the middle of a transfer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// A TCP proxy that stalls once clients have sent this many bytes, over all connections.
pub struct Bottleneck {
    address: SocketAddr,
    left: Arc<AtomicUsize>,
    _accepting: AbortOnDropHandle<()>,
}

impl Bottleneck {
    /// Starts a proxy in front of `server` that forwards this many bytes.
    pub async fn before(server: SocketAddr, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, left) = (listener.local_addr().expect("its address"), Arc::new(AtomicUsize::new(bytes)));
        let shared_left = Arc::clone(&left);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(server).await else { continue };
                connections.spawn(forward(near, far, Arc::clone(&shared_left)));
            }
        });
        Self { address, left, _accepting: AbortOnDropHandle::new(accepting) }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn is_stalled(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

async fn forward(mut near: TcpStream, mut far: TcpStream, left: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = near.split();
    let (mut from_server, mut to_server) = far.split();
    let requests = async {
        let mut buffer = vec![0; 4_096];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(read)));
            if before.is_ok_and(|before| before <= read) {
                std::future::pending::<()>().await;
            }
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

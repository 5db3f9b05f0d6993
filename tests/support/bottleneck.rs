//! A way to a server that stands still after so many bytes, so that a client can be met in the middle of its work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// A way to a server that stands still, for all lines together, once clients have said so many bytes.
pub struct Bottleneck {
    address: SocketAddr,
    left: Arc<AtomicUsize>,
    _accepting: AbortOnDropHandle<()>,
}

impl Bottleneck {
    pub async fn before(server: SocketAddr, bytes: usize) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, left) = (door.local_addr().expect("its address"), Arc::new(AtomicUsize::new(bytes)));
        let allowance = Arc::clone(&left);
        let accepting = tokio::spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((near, _)) = door.accept().await {
                let Ok(far) = TcpStream::connect(server).await else { continue };
                lines.spawn(pass_on(near, far, Arc::clone(&allowance)));
            }
        });
        Self { address, left, _accepting: AbortOnDropHandle::new(accepting) }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn stands_still(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

async fn pass_on(mut near: TcpStream, mut far: TcpStream, left: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = near.split();
    let (mut from_server, mut to_server) = far.split();
    let inward = async {
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
        () = inward => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

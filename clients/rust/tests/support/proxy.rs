//! A TCP proxy in front of a server, which a test can break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::server::Server;

/// What happens to connections.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Forward,
    /// New ones are reset.
    Refuse,
    /// Nothing is forwarded, and nothing is closed.
    Stall,
}

pub struct Proxy {
    url: String,
    mode: watch::Sender<Mode>,
    cut: watch::Sender<()>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let target = server.url().trim_start_matches("http://").to_owned();
        let (mode, cut) = (watch::Sender::new(Mode::Forward), watch::Sender::new(()));
        let accepted = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn({
            let (mode, cut, accepted) = (mode.clone(), cut.clone(), Arc::clone(&accepted));
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    if *mode.borrow() != Mode::Refuse {
                        accepted.fetch_add(1, Ordering::Relaxed);
                        tokio::spawn(forward(near, target.clone(), mode.subscribe(), cut.subscribe()));
                    }
                }
            }
        });
        Self { url, mode, cut, accepted, task }
    }

    /// The address of the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Number of accepted connections.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Resets all open connections.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }

    /// Resets all open connections, and refuses new ones.
    pub fn refuse(&self) {
        self.mode.send_replace(Mode::Refuse);
        self.cut();
    }

    /// Stops forwarding, without closing anything.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Accepts new connections again.
    pub fn accept(&self) {
        self.mode.send_replace(Mode::Forward);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn forward(mut near: TcpStream, target: String, mut mode: watch::Receiver<Mode>, mut cut: watch::Receiver<()>) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    // Bytes in transit are lost.
    let _ = near.set_zero_linger().and(far.set_zero_linger());
    let _ = near.set_nodelay(true).and(far.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        _ = cut.changed() => return,
        _ = mode.wait_for(|mode| *mode == Mode::Stall) => {}
    }
    tokio::select! {
        _ = cut.changed() => {}
        _ = mode.wait_for(|mode| *mode != Mode::Stall) => {}
    }
}

//! The floor: the least an axum server can do to deliver. It accepts sockets at `/`, and every frame that is posted there
//! goes to all of them as it is, through one broadcast. A process of its own: the benchmark's binary, started again.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use tokio::sync::broadcast;

/// The argument with which a benchmark's binary is the floor.
const ROLE: &str = "--be-the-floor";

/// As the server has them.
const READ_BUFFER: usize = 2 * 1024;
const BACKLOG: usize = 64;

/// A running floor, ended when dropped.
pub struct Floor {
    process: Child,
    address: String,
}

impl Floor {
    pub fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this benchmark"))
            .arg(ROLE)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this benchmark again");
        let mut address = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut address).expect("its address");
        Self { process, address: address.trim().to_owned() }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Serves, and does not return, when this process is to be the floor. The first thing a benchmark's `main` does.
pub fn serve_if_asked() {
    if std::env::args().any(|argument| argument == ROLE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(serve());
    }
}

async fn serve() {
    let (live, _) = broadcast::channel::<Utf8Bytes>(BACKLOG);
    let router = Router::new().route("/", get(accept).post(publish)).with_state(live);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("its address"));
    axum::serve(listener, router).await.expect("a server that goes on");
}

type Live = State<broadcast::Sender<Utf8Bytes>>;

async fn publish(State(live): Live, frame: String) {
    // Fails when nobody listens.
    let _ = live.send(frame.into());
}

async fn accept(State(live): Live, upgrade: WebSocketUpgrade) -> axum::response::Response {
    let live = live.subscribe();
    upgrade.read_buffer_size(READ_BUFFER).on_upgrade(move |socket| deliver(socket, live))
}

async fn deliver(mut socket: WebSocket, mut live: broadcast::Receiver<Utf8Bytes>) {
    loop {
        tokio::select! {
            frame = live.recv() => {
                // Who lags behind is cut off, which the benchmark notices.
                let Ok(frame) = frame else { return };
                if socket.send(Message::Text(frame)).await.is_err() {
                    return;
                }
            }
            said = socket.recv() => {
                if !matches!(said, Some(Ok(_))) {
                    return;
                }
            }
        }
    }
}

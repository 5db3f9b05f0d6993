//! The floor: the least an axum server can do. It delivers: it accepts sockets at `/`, and every frame that is posted there
//! goes to all of them as it is, through one broadcast. On a Redis it also keeps messages: what is posted at `/rooms/NAME`
//! is appended to a list and announced, and the last 50 can be read there. A process of its own: the benchmark's
//! binary, started again.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, RedisError, Script};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// The argument with which a benchmark's binary is the floor. The one after it is a Redis, if it has one.
const ROLE: &str = "--be-the-floor";

/// As the server has them.
const READ_BUFFER: usize = 2 * 1024;
const BACKLOG: usize = 64;

/// How many messages are read at a time.
pub const PAGE: usize = 50;

const APPEND: &str =
    "local count = redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('PUBLISH', KEYS[1], ARGV[1]) return count";

/// A running floor, ended when dropped.
pub struct Floor {
    process: Child,
    address: String,
}

impl Floor {
    /// One that delivers.
    pub fn start() -> Self {
        Self::with(&[ROLE])
    }

    /// One that also keeps messages in this Redis.
    pub fn on_redis(url: &str) -> Self {
        Self::with(&[ROLE, url])
    }

    fn with(arguments: &[&str]) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this benchmark"))
            .args(arguments)
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
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(role) = arguments.iter().position(|argument| argument == ROLE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(serve(arguments.get(role + 1)));
    }
}

async fn serve(redis: Option<&String>) {
    let (live, _) = broadcast::channel::<Utf8Bytes>(BACKLOG);
    let mut router = Router::new().route("/", get(accept).post(publish)).with_state(live);
    if let Some(url) = redis {
        let client = redis::Client::open(&**url).expect("a URL of our own");
        let redis = client.get_multiplexed_async_connection().await.expect("a connection to redis-server");
        let room = Room { redis, append: Arc::new(Script::new(APPEND)) };
        router = router.merge(Router::new().route("/rooms/{room}", get(read).post(append)).with_state(room));
    }
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

#[derive(Clone)]
struct Room {
    redis: MultiplexedConnection,
    append: Arc<Script>,
}

#[derive(Serialize, Deserialize)]
struct Said {
    id: String,
    name: String,
    text: String,
}

#[derive(Serialize)]
struct Appended {
    index: u64,
}

struct Failed(RedisError);

impl From<RedisError> for Failed {
    fn from(error: RedisError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

/// One call of a script that Redis knows.
async fn append(
    State(mut room): State<Room>,
    Path(name): Path<String>,
    Json(said): Json<Said>,
) -> Result<Json<Appended>, Failed> {
    let message = serde_json::to_string(&said).expect("strings");
    let count: u64 = room.append.key(name).arg(message).invoke_async(&mut room.redis).await?;
    Ok(Json(Appended { index: count - 1 }))
}

async fn read(State(mut room): State<Room>, Path(name): Path<String>) -> Result<impl IntoResponse, Failed> {
    let messages: Vec<String> = room.redis.lrange(name, -(PAGE as isize), -1).await?;
    Ok(([(CONTENT_TYPE, "application/json")], format!("[{}]", messages.join(","))))
}

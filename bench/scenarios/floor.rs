//! The floor: a minimal axum chat server on Redis, as a lower bound for the cost of livechat.
//!
//! `POST /rooms/NAME` appends a message to a list and announces it; `GET /rooms/NAME` reads the last 50; sockets at
//! `/rooms/NAME/live` receive announcements unchanged through one broadcast per room, after the last N messages if they ask for
//! them. The floor runs in a child process: the benchmark's own binary.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::{SinkExt as _, StreamExt as _};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, RedisError, Script};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// The argument that makes the binary the floor; the URL of Redis follows.
const ROLE: &str = "--be-the-floor";

/// The same as in livechat.
const READ_BUFFER: usize = 1024;
const BACKLOG: usize = 64;

/// Messages per read.
pub const PAGE: usize = 50;

/// The list and the channel of a room have the same name.
const APPEND: &str =
    "local count = redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('PUBLISH', KEYS[1], ARGV[1]) return count";
const CHANNELS: &str = "floor:*";

fn key(room: &str) -> String {
    format!("floor:{room}")
}

/// A running floor, killed when dropped.
pub struct Floor {
    process: Child,
    address: String,
}

impl Floor {
    pub fn on_redis(url: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this benchmark"))
            .args([ROLE, url])
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

/// Runs the floor and does not return, if this process was started as one. Call it first in `main`.
pub fn serve_if_child() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(role) = arguments.iter().position(|argument| argument == ROLE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(serve(&arguments[role + 1]));
    }
}

async fn serve(redis: &str) {
    let client = redis::Client::open(redis).expect("a URL of our own");
    let redis = client.get_multiplexed_async_connection().await.expect("a connection to redis-server");
    let rooms = Rooms::default();
    let mut announcements = client.get_async_pubsub().await.expect("a connection to redis-server");
    announcements.psubscribe(CHANNELS).await.expect("a subscription");
    tokio::spawn(announce(announcements, Arc::clone(&rooms)));
    let router = Router::new()
        .route("/rooms/{room}", get(read).post(append))
        .route("/rooms/{room}/live", get(follow))
        .with_state(AppState { redis, append: Arc::new(Script::new(APPEND)), rooms });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("its address"));
    axum::serve(listener, router).await.expect("a running server");
}

type Rooms = Arc<Mutex<HashMap<String, broadcast::Sender<Utf8Bytes>>>>;

#[derive(Clone)]
struct AppState {
    redis: MultiplexedConnection,
    append: Arc<Script>,
    rooms: Rooms,
}

async fn announce(announcements: redis::aio::PubSub, rooms: Rooms) {
    let mut announcements = announcements.into_on_message();
    while let Some(announcement) = announcements.next().await {
        let live = rooms.lock().unwrap_or_else(PoisonError::into_inner).get(announcement.get_channel_name()).cloned();
        if let (Some(live), Ok(message)) = (live, announcement.get_payload::<String>()) {
            // Fails when no socket is open.
            let _ = live.send(message.into());
        }
    }
}

#[derive(Deserialize)]
struct Past {
    /// Messages to send before the live ones.
    #[serde(default)]
    last: isize,
}

async fn follow(
    State(mut state): State<AppState>,
    Path(room): Path<String>,
    Query(Past { last }): Query<Past>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failed> {
    let live = {
        let mut rooms = state.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(key(&room)).or_insert_with(|| broadcast::channel(BACKLOG).0).subscribe()
    };
    let past: Vec<String> = if last == 0 { Vec::new() } else { state.redis.lrange(key(&room), -last, -1).await? };
    Ok(upgrade.read_buffer_size(READ_BUFFER).on_upgrade(move |socket| deliver(socket, past, live)))
}

async fn deliver(mut socket: WebSocket, past: Vec<String>, mut live: broadcast::Receiver<Utf8Bytes>) {
    for message in past {
        if socket.feed(Message::Text(message.into())).await.is_err() {
            return;
        }
    }
    if socket.flush().await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            message = live.recv() => {
                // A lagging reader is disconnected, and the benchmark fails.
                let Ok(message) = message else { return };
                if socket.send(Message::Text(message)).await.is_err() {
                    return;
                }
            }
            received = socket.recv() => {
                if !matches!(received, Some(Ok(_))) {
                    return;
                }
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct NewMessage {
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
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

/// One call of a cached script.
async fn append(
    State(mut state): State<AppState>,
    Path(room): Path<String>,
    Json(message): Json<NewMessage>,
) -> Result<Json<Appended>, Failed> {
    let message = serde_json::to_string(&message).expect("strings");
    let count: u64 = state.append.key(key(&room)).arg(message).invoke_async(&mut state.redis).await?;
    Ok(Json(Appended { index: count - 1 }))
}

async fn read(State(mut state): State<AppState>, Path(room): Path<String>) -> Result<impl IntoResponse, Failed> {
    let messages: Vec<String> = state.redis.lrange(key(&room), -(PAGE as isize), -1).await?;
    Ok(([(CONTENT_TYPE, "application/json")], format!("[{}]", messages.join(","))))
}

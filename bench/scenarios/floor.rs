//! The floor: the least an axum server can do on a Redis. What is posted at `/rooms/NAME` is appended to a list and announced;
//! the last 50 can be read there; and sockets at `/rooms/NAME/live` get what is announced, as it is, through one broadcast
//! a room, after the last so many if they ask for them. A process of its own: the benchmark's binary, started again.

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

/// The argument with which a benchmark's binary is the floor. The one after it is its Redis.
const ROLE: &str = "--be-the-floor";

/// As the server has them.
const READ_BUFFER: usize = 1024;
const BACKLOG: usize = 64;

/// How many messages are read at a time.
pub const PAGE: usize = 50;

/// A list and the channel of its announcements have one name.
const APPEND: &str =
    "local count = redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('PUBLISH', KEYS[1], ARGV[1]) return count";
const CHANNELS: &str = "floor:*";

fn key(room: &str) -> String {
    format!("floor:{room}")
}

/// A running floor, ended when dropped.
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

/// Serves, and does not return, when this process is to be the floor. The first thing a benchmark's `main` does.
pub fn serve_if_asked() {
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
        .with_state(All { redis, append: Arc::new(Script::new(APPEND)), rooms });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("its address"));
    axum::serve(listener, router).await.expect("a server that goes on");
}

type Rooms = Arc<Mutex<HashMap<String, broadcast::Sender<Utf8Bytes>>>>;

#[derive(Clone)]
struct All {
    redis: MultiplexedConnection,
    append: Arc<Script>,
    rooms: Rooms,
}

async fn announce(announcements: redis::aio::PubSub, rooms: Rooms) {
    let mut announcements = announcements.into_on_message();
    while let Some(announcement) = announcements.next().await {
        let live = rooms.lock().unwrap_or_else(PoisonError::into_inner).get(announcement.get_channel_name()).cloned();
        if let (Some(live), Ok(message)) = (live, announcement.get_payload::<String>()) {
            // Fails when nobody listens.
            let _ = live.send(message.into());
        }
    }
}

#[derive(Deserialize)]
struct Past {
    /// How many messages come before the live ones.
    #[serde(default)]
    last: isize,
}

async fn follow(
    State(mut all): State<All>,
    Path(room): Path<String>,
    Query(Past { last }): Query<Past>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failed> {
    let live = {
        let mut rooms = all.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(key(&room)).or_insert_with(|| broadcast::channel(BACKLOG).0).subscribe()
    };
    let past: Vec<String> = if last == 0 { Vec::new() } else { all.redis.lrange(key(&room), -last, -1).await? };
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
                // Who lags behind is cut off, which the benchmark notices.
                let Ok(message) = message else { return };
                if socket.send(Message::Text(message)).await.is_err() {
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
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

/// One call of a script that Redis knows.
async fn append(
    State(mut all): State<All>,
    Path(room): Path<String>,
    Json(said): Json<Said>,
) -> Result<Json<Appended>, Failed> {
    let message = serde_json::to_string(&said).expect("strings");
    let count: u64 = all.append.key(key(&room)).arg(message).invoke_async(&mut all.redis).await?;
    Ok(Json(Appended { index: count - 1 }))
}

async fn read(State(mut all): State<All>, Path(room): Path<String>) -> Result<impl IntoResponse, Failed> {
    let messages: Vec<String> = all.redis.lrange(key(&room), -(PAGE as isize), -1).await?;
    Ok(([(CONTENT_TYPE, "application/json")], format!("[{}]", messages.join(","))))
}

//! The floor: a minimal axum chat server on Redis, as a lower bound for the cost of livechat.
//!
//! `POST /rooms/NAME` appends a message to a list and announces it; `GET /rooms/NAME` reads the last 50; sockets at
//! `/rooms/NAME/live` receive announcements unchanged through one broadcast per room, after the last N messages if they ask for
//! them.

use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::SinkExt as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, RedisError, Script};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::connect;
use super::rooms::Rooms;

/// Bytes. Small, because there are thousands of sockets.
const READ_BUFFER: usize = 1024;

/// Messages per read.
const PAGE: isize = 50;

/// The list and the channel of a room have the same name.
const APPEND: &str =
    "local count = redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('PUBLISH', KEYS[1], ARGV[1]) return count";

fn key(room: &str) -> String {
    format!("floor:{room}")
}

#[derive(Clone)]
struct AppState {
    redis: MultiplexedConnection,
    append: Arc<Script>,
    rooms: Rooms<Utf8Bytes>,
}

pub async fn router(client: &redis::Client) -> Router {
    let redis = connect(client).await;
    let rooms = Rooms::listen(client, "floor:*", Utf8Bytes::from).await;
    Router::new()
        .route("/rooms/{room}", get(read).post(append))
        .route("/rooms/{room}/live", get(follow))
        .with_state(AppState { redis, append: Arc::new(Script::new(APPEND)), rooms })
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
    let live = state.rooms.subscribe(key(&room));
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
    let messages: Vec<String> = state.redis.lrange(key(&room), -PAGE, -1).await?;
    Ok(([(CONTENT_TYPE, "application/json")], format!("[{}]", messages.join(","))))
}

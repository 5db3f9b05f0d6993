//! Responses with a whole room or the list of all rooms: sent page by page, limited in number, also to slow clients.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::legacy_room::{self, LegacyRoom};
use crate::support::client::{RoomKey, User};
use crate::support::http::{Answer, Client};
use crate::support::memory::resident_bytes;
use crate::support::raw::{self, Raw};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::{TIMEOUT, eventually};

/// Size of a message of maximum length, in bytes.
const LARGE: usize = 4 * 3_990;

/// Number of messages in a full room: more than fit into the buffers of a connection.
const MESSAGES: usize = 240;

/// Fills a room with messages of maximum size.
async fn fill(server: &Server, room: &RoomKey, count: usize) {
    const SENDERS: usize = 8;
    join_all((0..SENDERS).map(|sender| async move {
        let mut user = User::of(server.client());
        for n in 0..count / SENDERS {
            user.send(room, &format!("{sender}/{n} {}", "\u{1f980}".repeat(LARGE / 4))).await;
        }
    }))
    .await;
}

async fn full_room(server: &Server, count: usize) -> RoomKey {
    let room = server.client().create_room().await;
    fill(server, &room, count).await;
    room
}

fn room_body(room: &RoomKey) -> Value {
    json!({ "room_id": room.id, "room_code": room.code })
}

/// Requests a whole room from this address, on a connection with a small receive buffer.
async fn request_slowly(server: &Server, room: &RoomKey, host: u8) -> Raw {
    let mut connection = connect_from(server, host).await;
    let body = room_body(room).to_string();
    let headers = format!("connection: close\r\ncontent-length: {}\r\n", body.len());
    connection.send(raw::post("/room", &headers, &body)).await;
    connection
}

async fn connect_from(server: &Server, host: u8) -> Raw {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    socket.bind(SocketAddr::new(address(host), 0)).expect("an address of this machine");
    Raw(socket.connect(server.address().parse().expect("an address")).await.expect("a connection"))
}

/// A loopback address of this machine.
fn address(host: u8) -> IpAddr {
    Ipv4Addr::new(127, 1, 7, host).into()
}

fn client_from(server: &Server, host: u8) -> Client {
    Client::from_address(&server.url(""), address(host))
}

/// Reads the head of a response, and asserts that it is chunked.
async fn assert_chunked(connection: &mut Raw) {
    let head = connection.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
    assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
}

/// Reads until the server closes the connection.
async fn read_to_end(mut connection: Raw) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset also ends the connection.
    let _ = timeout(TIMEOUT, connection.0.read_to_end(&mut bytes)).await.expect("the server closes in time");
    bytes
}

/// Decodes a chunked body; `None` if the last chunk is missing.
fn decode_chunks(mut body: &[u8]) -> Option<String> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|bytes| bytes == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).ok()?, 16).ok()?;
        let chunk = &body[line + 2..];
        if size == 0 {
            return String::from_utf8(whole).ok();
        }
        whole.extend_from_slice(chunk.get(..size)?);
        body = chunk.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[tokio::test]
async fn room_of_many_pages_is_one_valid_document() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let room = LegacyRoom::on(server).await;
        let texts: Vec<_> = (0..180).map(|n| format!("{n} \"\\\n\t\u{7fff}</{}", "x".repeat(n * 7))).collect();
        let mut messages = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            let user = format!("user-{n:010}");
            let answer = room.send(&room.send_body(&user, "", text)).await.json();
            let data = |name: &str| answer["data"][name].to_string();
            messages.push(format!(
                r#"{{"display_name":{},"user_id":"{user}","created_at":{},"message":{},"deleted":false}}"#,
                data("display_name"),
                data("created_at"),
                data("message"),
            ));
        }
        let answer = room.client.post("/room/", &room.body(&[])).await;
        let chatters: Vec<_> = (0..180).map(|n| format!("\"user-{n:010}\"")).collect();
        let expected = format!(
            r#"{{"status_code":200,"message":"sucessful","data":{{"room_id":"{}","room_code":"{}","created_at":{},"chatters_amount":180,"chatters":[{}],"messages":[{}]}},"room":"{}"}}"#,
            room.id,
            room.code,
            answer.json()["data"]["created_at"],
            chatters.join(","),
            messages.join(","),
            room.id,
        );
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert!(answer.header("content-length").is_none(), "the response is too large to be buffered");
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn short_response_has_a_content_length() {
    let room = LegacyRoom::new().await;
    room.send_as(legacy_room::ALICE, "", "hi").await;
    for answer in [
        room.client.post("/v1/room/", &room.body(&[])).await,
        room.client.get("/v1/rooms_views/").await,
        room.client.get("/v1/room/create/").await,
    ] {
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{}", answer.body);
        assert!(answer.header("transfer-encoding").is_none());
    }
}

#[tokio::test]
async fn slow_reader_of_a_full_room_needs_the_memory_of_one_page() {
    for (server, _redis) in Server::on_each_store(&[("WRITE_TIMEOUT", "10m")]).await {
        let room = full_room(&server, MESSAGES).await;
        let client = Client::of(&server.url(""));
        let full_size = client.post("/room", &room_body(&room)).await.body.len();
        assert!(full_size > MESSAGES * LARGE, "{full_size}");
        let before = resident_bytes(server.process_id());
        let mut connections = Vec::new();
        for _ in 0..8 {
            let mut connection = request_slowly(&server, &room, 1).await;
            assert_chunked(&mut connection).await;
            connections.push(connection);
        }
        let grown = resident_bytes(server.process_id()).saturating_sub(before);
        assert!(grown < 20 * 1024 * 1024, "8 readers of {full_size} bytes made the server grow by {grown} bytes");
        let last = connections.pop().expect("a reader");
        drop(connections);
        assert_eq!(decode_chunks(&read_to_end(last).await).map(|body| body.len()), Some(full_size));
    }
}

#[tokio::test]
async fn concurrent_reads_are_limited_per_client_and_in_total() {
    let settings = [("MAX_LEGACY_READS_PER_CLIENT", "2"), ("MAX_LEGACY_READS", "3"), ("WRITE_TIMEOUT", "10m")];
    let server = Server::with(&settings);
    let room = full_room(&server, MESSAGES).await;
    let mut slow = Vec::new();
    for host in [1, 1, 2] {
        let mut connection = request_slowly(&server, &room, host).await;
        assert_chunked(&mut connection).await;
        slow.push(connection);
        if slow.len() == 2 {
            let greedy = client_from(&server, 1);
            let message = "too many rooms are being read from this address; wait until one is complete";
            let expected = json!({ "status_code": 429, "message": message, "data": null });
            for answer in [greedy.post("/room", &room_body(&room)).await, greedy.get("/v1/rooms_views/").await] {
                assert_eq!((answer.status, answer.json()), (429, expected.clone()));
                assert_eq!(answer.header("retry-after"), Some("1"));
            }
            assert_eq!(client_from(&server, 3).get("/rooms_views").await.status, 200);
        }
    }
    let other = client_from(&server, 3);
    let expected = json!({ "status_code": 503, "message": "too many rooms are being read; try again", "data": null });
    for answer in [other.post("/v1/room", &room_body(&room)).await, other.get("/rooms_views/").await] {
        assert_eq!((answer.status, answer.json()), (503, expected.clone()));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    // The limits do not apply to other requests, nor to errors.
    assert_eq!(other.get("/room/create").await.status, 200);
    let mut wrong = room_body(&room);
    wrong["room_code"] = json!("12345");
    assert_eq!(other.post("/room", &wrong).await.status, 403);
    drop(slow);
    eventually("rooms can be read again", async || other.get("/rooms_views").await.status == 200).await;
    assert_eq!(client_from(&server, 1).post("/room", &room_body(&room)).await.status, 200);
}

#[tokio::test]
async fn response_has_the_messages_of_the_room_at_its_start() {
    let server = Server::with(&[("WRITE_TIMEOUT", "10m")]);
    let room = full_room(&server, MESSAGES).await;
    let mut connection = request_slowly(&server, &room, 1).await;
    assert_chunked(&mut connection).await;
    let mut late = User::of(server.client());
    late.send(&room, "too late").await;
    let body = decode_chunks(&read_to_end(connection).await).expect("all chunks");
    let record: Value = serde_json::from_str(&body).expect("one document");
    assert_eq!(record["data"]["messages"].as_array().expect("messages").len(), MESSAGES);
    assert_eq!(
        (&record["data"]["chatters_amount"], record["data"]["chatters"].as_array().map(Vec::len)),
        (&json!(8), Some(8))
    );
    assert!(!body.contains("too late"));
}

#[tokio::test]
async fn store_failure_aborts_the_response_so_that_the_client_notices() {
    let mut redis = RedisServer::start().await;
    let server = Server::with(&[("REDIS_URL", &redis.url()), ("WRITE_TIMEOUT", "10m")]);
    let room = full_room(&server, MESSAGES).await;
    let mut connection = request_slowly(&server, &room, 1).await;
    assert_chunked(&mut connection).await;
    redis.kill();
    let body = read_to_end(connection).await;
    assert!(body.len() > 64 * 1024 && !body.ends_with(b"0\r\n\r\n") && decode_chunks(&body).is_none());
    eventually("the abort is logged", async || server.log().contains("a legacy response was aborted")).await;
    // A failure before the start of a response is reported as an error.
    let answer = Client::of(&server.url("")).post("/room", &room_body(&room)).await;
    assert_eq!((answer.status, &answer.json()["status_code"]), (503, &json!(503)));
}

#[tokio::test]
async fn slow_read_ends_at_its_timeout() {
    let settings = [("LEGACY_READ_TIMEOUT", "3s"), ("MAX_LEGACY_READS_PER_CLIENT", "1"), ("WRITE_TIMEOUT", "10m")];
    let server = Server::with(&settings);
    let room = full_room(&server, MESSAGES).await;
    let mut connection = request_slowly(&server, &room, 1).await;
    assert_chunked(&mut connection).await;
    // The time of the server began before the head of the response.
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let body = read_to_end(connection).await;
    assert!(decode_chunks(&body).is_none(), "all {} bytes were received", body.len());
    eventually("the next read succeeds", async || client_from(&server, 1).get("/rooms_views").await.status == 200)
        .await;
}

#[tokio::test]
async fn slow_reads_do_not_delay_other_requests() {
    let server = Server::with(&[("WRITE_TIMEOUT", "10m")]);
    let room = full_room(&server, MESSAGES).await;
    let client = Client::of(&server.url(""));
    let (other, code) = legacy_room::create_room(&client).await;
    // The median duration of a send.
    let median = async |name: &str| {
        let mut durations = Vec::new();
        for n in 0..20 {
            let start = Instant::now();
            let user = format!("{name}-{n:03}");
            let body = json!({ "room_id": other, "room_code": code, "user_id": user, "message": "hi" });
            let answer: Answer = client.post("/room/message/send", &body).await;
            assert_eq!(answer.status, 200);
            durations.push(start.elapsed());
        }
        durations.sort();
        durations[10]
    };
    let before = median("before-them").await;
    let mut slow = Vec::new();
    for host in 1..=4 {
        for _ in 0..8 {
            slow.push(request_slowly(&server, &room, host).await);
        }
    }
    for connection in &mut slow {
        assert_chunked(connection).await;
    }
    let during = median("somebody").await;
    let most = Duration::from_millis(500).max(10 * before);
    assert!(during < most, "{during:?}, and {before:?} before");
}

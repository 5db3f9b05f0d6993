//! Whole rooms and lists of all rooms: sent page by page, to so many clients at once, however slowly they read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::caller::{self, Caller};
use crate::support::client::{RoomKey, User};
use crate::support::http::{Answer, Client};
use crate::support::raw::{self, Raw};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::{PATIENCE, eventually};

/// Bytes of one of the largest messages that a client can send.
const LARGE: usize = 4 * 3_990;

/// Messages of a full room: as many as no connection holds unread.
const MESSAGES: usize = 240;

/// Fills a room with so many of the largest messages.
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

fn asking(room: &RoomKey) -> Value {
    json!({ "room_id": room.id, "room_code": room.code })
}

/// Asks for a whole room over a connection from this address, on which little of what is not read finds room.
async fn ask_slowly(server: &Server, room: &RoomKey, host: u8) -> Raw {
    let mut line = connect_from(server, host).await;
    let body = asking(room).to_string();
    let headers = format!("connection: close\r\ncontent-length: {}\r\n", body.len());
    line.say(raw::post("/room", &headers, &body)).await;
    line
}

async fn connect_from(server: &Server, host: u8) -> Raw {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    socket.bind(SocketAddr::new(address(host), 0)).expect("an address of this machine");
    Raw(socket.connect(server.address().parse().expect("an address")).await.expect("a connection"))
}

/// One of the many addresses that this machine has for itself.
fn address(host: u8) -> IpAddr {
    Ipv4Addr::new(127, 1, 7, host).into()
}

fn client_from(server: &Server, host: u8) -> Client {
    Client::from_address(&server.url(""), address(host))
}

/// The head of an answer that has begun, and that it is sent piece by piece.
async fn assert_begins(line: &mut Raw) {
    let head = line.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
    assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
}

/// All that comes until the server hangs up.
async fn rest(mut line: Raw) -> Vec<u8> {
    let mut heard = Vec::new();
    // A connection that is reset has ended too.
    let _ = timeout(PATIENCE, line.0.read_to_end(&mut heard)).await.expect("the server hangs up in time");
    heard
}

/// What stands in the chunks of a body; `None` if the last one is missing.
fn unchunk(mut body: &[u8]) -> Option<String> {
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

/// The resident memory of a server, in bytes.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[tokio::test]
async fn a_room_of_many_pages_is_the_document_that_it_would_be_in_one_piece() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let caller = Caller::at(server).await;
        let texts: Vec<_> = (0..180).map(|n| format!("{n} \"\\\n\t\u{7fff}</{}", "x".repeat(n * 7))).collect();
        let mut messages = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            let user = format!("user-{n:010}");
            let answer = caller.send(&caller.saying(&user, "", text)).await.json();
            let data = |name: &str| answer["data"][name].to_string();
            messages.push(format!(
                r#"{{"display_name":{},"user_id":"{user}","created_at":{},"message":{},"deleted":false}}"#,
                data("display_name"),
                data("created_at"),
                data("message"),
            ));
        }
        let answer = caller.client.post("/room/", &caller.body(&[])).await;
        let chatters: Vec<_> = (0..180).map(|n| format!("\"user-{n:010}\"")).collect();
        let expected = format!(
            r#"{{"status_code":200,"message":"sucessful","data":{{"room_id":"{}","room_code":"{}","created_at":{},"chatters_amount":180,"chatters":[{}],"messages":[{}]}},"room":"{}"}}"#,
            caller.room,
            caller.code,
            answer.json()["data"]["created_at"],
            chatters.join(","),
            messages.join(","),
            caller.room,
        );
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert!(answer.header("content-length").is_none(), "this is more than is put together at once");
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn what_is_short_has_its_length_and_is_sent_in_one_piece() {
    let caller = Caller::new().await;
    caller.say(caller::ALICE, "", "hi").await;
    for answer in [
        caller.client.post("/v1/room/", &caller.body(&[])).await,
        caller.client.get("/v1/rooms_views/").await,
        caller.client.get("/v1/room/create/").await,
    ] {
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{}", answer.body);
        assert!(answer.header("transfer-encoding").is_none());
    }
}

#[tokio::test]
async fn readers_of_a_full_room_who_do_not_read_take_no_more_memory_than_a_page_each() {
    for (server, _redis) in Server::on_each_store(&[("WRITE_TIMEOUT", "10m")]).await {
        let room = full_room(&server, MESSAGES).await;
        let client = Client::of(&server.url(""));
        let whole = client.post("/room", &asking(&room)).await.body.len();
        assert!(whole > MESSAGES * LARGE, "{whole}");
        let before = memory(&server);
        let mut lines = Vec::new();
        for _ in 0..8 {
            let mut line = ask_slowly(&server, &room, 1).await;
            assert_begins(&mut line).await;
            lines.push(line);
        }
        let grown = memory(&server).saturating_sub(before);
        assert!(grown < 20 * 1024 * 1024, "8 readers of {whole} bytes made the server grow by {grown} bytes");
        let last = lines.pop().expect("a reader");
        drop(lines);
        assert_eq!(unchunk(&rest(last).await).map(|body| body.len()), Some(whole));
    }
}

#[tokio::test]
async fn so_many_rooms_are_read_at_once_per_client_and_in_total_and_again_when_a_reader_has_gone() {
    let settings = [("MAX_LEGACY_READS_PER_CLIENT", "2"), ("MAX_LEGACY_READS", "3"), ("WRITE_TIMEOUT", "10m")];
    let server = Server::with(&settings);
    let room = full_room(&server, MESSAGES).await;
    let mut slow = Vec::new();
    for host in [1, 1, 2] {
        let mut line = ask_slowly(&server, &room, host).await;
        assert_begins(&mut line).await;
        slow.push(line);
        if slow.len() == 2 {
            let greedy = client_from(&server, 1);
            let message = "too many rooms are read at once from this address; wait for an answer first";
            let expected = json!({ "status_code": 429, "message": message, "data": null });
            for answer in [greedy.post("/room", &asking(&room)).await, greedy.get("/v1/rooms_views/").await] {
                assert_eq!((answer.status, answer.json()), (429, expected.clone()));
                assert_eq!(answer.header("retry-after"), Some("1"));
            }
            assert_eq!(client_from(&server, 3).get("/rooms_views").await.status, 200);
        }
    }
    let other = client_from(&server, 3);
    let expected = json!({ "status_code": 503, "message": "too many rooms are read at once; try again", "data": null });
    for answer in [other.post("/v1/room", &asking(&room)).await, other.get("/rooms_views/").await] {
        assert_eq!((answer.status, answer.json()), (503, expected.clone()));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    // What is no long answer is given all the same, and so are refusals.
    assert_eq!(other.get("/room/create").await.status, 200);
    let mut wrong = asking(&room);
    wrong["room_code"] = json!("12345");
    assert_eq!(other.post("/room", &wrong).await.status, 403);
    drop(slow);
    eventually("rooms are read again", async || other.get("/rooms_views").await.status == 200).await;
    assert_eq!(client_from(&server, 1).post("/room", &asking(&room)).await.status, 200);
}

#[tokio::test]
async fn an_answer_shows_as_many_messages_as_the_room_had_when_it_began() {
    let server = Server::with(&[("WRITE_TIMEOUT", "10m")]);
    let room = full_room(&server, MESSAGES).await;
    let mut line = ask_slowly(&server, &room, 1).await;
    assert_begins(&mut line).await;
    let mut late = User::of(server.client());
    late.send(&room, "too late").await;
    let body = unchunk(&rest(line).await).expect("all chunks");
    let record: Value = serde_json::from_str(&body).expect("one document");
    assert_eq!(record["data"]["messages"].as_array().expect("messages").len(), MESSAGES);
    assert_eq!(
        (&record["data"]["chatters_amount"], record["data"]["chatters"].as_array().map(Vec::len)),
        (&json!(8), Some(8))
    );
    assert!(!body.contains("too late"));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_to_its_end_is_broken_off_so_that_its_reader_notices() {
    let mut redis = RedisServer::start().await;
    let server = Server::with(&[("REDIS_URL", &redis.url()), ("WRITE_TIMEOUT", "10m")]);
    let room = full_room(&server, MESSAGES).await;
    let mut line = ask_slowly(&server, &room, 1).await;
    assert_begins(&mut line).await;
    redis.kill();
    let body = rest(line).await;
    assert!(body.len() > 64 * 1024 && !body.ends_with(b"0\r\n\r\n") && unchunk(&body).is_none());
    eventually("the log says so", async || server.log().contains("a legacy answer was broken off")).await;
    // Before anything of an answer is sent, a failure is told as such.
    let answer = Client::of(&server.url("")).post("/room", &asking(&room)).await;
    assert_eq!((answer.status, &answer.json()["status_code"]), (503, &json!(503)));
}

#[tokio::test]
async fn a_room_is_read_for_so_long_and_no_longer() {
    let settings = [("LEGACY_READ_TIMEOUT", "1s"), ("MAX_LEGACY_READS_PER_CLIENT", "1"), ("WRITE_TIMEOUT", "10m")];
    let server = Server::with(&settings);
    let room = full_room(&server, MESSAGES).await;
    let mut line = ask_slowly(&server, &room, 1).await;
    assert_begins(&mut line).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let body = rest(line).await;
    assert!(unchunk(&body).is_none(), "all of {} bytes came", body.len());
    eventually("the next one is read", async || client_from(&server, 1).get("/rooms_views").await.status == 200).await;
}

#[tokio::test]
async fn while_rooms_are_read_slowly_others_are_answered_as_before() {
    let server = Server::with(&[("WRITE_TIMEOUT", "10m")]);
    let room = full_room(&server, MESSAGES).await;
    let mut slow = Vec::new();
    for host in 1..=4 {
        for _ in 0..8 {
            slow.push(ask_slowly(&server, &room, host).await);
        }
    }
    for line in &mut slow {
        assert_begins(line).await;
    }
    let client = Client::of(&server.url(""));
    let (other, code) = caller::create(&client).await;
    let mut took = Vec::new();
    for n in 0..20 {
        let begun = Instant::now();
        let body =
            json!({ "room_id": other, "room_code": code, "user_id": format!("somebody-{n:03}"), "message": "hi" });
        let answer: Answer = client.post("/room/message/send", &body).await;
        assert_eq!(answer.status, 200);
        took.push(begun.elapsed());
    }
    took.sort();
    assert!(took[10] < Duration::from_millis(500), "{took:?}");
}

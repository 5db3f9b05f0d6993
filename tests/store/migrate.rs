//! `livechat migrate`: everything arrives at Redis, even if the migration is interrupted.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::bottleneck::Bottleneck;
use crate::support::client::{Client, RoomKey, User, error_code, text};
use crate::support::eventually;
use crate::support::load::send_concurrently;
use crate::support::redis_cluster::RedisCluster;
use crate::support::redis_server::RedisServer;
use crate::support::server::{Server, command};
use crate::support::subscriber::Subscriber;

/// All fields of a room.
const FIELDS: &str = "id code createdAt expiresAt chatterCount cursor
    chatters(first: 100) { totalCount nodes { id displayName } }
    messages(last: 100) { totalCount nodes {
        id index text createdAt editedAt deletedAt clientMessageId author { id displayName } } }";

/// The command that migrates the store in `data` to the Redis at `url`.
fn migrate(data: &Path, url: &str) -> Command {
    let environment = [("DATA_DIR", data.to_str().expect("text")), ("REDIS_URL", url), ("REDIS_TIMEOUT", "30s")];
    let mut command = command(data.parent().expect("a directory"), &environment);
    command.arg("migrate");
    command
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Migrates, which must succeed. Returns the report.
pub fn run_migration(data: &Path, url: &str) -> String {
    let output = migrate(data, url).output().expect("the command");
    assert!(output.status.success(), "{}", printed(&output));
    printed(&output)
}

/// The events of a room from the cursor `start` up to the send of `last`.
async fn events(server: &Server, room: &RoomKey, start: &str, last: &str) -> Vec<Value> {
    Subscriber::open(server.address(), room, Some(start.to_owned())).await.until_sent(last).await
}

async fn room_and_start(client: &Client) -> (RoomKey, String) {
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    (room, start)
}

#[tokio::test]
async fn everything_arrives_and_stays_usable() {
    let mut server = Server::embedded();
    let client = server.client();
    let (room, start) = room_and_start(&client).await;
    let empty = client.create_room().await;
    let (mut ada, mut bob) = (User::of(client.clone()), User::with_own_token(client.clone()));
    let first = ada.send(&room, "first").await;
    let repeated = bob.try_send_once(&room, "a\nsecond, ünï→🦀", Some("bob's 1")).await.expect("an answer");
    let second = repeated["data"]["sendMessage"]["message"].clone();
    ada.edit(&room, &text(&first["id"]), "first, mended").await;
    let middle = ada.cursor.clone();
    bob.delete(&room, &text(&second["id"])).await;
    let before_last = ada.token.clone();
    ada.send(&room, "last").await;
    let before = events(&server, &room, &start, "last").await;
    let (state, nothing) = (client.query_room(&room, FIELDS).await, client.query_room(&empty, FIELDS).await);
    let rooms = active_rooms(&client).await;
    assert!(server.terminate().await.success());

    let (redis, data) = (RedisServer::start().await, server.data());
    let report = run_migration(&data, &redis.url());
    assert!(report.contains("Users: 2 copied, 0 were") && report.contains("Rooms: 2 copied, 0 were"), "{report}");
    assert!(!report.contains(&room.code), "no secrets: {report}");

    let server = Server::on_redis(&redis.url());
    let client = server.client();
    assert_eq!(client.query_room(&room, FIELDS).await, state);
    assert_eq!(client.query_room(&empty, FIELDS).await, nothing);
    assert_eq!(active_rooms(&client).await, rooms);
    assert_eq!(events(&server, &room, &start, "last").await, before);
    // An earlier run may have been interrupted before it listed a room; the next run lists it.
    let mut unlist = redis::cmd("DEL");
    for part in 0..16 {
        unlist.arg(format!("livechat:1:{{rooms:{part:02}}}:age")).arg(format!("livechat:1:{{rooms:{part:02}}}:expiry"));
    }
    unlist.exec_async(&mut redis.connection().await).await.expect("no list any more");
    assert_ne!(active_rooms(&client).await, rooms);
    let report = run_migration(&data, &redis.url());
    assert!(report.contains("Users: 0 copied, 2 were") && report.contains("Rooms: 0 copied, 2 were"), "{report}");
    assert_eq!(active_rooms(&client).await, rooms);
    // A subscriber resumes with its cursor.
    let mut reader = Subscriber::open(server.address(), &room, middle).await;
    assert_eq!(reader.events(2).await, before[3..]);
    // A repeated send is recognized, with the current token.
    (ada.client, bob.client) = (client.clone(), client.clone());
    let again = bob.try_send_once(&room, "another text", Some("bob's 1")).await.expect("an answer");
    assert_eq!(again["data"]["sendMessage"]["message"]["id"], second["id"], "{again}");
    // The previous token is valid until its next token is used.
    ada.token = before_last.clone();
    let sent = ada.send(&room, "after").await;
    assert_eq!((&sent["index"], &reader.event().await["message"]["text"]), (&json!(3), &json!("after")));
    ada.send(&room, "after that").await;
    ada.token = before_last;
    assert_eq!(error_code(&ada.try_send(&room, "too late").await.expect("an answer")), "TOKEN_INVALID");
}

async fn active_rooms(client: &Client) -> Value {
    client.data("{ activeRooms(first: 100) { totalCount nodes { id createdAt } } }", json!({})).await
}

#[tokio::test]
async fn no_key_outlives_its_room_and_no_staging_key_is_left() {
    let mut server = Server::with(&[("ROOM_TTL", "1h")]);
    let client = server.client();
    let room = client.create_room().await;
    User::with_own_token(client.clone()).try_send_once(&room, "text", Some("1")).await.expect("an answer");
    server.kill();
    let redis = RedisServer::start().await;
    run_migration(&server.data(), &redis.url());
    let mut connection = redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("keys");
    assert!(keys.len() >= 7, "{keys:?}");
    for key in keys.into_iter().filter(|key| key != "livechat:layout") {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.expect("a time");
        let is_user = key.ends_with(":user");
        assert!(left > 0 && (is_user || left <= 3_600_000), "{key} lives for {left} ms");
        assert!(!key.contains("aside"), "{key}");
    }
}

#[tokio::test]
async fn a_large_room_arrives_complete_after_interruptions() {
    let mut server = Server::embedded();
    let client = server.client();
    let (room, start) = room_and_start(&client).await;
    send_concurrently(&client, &room, 50, 100).await;
    let mut ada = User::of(client.clone());
    let message = ada.send(&room, "to be deleted").await;
    ada.delete(&room, &text(&message["id"])).await;
    ada.send(&room, "last").await;
    let before = events(&server, &room, &start, "last").await;
    let (texts, state) = (client.texts(&room).await, client.query_room(&room, FIELDS).await);
    assert_eq!(texts.len(), 5_002);
    assert!(server.terminate().await.success());

    let redis = RedisServer::start().await;
    let other = Server::on_redis(&redis.url());
    let url = redis.url();
    let address: SocketAddr = url
        .trim_start_matches("redis://")
        .trim_end_matches('/')
        .split('/')
        .next()
        .and_then(|a| a.parse().ok())
        .expect("an address");
    for bytes in [40_000, 300_000, 600_000] {
        let bottleneck = Bottleneck::before(address, bytes).await;
        let mut migration = migrate(&server.data(), &format!("redis://{}/", bottleneck.address()));
        let mut migration = migration.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command");
        eventually("the migration stalls", async || bottleneck.is_stalled()).await;
        assert!(migration.try_wait().expect("a process of our own").is_none(), "the migration has already ended");
        let query = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
        let answer = other.client().request(query, json!({ "id": room.id, "code": room.code })).await;
        assert_eq!(error_code(&answer), "ROOM_NOT_FOUND", "an incomplete room is visible");
        migration.kill().and_then(|()| migration.wait()).expect("a process of our own");
    }
    let report = run_migration(&server.data(), &url);
    assert!(
        report.contains("Users: 0 copied, 51 were already there") && report.contains("Rooms: 1 copied"),
        "{report}"
    );
    let client = other.client();
    assert_eq!(client.texts(&room).await, texts);
    assert_eq!(client.query_room(&room, FIELDS).await, state);
    assert_eq!(events(&other, &room, &start, "last").await, before);
    let report = run_migration(&server.data(), &url);
    assert!(report.contains("Rooms: 0 copied, 1 were already there"), "{report}");
}

#[tokio::test]
async fn changed_or_different_rooms_are_never_overwritten() {
    let mut server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    let (mut ada, mut bob) = (User::of(client.clone()), User::of(client.clone()));
    ada.send(&room, "one").await;
    bob.send(&room, "two").await;
    server.kill();
    let redis = RedisServer::start().await;
    run_migration(&server.data(), &redis.url());
    let other = Server::on_redis(&redis.url());
    ada.client = other.client();
    ada.send(&room, "three").await;

    let output = migrate(&server.data(), &redis.url()).output().expect("the command");
    let report = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("Users: 0 copied, 1 were already there, 1 differ"), "{report}");
    assert!(report.contains("Rooms: 0 copied, 1 were already there, 0 differ"), "{report}");
    assert_eq!(other.client().texts(&room).await.len(), 3);
    ada.send(&room, "four").await;

    // The embedded store was used again by mistake: two histories under one id.
    server.start();
    bob.client = server.client();
    bob.send(&room, "another three").await;
    server.kill();
    let output = migrate(&server.data(), &redis.url()).output().expect("the command");
    let report = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("Rooms: 0 copied, 0 were already there, 1 differ"), "{report}");
    assert_eq!(other.client().texts(&room).await[2..], ["three", "four"].map(|text| Some(text.to_owned())));
}

#[tokio::test]
async fn an_impossible_migration_fails_with_a_reason() {
    let server = Server::embedded();
    let redis = RedisServer::start().await;
    let refused = |data: &Path, url: &str| {
        let output = migrate(data, url).output().expect("the command");
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        printed(&output)
    };
    assert!(refused(&server.data(), &redis.url()).contains("in use by another livechat process"));
    let nowhere = tempfile::tempdir().expect("a directory");
    let data = nowhere.path().join("data");
    assert!(refused(&data, &redis.url()).contains("there is no database in"));
    assert!(!data.exists(), "a directory was created");
    assert!(refused(&server.data(), "").contains("REDIS_URL: must name the Redis to copy to"));
    let mut server = server;
    server.kill();
    assert!(refused(&server.data(), "redis://127.0.0.1:1/").contains("cannot connect to Redis at 127.0.0.1:1"));
}

#[tokio::test]
async fn everything_arrives_at_a_cluster_too() {
    let mut server = Server::embedded();
    let client = server.client();
    let mut rooms = Vec::new();
    for n in 0..5 {
        let (room, _) = room_and_start(&client).await;
        User::of(client.clone()).send(&room, &format!("in room {n}")).await;
        let state = client.query_room(&room, FIELDS).await;
        rooms.push((room, state));
    }
    let listed = active_rooms(&client).await;
    assert!(server.terminate().await.success());
    let (cluster, data) = (RedisCluster::with(3, 0, &[]).await, server.data());
    let report = run_migration(&data, &cluster.url());
    assert!(report.contains("Users: 5 copied") && report.contains("Rooms: 5 copied"), "{report}");
    let server = Server::on_redis(&cluster.url());
    let client = server.client();
    for (room, state) in rooms {
        assert_eq!(client.query_room(&room, FIELDS).await, state);
        User::of(client.clone()).send(&room, "still accepted").await;
    }
    assert_eq!(active_rooms(&client).await, listed);
}

//! Redis without memory: it rejects writes, or evicts keys.

use std::collections::BTreeSet;

use super::{assert_cannot_write, wait_until_ready};
use crate::support::client::{Client, RoomKey, User, error_code};
use crate::support::crowd::Crowd;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn full_redis_can_be_read_and_never_causes_a_false_acknowledgement() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    for _ in 0..3 {
        redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
        assert_cannot_write(&server, &crowd.room).await;
        let texts = server.client().texts(&crowd.room).await;
        assert!(texts.len() > 5, "existing messages can be read");
        redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
        wait_until_ready(&server).await;
        crowd.wait_for_accepted(20).await;
    }
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn eviction_policy_is_logged_at_start() {
    let redis = RedisServer::start().await;
    for (policy, is_logged) in [("noeviction", false), ("volatile-ttl", true)] {
        redis.command(&["CONFIG", "SET", "maxmemory-policy", policy]).await;
        let mut server = Server::on_redis(&redis.url());
        assert!(server.terminate().await.success());
        let log = server.log();
        assert_eq!((log.contains("noeviction"), log.contains("volatile-ttl")), (is_logged, is_logged), "{log}");
    }
}

/// An incomplete room must not be served: a reader could miss messages, and a repeated send could be stored twice.
#[tokio::test]
async fn room_with_an_evicted_key_is_not_found() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let mut parts = BTreeSet::from(["room".to_owned()]);
    let mut deleted = BTreeSet::new();
    while let Some(part) = parts.difference(&deleted).next().cloned() {
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        let mut ada = User::of(client.clone());
        let sent = ada.try_send_once(&room, "named", Some("once")).await.expect("a response");
        ada.send(&room, "another").await;
        let keys = keys_of(&redis, &room).await;
        assert!(keys.len() >= 3, "{keys:?}");
        parts.extend(keys.iter().map(|key| part_of(key)).filter(|name| name != "viewers"));
        let key = keys.iter().find(|key| part_of(key) == part).expect("a part that every room has");
        redis.command(&["DEL", key]).await;
        deleted.insert(part.clone());

        let id = sent["data"]["sendMessage"]["message"]["id"].as_str().expect("an id").to_owned();
        for response in [
            ada.try_send_once(&room, "named", Some("once")).await,
            ada.try_send(&room, "more").await,
            ada.try_change(&room, &id, Some("changed")).await,
            ada.try_change(&room, &id, None).await,
        ] {
            assert_eq!(error_code(&response.expect("a response")), "ROOM_NOT_FOUND", "without {part}");
        }
        for after in [None, Some(start), ada.cursor.clone()] {
            let mut reader = Subscriber::open(server.address(), &room, after).await;
            assert_eq!(reader.refusal().await, "ROOM_NOT_FOUND", "without {part}");
        }
        assert_not_found(&client, &room).await;
    }
    assert_eq!(deleted.len(), 3, "{deleted:?}");
}

async fn assert_not_found(client: &Client, room: &RoomKey) {
    for field in ["id", "messages(last: 1) { nodes { text } }", "chatters { nodes { id } }"] {
        let query = format!("query($id: ID!, $code: String!) {{ room(id: $id, code: $code) {{ {field} }} }}");
        let response = client.request(&query, serde_json::json!({ "id": room.id, "code": room.code })).await;
        assert!(response["data"]["room"].is_null(), "{field}: {response}");
    }
}

async fn keys_of(redis: &RedisServer, room: &RoomKey) -> Vec<String> {
    let mut command = redis::cmd("KEYS");
    command.arg(format!("*{}*", room.id)).query_async(&mut redis.connection().await).await.expect("keys")
}

fn part_of(key: &str) -> String {
    key.rsplit(':').next().expect("a name").to_owned()
}

/// Many rooms in memory that holds few of them. Each room is complete or not found.
#[tokio::test]
async fn rooms_under_eviction_are_complete_or_not_found() {
    let redis = RedisServer::start().await;
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    redis.command(&["CONFIG", "SET", "maxmemory", "4mb"]).await;
    let mut rooms = Vec::new();
    let mut missing = 0;
    while missing < 10 {
        let room = client.create_room().await;
        let mut sent = Vec::new();
        for n in 0..12 {
            let mut ada = User::of(client.clone());
            let text = format!("{n} {}", "x".repeat(3_000));
            let response = ada.try_send_once(&room, &text, Some("once")).await.expect("a response");
            if response.get("errors").is_none() {
                sent.push(Some(text));
            } else {
                assert_eq!(error_code(&response), "ROOM_NOT_FOUND");
                break;
            }
        }
        rooms.push((room, sent));
        if rooms.len() % 20 != 0 {
            continue;
        }
        missing = 0;
        for (room, sent) in &rooms {
            match texts_if_found(&client, room).await {
                Some(texts) => assert_eq!(texts, *sent),
                None => missing += 1,
            }
        }
    }
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    wait_until_ready(&server).await;
    Crowd::start(server.address()).await.settle_and_check().await;
}

/// All texts of a room; `None` if it is not found. Panics on any other response.
async fn texts_if_found(client: &Client, room: &RoomKey) -> Option<Vec<Option<String>>> {
    let query =
        "query($id: ID!, $code: String!) { room(id: $id, code: $code) { messages(first: 100) { nodes { text } } } }";
    let response = client.request(query, serde_json::json!({ "id": room.id, "code": room.code })).await;
    if response.get("errors").is_some() {
        assert_eq!(error_code(&response), "ROOM_NOT_FOUND", "{response}");
        return None;
    }
    let nodes = response["data"]["room"]["messages"]["nodes"].as_array().expect("nodes").iter();
    Some(nodes.map(|node| node["text"].as_str().map(str::to_owned)).collect())
}

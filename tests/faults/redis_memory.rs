//! A Redis without memory: one that refuses writes, and one that throws keys away.

use std::collections::BTreeSet;

use super::{assert_cannot_write, ready_again};
use crate::support::client::{Client, RoomKey, User, error_code};
use crate::support::crowd::Crowd;
use crate::support::eventually;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn a_redis_that_is_full_is_read_and_never_acknowledges_what_it_did_not_take() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    for _ in 0..3 {
        redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
        assert_cannot_write(&server, &crowd.room).await;
        let texts = server.client().texts(&crowd.room).await;
        assert!(texts.len() > 5, "what is there can be read");
        redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
        ready_again(&server).await;
        crowd.wait_for_accepted(20).await;
    }
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn a_redis_that_evicts_is_named_in_the_log_at_the_start() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    assert!(!server.log().contains("noeviction"), "{}", server.log());
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]).await;
    let server = Server::on_redis(&redis.url());
    eventually("the log names it", async || {
        let log = server.log();
        log.contains("volatile-ttl") && log.contains("noeviction")
    })
    .await;
}

/// Half a room is no room: a reader would miss what is gone, and a repeated message could come twice.
#[tokio::test]
async fn a_room_of_which_redis_evicted_any_part_is_not_found() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let mut parts = BTreeSet::from(["room".to_owned()]);
    let mut gone = BTreeSet::new();
    while let Some(part) = parts.difference(&gone).next().cloned() {
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        let mut ada = User::of(client.clone());
        let sent = ada.try_send_once(&room, "named", Some("once")).await.expect("an answer");
        ada.send(&room, "another").await;
        let keys = keys_of(&redis, &room).await;
        assert!(keys.len() >= 6, "{keys:?}");
        parts.extend(keys.iter().map(|key| name_of(key)).filter(|name| name != "viewers"));
        let key = keys.iter().find(|key| name_of(key) == part).expect("a part that every room has");
        redis.command(&["DEL", key]).await;
        gone.insert(part.clone());

        let id = sent["data"]["sendMessage"]["message"]["id"].as_str().expect("an id").to_owned();
        for answer in [
            ada.try_send_once(&room, "named", Some("once")).await,
            ada.try_send(&room, "more").await,
            ada.try_change(&room, &id, Some("changed")).await,
            ada.try_change(&room, &id, None).await,
        ] {
            assert_eq!(error_code(&answer.expect("an answer")), "ROOM_NOT_FOUND", "without {part}");
        }
        for after in [None, Some(start), ada.cursor.clone()] {
            let mut reader = Subscriber::open(server.address(), &room, after).await;
            assert_eq!(reader.refusal().await, "ROOM_NOT_FOUND", "without {part}");
        }
        assert_not_found(&client, &room).await;
    }
    assert_eq!(gone.len(), 6, "{gone:?}");
}

async fn assert_not_found(client: &Client, room: &RoomKey) {
    for field in ["id", "messages(last: 1) { nodes { text } }", "chatters { nodes { id } }"] {
        let query = format!("query($id: ID!, $code: String!) {{ room(id: $id, code: $code) {{ {field} }} }}");
        let answer = client.request(&query, serde_json::json!({ "id": room.id, "code": room.code })).await;
        assert!(answer["data"]["room"].is_null(), "{field}: {answer}");
    }
}

async fn keys_of(redis: &RedisServer, room: &RoomKey) -> Vec<String> {
    let mut ask = redis::cmd("KEYS");
    ask.arg(format!("*{}*", room.id)).query_async(&mut redis.connection().await).await.expect("keys")
}

fn name_of(key: &str) -> String {
    key.rsplit(':').next().expect("a name").to_owned()
}

/// Many rooms under a memory that holds few of them. Each of them is whole, or not found; nothing else.
#[tokio::test]
async fn rooms_in_a_redis_that_evicts_are_whole_or_not_found() {
    let redis = RedisServer::start().await;
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    redis.command(&["CONFIG", "SET", "maxmemory", "4mb"]).await;
    let mut rooms = Vec::new();
    let mut refused = 0;
    while refused < 10 {
        let room = client.create_room().await;
        let mut sent = Vec::new();
        for n in 0..12 {
            let mut ada = User::of(client.clone());
            let text = format!("{n} {}", "x".repeat(3_000));
            let answer = ada.try_send_once(&room, &text, Some("once")).await.expect("an answer");
            if answer.get("errors").is_none() {
                sent.push(Some(text));
            } else {
                assert_eq!(error_code(&answer), "ROOM_NOT_FOUND");
                break;
            }
        }
        rooms.push((room, sent));
        if rooms.len() % 20 != 0 {
            continue;
        }
        refused = 0;
        for (room, sent) in &rooms {
            match texts_if_found(&client, room).await {
                Some(texts) => assert_eq!(texts, *sent),
                None => refused += 1,
            }
        }
    }
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    ready_again(&server).await;
    Crowd::start(server.address()).await.settle_and_check().await;
}

/// All texts of a room at once; `None` when it is not found. No other answer is right.
async fn texts_if_found(client: &Client, room: &RoomKey) -> Option<Vec<Option<String>>> {
    let query =
        "query($id: ID!, $code: String!) { room(id: $id, code: $code) { messages(first: 100) { nodes { text } } } }";
    let answer = client.request(query, serde_json::json!({ "id": room.id, "code": room.code })).await;
    if answer.get("errors").is_some() {
        assert_eq!(error_code(&answer), "ROOM_NOT_FOUND", "{answer}");
        return None;
    }
    let nodes = answer["data"]["room"]["messages"]["nodes"].as_array().expect("nodes").iter();
    Some(nodes.map(|node| node["text"].as_str().map(str::to_owned)).collect())
}

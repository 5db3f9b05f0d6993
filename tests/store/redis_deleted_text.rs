//! Where deleted text stays in Redis, and for how long: what docs/operations.md says about its files and its logs.

use std::path::Path;

use crate::support::client::{RoomKey, User};
use crate::support::eventually;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// Whether any file below the directory holds these words.
fn is_on_disk(directory: &Path, words: &str) -> bool {
    std::fs::read_dir(directory).expect("a directory").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return is_on_disk(&path, words);
        }
        // A file may be removed meanwhile: that is what is waited for.
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    })
}

async fn slow_log_of(redis: &RedisServer) -> String {
    format!("{:?}", redis.ask::<redis::Value>(&["SLOWLOG", "GET", "-1"]).await)
}

async fn new_room(server: &Server) -> (RoomKey, User) {
    let client = server.client();
    (client.create_room().await, User::of(client))
}

/// Sends words that nobody else writes, replaces and then deletes them; both words.
async fn say_and_delete(room: &RoomKey, ada: &mut User) -> [String; 2] {
    let [first, second] = [0; 2].map(|_| format!("secret {:032x}", rand::random::<u128>()));
    let message = ada.send(room, &first).await;
    let id = message["id"].as_str().expect("an id").to_owned();
    ada.edit(room, &id, &second).await;
    ada.delete(room, &id).await;
    [first, second]
}

#[tokio::test]
async fn deleted_text_is_in_the_append_only_file_until_that_is_rewritten() {
    let redis = RedisServer::start_durable().await;
    let server = Server::on_redis(&redis.url());
    let (room, mut ada) = new_room(&server).await;
    let words = say_and_delete(&room, &mut ada).await;
    let kept = ada.send(&room, "kept").await;
    for words in &words {
        assert!(is_on_disk(redis.directory(), words), "the file holds less than docs/operations.md says");
    }
    redis.command(&["BGREWRITEAOF"]).await;
    eventually("deleted text is in no file any more", async || {
        words.iter().all(|words| !is_on_disk(redis.directory(), words))
    })
    .await;
    assert_eq!(server.client().texts(&room).await, [None, kept["text"].as_str().map(str::to_owned)]);
}

#[tokio::test]
async fn deleted_text_is_in_a_snapshot_until_the_next_one() {
    let redis = RedisServer::start().await;
    redis.command(&["CONFIG", "SET", "rdbcompression", "no"]).await;
    let server = Server::on_redis(&redis.url());
    let (room, mut ada) = new_room(&server).await;
    let words = format!("secret {:032x}", rand::random::<u128>());
    let message = ada.send(&room, &words).await;
    redis.command(&["SAVE"]).await;
    ada.delete(&room, message["id"].as_str().expect("an id")).await;
    assert!(is_on_disk(redis.directory(), &words), "the snapshot holds less than docs/operations.md says");
    redis.command(&["SAVE"]).await;
    assert!(!is_on_disk(redis.directory(), &words));
}

#[tokio::test]
async fn text_is_in_the_slow_log_unless_that_is_off() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let (room, mut ada) = new_room(&server).await;
    // Everything is slow.
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]).await;
    let words = say_and_delete(&room, &mut ada).await;
    let logged = slow_log_of(&redis).await;
    assert!(words.iter().all(|words| logged.contains(words)), "the slow log holds less than docs/operations.md says");
    // What docs/operations.md recommends.
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]).await;
    redis.command(&["SLOWLOG", "RESET"]).await;
    let words = say_and_delete(&room, &mut ada).await;
    let logged = slow_log_of(&redis).await;
    assert!(words.iter().all(|words| !logged.contains(words)), "{logged}");
}

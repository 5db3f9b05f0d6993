//! Where deleted text remains in the files and logs of Redis, and for how long, as docs/operations.md describes it.

use std::path::Path;

use crate::support::client::{RoomKey, User};
use crate::support::eventually;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// Whether any file below the directory contains these words.
fn is_on_disk(directory: &Path, words: &str) -> bool {
    std::fs::read_dir(directory).expect("a directory").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return is_on_disk(&path, words);
        }
        // The file may have been removed meanwhile, which is what the test waits for.
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    })
}

async fn slow_log(redis: &RedisServer) -> String {
    format!("{:?}", redis.query::<redis::Value>(&["SLOWLOG", "GET", "-1"]).await)
}

async fn new_room(server: &Server) -> (RoomKey, User) {
    let client = server.client();
    (client.create_room().await, User::of(client))
}

/// Sends a unique text, edits it and deletes it. Returns both texts.
async fn send_edit_and_delete(room: &RoomKey, ada: &mut User) -> [String; 2] {
    let [first, second] = [0; 2].map(|_| format!("secret {:032x}", rand::random::<u128>()));
    let message = ada.send(room, &first).await;
    let id = message["id"].as_str().expect("an id").to_owned();
    ada.edit(room, &id, &second).await;
    ada.delete(room, &id).await;
    [first, second]
}

#[tokio::test]
async fn deleted_text_is_in_the_append_only_file_until_it_is_rewritten() {
    let redis = RedisServer::start_durable().await;
    let server = Server::on_redis(&redis.url());
    let (room, mut ada) = new_room(&server).await;
    let texts = send_edit_and_delete(&room, &mut ada).await;
    let kept = ada.send(&room, "kept").await;
    for text in &texts {
        assert!(is_on_disk(redis.directory(), text), "the file holds less than docs/operations.md says");
    }
    redis.command(&["BGREWRITEAOF"]).await;
    eventually("no file contains deleted text", async || texts.iter().all(|text| !is_on_disk(redis.directory(), text)))
        .await;
    assert_eq!(server.client().texts(&room).await, [None, kept["text"].as_str().map(str::to_owned)]);
}

#[tokio::test]
async fn deleted_text_is_in_a_snapshot_until_the_next_one() {
    let redis = RedisServer::start().await;
    redis.command(&["CONFIG", "SET", "rdbcompression", "no"]).await;
    let server = Server::on_redis(&redis.url());
    let (room, mut ada) = new_room(&server).await;
    let text = format!("secret {:032x}", rand::random::<u128>());
    let message = ada.send(&room, &text).await;
    redis.command(&["SAVE"]).await;
    ada.delete(&room, message["id"].as_str().expect("an id")).await;
    assert!(is_on_disk(redis.directory(), &text), "the snapshot holds less than docs/operations.md says");
    redis.command(&["SAVE"]).await;
    assert!(!is_on_disk(redis.directory(), &text));
}

#[tokio::test]
async fn text_is_in_the_slow_log_unless_it_is_disabled() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let (room, mut ada) = new_room(&server).await;
    // Log every command.
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]).await;
    let texts = send_edit_and_delete(&room, &mut ada).await;
    let logged = slow_log(&redis).await;
    assert!(texts.iter().all(|text| logged.contains(text)), "the slow log holds less than docs/operations.md says");
    // As docs/operations.md recommends.
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]).await;
    redis.command(&["SLOWLOG", "RESET"]).await;
    let texts = send_edit_and_delete(&room, &mut ada).await;
    let logged = slow_log(&redis).await;
    assert!(texts.iter().all(|text| !logged.contains(text)), "{logged}");
}

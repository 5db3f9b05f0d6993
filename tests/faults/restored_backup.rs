//! A store restored from an older backup: readers of lost events get an error, and never other events in their place.

use std::path::Path;
use std::process::Command;

use crate::support::client::{RoomKey, User};
use crate::support::redis_server::RedisServer;
use crate::support::room_view::assert_events_match;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn live_reader_of_events_lost_in_a_redis_restore_gets_cursor_invalid() {
    let mut redis = RedisServer::start_durable().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let mut reader = Subscriber::open(server.address(), &room, Some(start)).await;
    User::of(client.clone()).send(&room, "kept").await;
    let backup = back_up(redis.directory());
    let kept = client.cursor(&room).await;
    let mut ada = User::of(client.clone());
    ada.send(&room, "lost").await;
    ada.send(&room, "lost too").await;
    reader.events(3).await;
    let lost = reader.cursor.clone().expect("a cursor");

    redis.kill();
    restore(redis.directory(), backup.path());
    redis.restart().await;
    assert_eq!(reader.refusal().await, "CURSOR_INVALID");
    assert_continues_after_restore(&server, &room, kept, lost).await;
}

#[tokio::test]
async fn cursors_of_events_lost_in_an_embedded_restore_are_rejected() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    User::of(server.client()).send(&room, "kept").await;
    let kept = server.client().cursor(&room).await;
    assert!(server.terminate().await.success());
    let backup = back_up(&server.data());
    server.start();
    let mut ada = User::of(server.client());
    ada.send(&room, "lost").await;
    ada.send(&room, "lost too").await;
    let lost = server.client().cursor(&room).await;

    server.kill();
    restore(&server.data(), backup.path());
    server.start();
    assert_continues_after_restore(&server, &room, kept, lost).await;
}

async fn assert_continues_after_restore(server: &Server, room: &RoomKey, kept: String, lost: String) {
    let error_code = async || Subscriber::open(server.address(), room, Some(lost.clone())).await.refusal().await;
    assert_eq!(error_code().await, "CURSOR_INVALID", "past the end");
    let mut bob = User::of(server.client());
    for n in 0..4 {
        bob.send(room, &format!("new {n}")).await;
        assert_eq!(error_code().await, "CURSOR_INVALID", "{n} other entries later");
    }
    let mut reader = Subscriber::open(server.address(), room, Some(kept)).await;
    assert_events_match(&reader.events(4).await, &server.client().texts(room).await, 1);
}

/// Copies a directory.
pub fn back_up(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory for a copy");
    restore(copy.path(), directory);
    copy
}

/// Replaces a directory with a copy of another one.
pub fn restore(directory: &Path, from: &Path) {
    std::fs::remove_dir_all(directory).expect("a directory of our own");
    let copied = Command::new("cp").arg("-a").arg(from).arg(directory).status();
    assert!(copied.expect("the cp command").success());
}

//! A backup of the embedded store taken while the server runs, and its restoration.

use std::fs;

use rusqlite::Connection;

use crate::support::client::{User, error_code, text};
use crate::support::load::Senders;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

/// The SQL statement of the backup in docs/operations.md, with another target.
fn statement(target: &str) -> String {
    let page = include_str!("../../docs/operations.md");
    let statement = page.split("livechat.db\" \"").nth(1).and_then(|rest| rest.split('"').next()).expect("the command");
    statement.replace("/backup/livechat.db", target)
}

#[tokio::test]
async fn a_backup_of_a_running_server_contains_everything_accepted_before() {
    let mut server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let busy = client.create_room().await;
    ada.send(&room, "before").await;
    let before = ada.cursor.clone();
    let token = ada.token.clone();

    let load = Senders::start(vec![client.clone()], &busy, 4);
    load.wait_for_accepted(20).await;
    let restored = tempfile::tempdir().expect("a directory");
    fs::create_dir(restored.path().join("data")).expect("a directory");
    let copy = restored.path().join("data/livechat.db");
    let database = Connection::open(server.data().join("livechat.db")).expect("the database");
    database.execute_batch(&statement(copy.to_str().expect("text"))).expect("a backup");
    drop(database);
    // The server continues without interruption.
    load.wait_for_accepted(20).await;
    load.stop().await;
    ada.send(&room, "after").await;
    let after = ada.cursor.clone();
    server.kill();

    let server = Server::in_directory(restored, &[]);
    let client = server.client();
    assert_eq!(client.texts(&room).await, [Some("before".to_owned())]);
    let texts = client.texts(&busy).await;
    assert!(texts.len() >= 20 && texts.iter().all(Option::is_some), "{} messages", texts.len());
    // A cursor from before the backup can be resumed; a later one is refused.
    let mut reader = Subscriber::open(server.address(), &room, Some(start)).await;
    assert_eq!(reader.event().await["message"]["text"], "before");
    assert_eq!(reader.cursor, before);
    let mut lost = Subscriber::open(server.address(), &room, after).await;
    assert_eq!(lost.refusal().await, "CURSOR_INVALID");
    // The same holds for tokens.
    ada.client = client;
    assert_eq!(error_code(&ada.try_send(&room, "lost").await.expect("an answer")), "TOKEN_INVALID");
    ada.token = token;
    let message = ada.send(&room, "again").await;
    assert_eq!(text(&message["text"]), "again");
}

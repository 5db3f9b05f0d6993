//! The example of docs/clients.md.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::server::{Server, binary};
use crate::support::{open_room, wait_for_texts, within};

#[test]
fn the_client_guide_shows_the_tested_example() {
    let guide =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/clients.md")).expect("the guide");
    let blocks: Vec<_> = guide.split("\n```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let (_, example) = include_str!("../examples/bot.rs").split_once("\n\n").expect("a first line");
    assert_eq!(blocks, [example]);
}

#[tokio::test]
async fn the_example_answers_and_ends_with_the_room() {
    let server = Server::start();
    let (key, ada, _) = open_room(&server, server.url()).await;
    let mut bot = Command::new(binary("examples/bot"))
        .args([server.url(), &key.room_id, &key.room_code])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the example");
    let mut lines = BufReader::new(bot.stdout.take().expect("a pipe")).lines();
    assert_eq!(within(lines.next_line()).await.expect("a line").as_deref(), Some("joined"));
    within(ada.send("ping")).await.expect("a message");
    wait_for_texts(&ada, &[Some("ping"), Some("pong")]).await;
    within(ada.owner().end()).await.expect("the end");
    assert!(within(bot.wait()).await.expect("a child process").success());
}

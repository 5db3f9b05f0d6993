//! What docs/clients.md and docs/migrating.md show: shell blocks are run as they stand there, Rust stands there as it is
//! tested here. What is JavaScript is tried by `tests/clients`.

mod follow;

use std::process::Command;

use serde_json::json;
use tokio::sync::mpsc;

use crate::legacy::deviations::{DEVIATIONS, Deviation};
use crate::support::client::User;
use crate::support::proxy::Proxy;
use crate::support::server::Server;

const CLIENTS: &str = include_str!("../docs/clients.md");
const MIGRATING: &str = include_str!("../docs/migrating.md");

/// The blocks of one language, in order.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("\n```{language}\n");
    document.split(&begin).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Runs all shell blocks of a document in one shell, which stops at the first command that fails. Gives what they said.
fn run(document: &str, server: &Server) -> String {
    let script = blocks(document, "sh").concat().replace("127.0.0.1:8001", server.address());
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().expect("a shell");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    said.into_owned()
}

#[test]
fn the_shell_blocks_for_clients_run_as_they_stand() {
    let said = run(CLIENTS, &Server::embedded());
    for expected in [r#""text":"Hello, all""#, "event: next", r#""__typename":"MessageEdited""#, r#""text":null"#] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    assert!(!said.contains("\"errors\""), "{said}");
}

#[test]
fn the_shell_blocks_for_who_comes_from_the_original_run_as_they_stand() {
    let said = run(MIGRATING, &Server::embedded());
    assert_eq!(said.matches(r#""message":"sucessful"#).count(), 6, "every route is shown once:\n{said}");
    for expected in ["createRoom", "sendMessage", "editMessage", "deleteMessage", "activeRooms", "\"room\":{\"cursor\""]
    {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    assert!(!said.contains("\"errors\"") && !said.contains("\"detail\""), "{said}");
}

#[test]
fn every_recorded_request_that_is_answered_in_another_way_is_listed() {
    let words = MIGRATING.split_whitespace().collect::<Vec<_>>().join(" ");
    for Deviation { case, .. } in DEVIATIONS {
        assert!(words.contains(&format!("*{case}*")), "{case} is missing");
    }
    let listed = words.split("Of the recorded requests").nth(1).and_then(|rest| rest.split("## ").next());
    assert_eq!(listed.expect("the list").matches('*').count(), 2 * DEVIATIONS.len());
}

#[test]
fn the_rust_for_clients_is_what_is_tested() {
    let source = include_str!("snippets/follow.rs");
    let region = source.split("// #region rust follow\n").nth(1).and_then(|rest| rest.split("// #endregion").next());
    assert_eq!(blocks(CLIENTS, "rust"), [region.expect("the region")]);
}

#[tokio::test]
async fn the_rust_for_clients_shows_every_event_once_over_a_line_that_is_cut() {
    let server = Server::embedded();
    let line = Proxy::to(server.address()).await;
    let room = server.client().create_room().await;
    let cursor = server.client().cursor(&room).await;
    let variables = json!({ "roomId": room.id, "roomCode": room.code, "after": cursor });
    let (tell, mut told) = mpsc::unbounded_channel();
    let url = format!("ws://{}/graphql", line.address());
    let reader = tokio::spawn(async move {
        follow::follow(&url, variables, |event| tell.send(event["message"]["text"].clone()).expect("somebody listens"))
            .await
    });
    let mut ada = User::of(server.client());
    for text in ["one", "two", "three"] {
        ada.send(&room, text).await;
        assert_eq!(told.recv().await, Some(json!(text)));
        line.cut();
    }
    assert!(told.try_recv().is_err());
    reader.abort();
    let wrong = json!({ "roomId": room.id, "roomCode": "wrong" });
    let refused = follow::follow(&format!("ws://{}/graphql", server.address()), wrong, |_| {}).await;
    assert_eq!(refused.expect_err("errors")[0]["extensions"]["code"], "ROOM_CODE_INVALID");
}

//! Runs the GraphQL and shell blocks of docs/clients.md and docs/migrating.md. The JavaScript is tested in `tests/clients`, and the
//! Rust in `clients/rust/tests`.

use std::process::Command;

use serde_json::{Value, json};

use crate::rest::legacy::deviations::{DEVIATIONS, Deviation};
use crate::support::client::{RoomKey, User, text};
use crate::support::server::Server;

const CLIENTS: &str = include_str!("../../docs/clients.md");
const MIGRATING: &str = include_str!("../../docs/migrating.md");

/// The blocks of one language, in order.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("\n```{language}\n");
    document.split(&begin).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Runs all shell blocks of a document in one shell, and `then` after them. Stops at the first command that fails. Returns
/// their standard output.
fn run(document: &str, then: &str, server: &Server) -> String {
    let script = (blocks(document, "sh").concat() + then).replace("127.0.0.1:8001", server.address());
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().expect("a shell");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    stdout.into_owned()
}

/// Takes the values that later blocks need as variables from the response of a block.
fn remember(variables: &mut Value, response: &Value, parent: &str) {
    for (name, value) in response.as_object().into_iter().flatten() {
        let variable = match (parent, name.as_str()) {
            ("room", "id") => "roomId",
            ("room", "code") => "roomCode",
            ("room", "cursor") => "after",
            ("user", "id") => "userId",
            ("message", "id") => "messageId",
            (_, "ownerToken" | "token" | "presenceToken") => name,
            _ => "",
        };
        if !variable.is_empty() && value.is_string() {
            variables[variable] = value.clone();
        }
        remember(variables, value, name);
    }
}

#[tokio::test]
async fn the_graphql_blocks_of_the_client_guide_run() {
    let server = Server::embedded();
    let client = server.client();
    let mut variables = json!({});
    let operations = blocks(CLIENTS, "graphql");
    assert!(operations.len() > 8, "the blocks were not found");
    for operation in operations {
        if variables["userId"].is_string() && variables["messageId"].is_null() {
            // The first message, for the blocks that answer it and react to it.
            let room = RoomKey { id: text(&variables["roomId"]), code: text(&variables["roomCode"]) };
            let (id, token) = (variables["userId"].as_str(), variables["token"].as_str());
            let [id, token] = [id, token].map(|value| value.map(str::to_owned));
            let mut user = User { client: client.clone(), id, token, cursor: None };
            variables["messageId"] = user.send(&room, "Anyone for tea?").await["id"].clone();
            variables["token"] = json!(user.token);
        }
        if operation.starts_with("subscription") {
            let mut socket = crate::support::socket::Socket::ready(server.address()).await;
            socket.subscribe("1", operation, variables.clone()).await;
            let message = socket.receive().await;
            assert_eq!((&message["type"], &message["payload"]["errors"]), (&json!("next"), &Value::Null), "{message}");
        } else {
            let cursor = variables["after"].clone();
            let data = client.data(operation, variables.clone()).await;
            remember(&mut variables, &data, "");
            // The subscription starts at the beginning.
            if cursor.is_string() {
                variables["after"] = cursor;
            }
        }
    }
}

#[test]
fn the_shell_blocks_of_the_client_guide_run() {
    let elsewhere = r#"
        AFTER=$(gql '{"query": "mutation { createRoom { room { cursor } } }"}' | get cursor)
        echo "read again"
        follow
        echo "from the new cursor"
        follow"#;
    let output = run(CLIENTS, elsewhere, &Server::embedded());
    let parts: Vec<_> = output.split("read again").flat_map(|part| part.split("from the new cursor")).collect();
    for expected in [r#""text":"Hello, all""#, "event: next", r#""__typename":"MessageEdited""#, r#""text":null"#] {
        assert!(parts[0].contains(expected), "{expected} is not in\n{output}");
    }
    // The second call of `follow` continues after the first.
    let events: Vec<_> = parts[0].match_indices("\"__typename\"").map(|(at, _)| &parts[0][at..]).collect();
    let kinds: Vec<_> = events.iter().filter_map(|event| event.split('"').nth(3)).collect();
    assert_eq!(kinds, ["MessageSent", "MessageEdited", "MessageDeleted"], "{output}");
    assert!(parts[1].contains("CURSOR_INVALID"), "{output}");
    assert!(!parts[0].contains("\"errors\"") && !parts[2].contains("\"errors\""), "{output}");
}

#[test]
fn the_shell_blocks_of_the_migration_guide_run() {
    let output = run(MIGRATING, "", &Server::embedded());
    assert_eq!(output.matches(r#""message":"sucessful"#).count(), 6, "every route is shown once:\n{output}");
    for expected in ["createRoom", "sendMessage", "editMessage", "deleteMessage", "activeRooms", "\"room\":{\"cursor\""]
    {
        assert!(output.contains(expected), "{expected} is not in\n{output}");
    }
    assert!(!output.contains("\"errors\"") && !output.contains("\"detail\""), "{output}");
}

#[test]
fn every_deviation_from_the_recorded_requests_is_listed() {
    let words = MIGRATING.split_whitespace().collect::<Vec<_>>().join(" ");
    for Deviation { case, .. } in DEVIATIONS {
        assert!(words.contains(&format!("*{case}*")), "{case} is missing");
    }
    let listed = words.split("Of the recorded requests").nth(1).and_then(|rest| rest.split("## ").next());
    assert_eq!(listed.expect("the list").matches('*').count(), 2 * DEVIATIONS.len());
}

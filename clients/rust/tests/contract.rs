//! The crate and the server agree on error codes and operations.

use std::collections::BTreeSet;

use futures_util::{SinkExt as _, StreamExt as _};
use livechat_client::ErrorCode;
use serde_json::{Map, Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::operations;
use crate::support::server::Server;
use crate::support::within;

fn of_repository(path: &str) -> String {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_crate_knows_the_error_codes_of_the_server() {
    let source = of_repository("src/error_code.rs");
    let table = source.split("\nerror_codes! {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the table");
    let codes: BTreeSet<_> = table.lines().filter_map(|line| line.split('"').nth(1)).collect();
    // Only the legacy routes have these.
    let legacy = BTreeSet::from(["CROSS_SITE", "USER_UNKNOWN"]);
    assert!(codes.is_superset(&legacy));
    let known: BTreeSet<_> = ErrorCode::OF_SERVER.iter().map(|code| code.as_str()).collect();
    assert_eq!(known, &codes - &legacy);
}

/// The code with which the server responds to an operation; empty if it succeeds.
async fn code_of(server: &Server, document: &str, variables: Value) -> String {
    let mut request =
        format!("{}/graphql", server.url().replacen("http", "ws", 1)).into_client_request().expect("a URL");
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header"));
    let (mut socket, _) = connect_async(request).await.expect("a WebSocket");
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": document, "variables": variables } });
    for message in [json!({ "type": "connection_init" }), subscribe] {
        socket.send(Message::text(message.to_string())).await.expect("an open socket");
    }
    loop {
        let Message::Text(text) = within(socket.next()).await.expect("a message").expect("a message") else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        let errors = match message["type"].as_str() {
            Some("connection_ack" | "ping") => continue,
            Some("error") => &message["payload"],
            _ => &message["payload"]["errors"],
        };
        return errors[0]["extensions"]["code"].as_str().unwrap_or_default().to_owned();
    }
}

/// Values for the variables of a document, with what the schema requires of its input.
fn variables_of(document: &str, schema: &str) -> Value {
    let required = |input: &str| {
        let fields = schema.split(&format!("\ninput {input} {{")).nth(1).and_then(|rest| rest.split("\n}").next());
        let fields = fields.unwrap_or_else(|| panic!("{input} is not in the schema"));
        let names = fields.lines().filter(|line| line.ends_with('!')).filter_map(|line| line.trim().split_once(": "));
        Value::Object(names.map(|(name, _)| (name.to_owned(), json!("0".repeat(32)))).collect())
    };
    let declared = document.split_once('(').and_then(|(_, rest)| rest.split_once(')')).expect("variables").0;
    let values = declared.split(',').filter_map(|variable| variable.trim_start_matches('$').split_once(':'));
    let value = |kind: &str| match kind.trim_end_matches('!') {
        "ID" | "String" => json!("0".repeat(32)),
        "Int" => json!(1),
        input => required(input),
    };
    Value::Object(values.map(|(name, kind)| (name.to_owned(), value(kind))).collect::<Map<_, _>>())
}

#[tokio::test]
async fn every_operation_fits_the_schema() {
    let (server, schema) = (Server::start(), of_repository("schema.graphql"));
    let mut codes = BTreeSet::new();
    for document in operations::ALL {
        let code = code_of(&server, document, variables_of(document, &schema)).await;
        assert!(!code.starts_with("GRAPHQL_"), "{code}: {document}");
        codes.insert(code);
    }
    assert!(codes.contains("ROOM_NOT_FOUND"), "the operations were not executed: {codes:?}");
    let wrong = operations::ROOM.replace("cursor", "cursor unknownField");
    let code = code_of(&server, &wrong, variables_of(&wrong, &schema)).await;
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED");
}

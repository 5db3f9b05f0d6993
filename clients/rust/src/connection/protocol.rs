//! The messages of `graphql-transport-ws`.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::Error;
use crate::error::GraphqlError;

/// A message from the server. The ids are those of the operations.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage {
    ConnectionAck,
    Ping,
    Pong,
    Next { id: String, payload: Response },
    Error { id: String, payload: Vec<GraphqlError> },
    Complete { id: String },
}

/// A response of an operation.
#[derive(Deserialize)]
pub(super) struct Response {
    #[serde(default)]
    pub(super) data: Value,
    #[serde(default)]
    pub(super) errors: Vec<GraphqlError>,
}

pub(super) fn init() -> Message {
    text(&json!({ "type": "connection_init" }))
}

pub(super) fn ping() -> Message {
    text(&json!({ "type": "ping" }))
}

pub(super) fn pong() -> Message {
    text(&json!({ "type": "pong" }))
}

pub(super) fn subscribe(id: u64, document: &str, variables: &Value) -> Message {
    let payload = json!({ "query": document, "variables": variables });
    text(&json!({ "type": "subscribe", "id": id.to_string(), "payload": payload }))
}

pub(super) fn complete(id: u64) -> Message {
    text(&json!({ "type": "complete", "id": id.to_string() }))
}

fn text(message: &Value) -> Message {
    Message::text(message.to_string())
}

/// Accepts the messages of the WebSocket itself, except for its end. The library responds to pings.
pub(super) fn check_control(message: &Message) -> Result<(), Error> {
    match message {
        Message::Close(Some(frame)) => {
            Err(Error::network(format_args!("it has closed the connection with code {}", u16::from(frame.code))))
        }
        Message::Close(None) => Err(Error::network("it has closed the connection")),
        Message::Binary(_) => Err(Error::network("it does not speak graphql-transport-ws")),
        _ => Ok(()),
    }
}

//! A socket on our server with one subscription.

use serde_json::{Value, json};

use crate::line::Line;
use crate::support::client::RoomKey;

const EVENTS: &str = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
        __typename cursor at message { id index text editedAt deletedAt author { id } } } }";

/// What one subscriber may have of its own.
pub struct Own {
    pub query: &'static str,
    pub operation_id: String,
    /// The payload of `connection_init`.
    pub payload: Value,
    pub after: Option<String>,
}

impl Default for Own {
    fn default() -> Self {
        Self { query: EVENTS, operation_id: "events".to_owned(), payload: json!({}), after: None }
    }
}

/// Follows `room` on this socket.
pub async fn subscribe(line: &mut Line, room: &RoomKey, own: Own) {
    line.say(&json!({ "type": "connection_init", "payload": own.payload }).to_string()).await;
    assert!(line.hear().await.contains("connection_ack"));
    let variables = json!({ "roomId": room.id, "roomCode": room.code, "after": own.after });
    let payload = json!({ "query": own.query, "variables": variables });
    line.say(&json!({ "id": own.operation_id, "type": "subscribe", "payload": payload }).to_string()).await;
}

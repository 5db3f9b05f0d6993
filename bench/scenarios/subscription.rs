//! Opens a subscription on a socket of livechat.

use serde_json::{Value, json};

use crate::support::client::RoomKey;
use crate::websocket::WebSocketClient;

const EVENTS: &str = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
        __typename cursor at message { id index text editedAt deletedAt author { id } } } }";

/// The parts of a subscription in which subscribers may differ.
pub struct SubscriptionOptions {
    pub query: &'static str,
    pub operation_id: String,
    /// The payload of `connection_init`.
    pub payload: Value,
    pub after: Option<String>,
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self { query: EVENTS, operation_id: "events".to_owned(), payload: json!({}), after: None }
    }
}

/// Subscribes to `room` on this socket.
pub async fn subscribe(socket: &mut WebSocketClient, room: &RoomKey, options: SubscriptionOptions) {
    socket.send_text(&json!({ "type": "connection_init", "payload": options.payload }).to_string()).await;
    assert!(socket.next_text().await.contains("connection_ack"));
    let variables = json!({ "roomId": room.id, "roomCode": room.code, "after": options.after });
    let payload = json!({ "query": options.query, "variables": variables });
    socket.send_text(&json!({ "id": options.operation_id, "type": "subscribe", "payload": payload }).to_string()).await;
}

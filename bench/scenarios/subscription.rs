//! The frames of `graphql-transport-ws` that open a subscription, and their use on a socket of livechat.

use serde_json::{Value, json};

use crate::support::client::RoomKey;
use crate::websocket::WebSocketClient;

const EVENTS: &str = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
        __typename cursor at message { id index text editedAt deletedAt author { id } } } }";

/// Part of the response to `connection_init`.
pub const ACKNOWLEDGED: &str = "connection_ack";

/// The parts of a subscription in which subscribers may differ.
pub struct SubscriptionOptions {
    pub query: &'static str,
    pub operation_id: String,
    /// The payload of `connection_init`.
    pub payload: Value,
    pub after: Option<String>,
    /// Messages that the reader has missed. Only servers without cursors need the number.
    pub missed: usize,
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self { query: EVENTS, operation_id: "events".to_owned(), payload: json!({}), after: None, missed: 0 }
    }
}

/// Subscribes to `room` on this socket.
pub async fn subscribe(socket: &mut WebSocketClient, room: &RoomKey, options: SubscriptionOptions) {
    socket.send_text(&init_frame(&options)).await;
    assert!(socket.next_text().await.contains(ACKNOWLEDGED));
    socket.send_text(&subscribe_frame(room, &options)).await;
}

pub fn init_frame(options: &SubscriptionOptions) -> String {
    json!({ "type": "connection_init", "payload": options.payload }).to_string()
}

/// Subscribes to the events of a room of livechat.
pub fn subscribe_frame(room: &RoomKey, options: &SubscriptionOptions) -> String {
    let variables = json!({ "roomId": room.id, "roomCode": room.code, "after": options.after });
    operation_frame(&options.operation_id, options.query, &variables)
}

/// Starts an operation.
pub fn operation_frame(id: &str, query: &str, variables: &Value) -> String {
    let payload = json!({ "query": query, "variables": variables });
    json!({ "id": id, "type": "subscribe", "payload": payload }).to_string()
}

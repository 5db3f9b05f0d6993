//! A subscriber to a room's events over WebSocket that keeps its cursor.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::TIMEOUT;
use super::client::{RoomKey, error_code};
use super::socket::{LEGACY_PROTOCOL, PROTOCOL};
use super::transport::Resume;

pub const EVENTS: &str = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
        __typename cursor at message { id index text editedAt deletedAt author { id } } } }";

/// Everything that happens in a room.
pub const ROOM_EVENTS: &str = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
    roomEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
        __typename cursor at
        ... on MessageEvent { message { ...M } }
        ... on ReactionsChanged { message { ...M } }
        ... on RoomUpdated { settings { title listed capacity slowModeSeconds locked } }
        ... on UserBanned { ban { user { id displayName } at until reason } }
        ... on UserUnbanned { user { id displayName } } } }
    fragment M on Message { id index text editedAt deletedAt deletedBy author { id } reactions { emoji count } }";

/// One socket with one subscription.
pub struct Subscriber {
    socket: WebSocketStream<TcpStream>,
    /// The cursor of the last event received, or the one it started with.
    pub cursor: Option<String>,
}

/// A message that a subscription received, or its end.
#[derive(Debug)]
pub enum Received {
    Event(Value),
    Error(Value),
    Complete,
    /// The socket was closed, with this code if there was a close frame.
    Closed(Option<u16>),
}

impl Subscriber {
    /// Subscribes to a room on the server at `address`, from now on or after a cursor. Events that are committed while the
    /// subscription is being opened may be missing without a cursor.
    pub async fn open(address: &str, room: &RoomKey, after: Option<String>) -> Self {
        Self::try_open(address, room, after).await.expect("a socket")
    }

    /// Like [`open`](Self::open), but fails if the server is gone.
    pub async fn try_open(
        address: &str,
        room: &RoomKey,
        after: Option<String>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Self::over(TcpStream::connect(address).await?, PROTOCOL, EVENTS, room, after, Resume::Argument).await
    }

    /// Subscribes to everything that happens in a room.
    pub async fn of_room_events(address: &str, room: &RoomKey, after: Option<String>) -> Self {
        let connection = TcpStream::connect(address).await.expect("a connection");
        let opened = Self::over(connection, PROTOCOL, ROOM_EVENTS, room, after, Resume::Argument).await;
        opened.expect("a subscription")
    }

    /// Subscribes over this connection, in this subprotocol, with [`EVENTS`] or [`ROOM_EVENTS`].
    pub async fn over(
        connection: TcpStream,
        protocol: &'static str,
        query: &str,
        room: &RoomKey,
        after: Option<String>,
        resume: Resume,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = format!("ws://{}/graphql", connection.peer_addr()?).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse()?);
        let (socket, response) = client_async(request, connection).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
        let mut subscriber = Self { socket, cursor: after };
        let (argument, payload) = match resume {
            Resume::Argument => (subscriber.cursor.clone(), Value::Null),
            Resume::Connection => (None, json!({ "resume": { "events": subscriber.cursor } })),
        };
        subscriber.send_json(json!({ "type": "connection_init", "payload": payload })).await?;
        match subscriber.receive().await {
            Some(Ok(message)) if message["type"] == "connection_ack" => {}
            other => return Err(format!("connection_ack was expected, not {other:?}").into()),
        }
        let variables = json!({ "roomId": room.id, "roomCode": room.code, "after": argument });
        let payload = json!({ "query": query, "variables": variables });
        let kind = if protocol == LEGACY_PROTOCOL { "start" } else { "subscribe" };
        subscriber.send_json(json!({ "id": "events", "type": kind, "payload": payload })).await?;
        Ok(subscriber)
    }

    /// The next message of the subscription.
    pub async fn next(&mut self) -> Received {
        let received = tokio::time::timeout(TIMEOUT, self.receive()).await.expect("a message in time");
        let message = match received {
            Some(Ok(message)) => message,
            Some(Err(closed)) => return Received::Closed(closed),
            None => return Received::Closed(None),
        };
        match message["type"].as_str() {
            Some("next" | "data") if message["payload"].get("errors").is_none() => {
                let event = root_of(&message["payload"]);
                self.cursor = event["cursor"].as_str().map(str::to_owned);
                Received::Event(event)
            }
            Some("next" | "data" | "error") => Received::Error(message["payload"].clone()),
            Some("complete") => Received::Complete,
            _ => panic!("an unexpected message: {message}"),
        }
    }

    /// The next event. Panics on anything else.
    pub async fn event(&mut self) -> Value {
        match self.next().await {
            Received::Event(event) => event,
            other => panic!("an event was expected, not {other:?}"),
        }
    }

    /// The next `count` events.
    pub async fn events(&mut self, count: usize) -> Vec<Value> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            events.push(self.event().await);
        }
        events
    }

    /// The next events, up to and including the `MessageSent` with this text.
    pub async fn until_sent(&mut self, last: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            let is_last = event["__typename"] == "MessageSent" && event["message"]["text"] == last;
            events.push(event);
            if is_last {
                return events;
            }
        }
    }

    /// The error code with which the subscription is refused. Panics on anything else.
    pub async fn refusal(&mut self) -> String {
        match self.next().await {
            // A list if the request was not executed, a response otherwise.
            Received::Error(payload) if payload.is_array() => error_code(&json!({ "errors": payload })),
            Received::Error(payload) => error_code(&payload),
            other => panic!("an error was expected, not {other:?}"),
        }
    }

    /// Closes the socket with a close frame.
    pub async fn close(mut self) {
        self.socket.close(None).await.expect("an open socket");
    }

    async fn send_json(&mut self, message: Value) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        self.socket.send(Message::text(message.to_string())).await
    }

    /// The next protocol message, or the code of the close frame.
    async fn receive(&mut self) -> Option<Result<Value, Option<u16>>> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) if text == r#"{"type":"ka"}"# => {}
                Ok(Message::Text(text)) => {
                    return Some(Ok(serde_json::from_str(&text).expect("a protocol message is JSON")));
                }
                Ok(Message::Close(frame)) => return Some(Err(frame.map(|frame| frame.code.into()))),
                Ok(_) => {}
                Err(_) => return Some(Err(None)),
            }
        }
    }
}

/// The value of the only root field of a payload.
pub fn root_of(payload: &Value) -> Value {
    let data = payload["data"].as_object().unwrap_or_else(|| panic!("no data in {payload}"));
    assert_eq!(data.len(), 1, "a subscription has one root field: {payload}");
    data.values().next().cloned().unwrap_or_default()
}

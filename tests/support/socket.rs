//! A WebSocket client that sends anything, valid or not, and returns what it receives unchanged.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::TIMEOUT;
use super::client::{Client, RoomKey, error_code};

/// The subprotocol.
pub const PROTOCOL: &str = "graphql-transport-ws";

/// The older subprotocol, of subscriptions-transport-ws.
pub const LEGACY_PROTOCOL: &str = "graphql-ws";

/// An open socket.
pub struct Socket<S = TcpStream> {
    stream: WebSocketStream<S>,
    /// All text that it received.
    pub raw: String,
}

/// A rejected handshake: the HTTP status and the error code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub u16, pub String);

impl Socket {
    /// Connects and offers these subprotocols. Also returns the chosen one.
    pub async fn offering(address: &str, protocols: Option<&str>) -> Result<(Self, Option<String>), Refused> {
        let offer = protocols.map(|names| format!("Sec-WebSocket-Protocol: {names}\r\n")).unwrap_or_default();
        Self::with_headers(address, &offer).await
    }

    /// Connects with these additional headers. Also returns the chosen subprotocol.
    pub async fn with_headers(address: &str, headers: &str) -> Result<(Self, Option<String>), Refused> {
        let mut connection = TcpStream::connect(address).await.expect("a connection");
        // So that messages which are sent together arrive together.
        connection.set_nodelay(true).expect("a socket");
        let request = format!(
            "GET /graphql HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        connection.write_all(request.as_bytes()).await.expect("an open connection");
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response
                .push(timeout(TIMEOUT, connection.read_u8()).await.expect("a response in time").expect("a response"));
        }
        let response = String::from_utf8(response).expect("text").to_ascii_lowercase();
        let status = response.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        if status != 101 {
            let length = response.lines().find_map(|line| line.strip_prefix("content-length:"));
            let mut body = vec![0; length.expect("a length").trim().parse().expect("a number")];
            connection.read_exact(&mut body).await.expect("the body");
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            return Err(Refused(status, error_code(&body)));
        }
        let header = |line: &str| line.strip_prefix("sec-websocket-protocol:").map(|name| name.trim().to_owned());
        let chosen = response.lines().find_map(header);
        let stream = WebSocketStream::from_raw_socket(connection, Role::Client, None).await;
        Ok((Self { stream, raw: String::new() }, chosen))
    }

    /// Connects with `graphql-transport-ws`.
    pub async fn try_open(address: &str) -> Result<Self, Refused> {
        Self::offering(address, Some(PROTOCOL)).await.map(|(socket, _)| socket)
    }

    /// Like [`try_open`](Self::try_open), but panics if rejected.
    pub async fn open(address: &str) -> Self {
        Self::try_open(address).await.expect("a socket")
    }

    /// Connects and waits for `connection_ack`.
    pub async fn ready(address: &str) -> Self {
        Self::ready_with(address, json!({})).await
    }

    /// Like [`ready`](Self::ready), with a payload in `connection_init`.
    pub async fn ready_with(address: &str, payload: Value) -> Self {
        let mut socket = Self::open(address).await;
        socket.init(payload).await;
        socket
    }

    /// The underlying connection, on which nothing answers pings.
    pub fn into_connection(self) -> TcpStream {
        self.stream.into_inner()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// A socket over a connection whose handshake is complete.
    pub const fn over(stream: WebSocketStream<S>) -> Self {
        Self { stream, raw: String::new() }
    }

    /// Sends `connection_init` and waits for `connection_ack`.
    pub async fn init(&mut self, payload: Value) {
        self.send_json(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(self.receive().await, json!({ "type": "connection_ack" }));
    }

    /// Sends a JSON message.
    pub async fn send_json(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Sends a frame.
    pub async fn send(&mut self, message: Message) {
        self.stream.send(message).await.expect("an open socket");
    }

    /// Sends several messages in one write.
    pub async fn send_all(&mut self, messages: &[Value]) {
        for message in messages {
            self.stream.feed(Message::text(message.to_string())).await.expect("an open socket");
        }
        self.stream.flush().await.expect("an open socket");
    }

    /// Starts an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        self.send_json(subscribe(id, query, variables)).await;
    }

    /// Subscribes to a room and waits until the subscription is open.
    pub async fn follow(&mut self, id: &str, client: &Client, room: &RoomKey) {
        let viewers = client.query_room(room, "viewerCount").await["viewerCount"].as_u64().expect("a number");
        self.subscribe(id, &events_of(room), json!({})).await;
        client.wait_for_viewers(room, viewers as usize + 1).await;
    }

    /// The next frame, or `None` if the connection is closed.
    pub async fn next_frame(&mut self) -> Option<Message> {
        let frame = timeout(TIMEOUT, self.stream.next()).await.expect("a frame in time");
        frame.and_then(Result::ok).inspect(|frame| {
            if let Message::Text(text) = frame {
                self.raw.push_str(text);
                self.raw.push('\n');
            }
        })
    }

    /// The next message of the protocol.
    pub async fn receive(&mut self) -> Value {
        loop {
            match self.next_frame().await {
                Some(Message::Text(text)) => return serde_json::from_str(&text).expect("JSON"),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("a message was expected, not {other:?}"),
            }
        }
    }

    /// The message text of the next event, which must belong to the operation `id`.
    pub async fn next_text(&mut self, id: &str) -> Value {
        let message = self.receive().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        message["payload"]["data"]["messageEvents"]["message"]["text"].clone()
    }

    /// The code of the next message, which must be an `error` of the operation `id`.
    pub async fn refusal(&mut self, id: &str) -> String {
        let message = self.receive().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
        error_code(&json!({ "errors": message["payload"] }))
    }

    /// Code and reason of the close frame, which must come next.
    pub async fn close_frame(&mut self) -> (u16, String) {
        loop {
            match self.next_frame().await {
                Some(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("a close frame was expected, not {other:?}"),
            }
        }
    }

    /// Asserts that the server sends nothing until it answers a ping.
    pub async fn assert_no_message(&mut self) {
        self.send_json(json!({ "type": "ping" })).await;
        assert_eq!(self.receive().await, json!({ "type": "pong" }));
    }
}

/// A `subscribe` message.
pub fn subscribe(id: &str, query: &str, variables: Value) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": { "query": query, "variables": variables } })
}

/// A subscription document for a room from now on, without variables.
pub fn events_of(room: &RoomKey) -> String {
    let RoomKey { id, code } = room;
    format!(
        r#"subscription {{ messageEvents(roomId: "{id}", roomCode: "{code}") {{ __typename cursor message {{ text }} }} }}"#
    )
}

/// A subscription document for a room after a cursor, without variables.
pub fn events_after(room: &RoomKey, after: &str) -> String {
    let RoomKey { id, code } = room;
    format!(
        r#"subscription {{ messageEvents(roomId: "{id}", roomCode: "{code}", after: "{after}") {{ __typename cursor message {{ text }} }} }}"#
    )
}

/// Whether the stock `graphql-ws` client gives up after this close code, instead of reconnecting.
pub fn is_fatal_close_code(code: u16) -> bool {
    match code {
        1000 | 1001 | 1005 | 1006 | 1012..=1014 => false,
        1000..=1999 => true,
        code => [4400, 4401, 4004, 4005, 4406, 4409, 4429, 4500].contains(&code),
    }
}

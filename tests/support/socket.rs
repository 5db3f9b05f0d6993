//! A WebSocket client that says whatever it is told to, right or wrong, and shows what it hears as it came.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::PATIENCE;
use super::client::{Client, RoomKey, error_code};

/// The name of the protocol.
pub const PROTOCOL: &str = "graphql-transport-ws";

/// One socket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Everything it heard, as it came.
    pub raw: String,
}

/// Why there is no socket: the status of the answer, and the code in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub u16, pub String);

impl Socket {
    /// Connects, offering these sub-protocols; also the one that was chosen.
    pub async fn offering(address: &str, protocols: Option<&str>) -> Result<(Self, Option<String>), Refused> {
        let offer = protocols.map(|names| format!("Sec-WebSocket-Protocol: {names}\r\n")).unwrap_or_default();
        Self::with_headers(address, &offer).await
    }

    /// Connects with these lines in the head of the handshake; also the sub-protocol that was chosen.
    pub async fn with_headers(address: &str, headers: &str) -> Result<(Self, Option<String>), Refused> {
        let mut line = TcpStream::connect(address).await.expect("a line");
        // Messages that are sent together arrive together.
        line.set_nodelay(true).expect("a socket");
        let request = format!(
            "GET /graphql HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        line.write_all(request.as_bytes()).await.expect("an open line");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(timeout(PATIENCE, line.read_u8()).await.expect("an answer in time").expect("an answer"));
        }
        let answer = String::from_utf8(answer).expect("text").to_ascii_lowercase();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        if status != 101 {
            let length = answer.lines().find_map(|line| line.strip_prefix("content-length:"));
            let mut body = vec![0; length.expect("a length").trim().parse().expect("a number")];
            line.read_exact(&mut body).await.expect("the body");
            let answer: Value = serde_json::from_slice(&body).expect("JSON");
            return Err(Refused(status, error_code(&answer)));
        }
        let header = |line: &str| line.strip_prefix("sec-websocket-protocol:").map(|name| name.trim().to_owned());
        let chosen = answer.lines().find_map(header);
        let stream = WebSocketStream::from_raw_socket(line, Role::Client, None).await;
        Ok((Self { stream, raw: String::new() }, chosen))
    }

    /// Connects, in the right protocol.
    pub async fn try_open(address: &str) -> Result<Self, Refused> {
        Self::offering(address, Some(PROTOCOL)).await.map(|(socket, _)| socket)
    }

    /// As [`try_open`](Self::try_open), where it must succeed.
    pub async fn open(address: &str) -> Self {
        Self::try_open(address).await.expect("a socket")
    }

    /// Connects, and is acknowledged.
    pub async fn ready(address: &str) -> Self {
        Self::ready_with(address, json!({})).await
    }

    /// As [`ready`](Self::ready), with a payload in `connection_init`.
    pub async fn ready_with(address: &str, payload: Value) -> Self {
        let mut socket = Self::open(address).await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub async fn send(&mut self, message: Message) {
        self.stream.send(message).await.expect("an open socket");
    }

    /// Says several messages in one write.
    pub async fn say_at_once(&mut self, messages: &[Value]) {
        for message in messages {
            self.stream.feed(Message::text(message.to_string())).await.expect("an open socket");
        }
        self.stream.flush().await.expect("an open socket");
    }

    /// Begins an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        self.say(subscribe(id, query, variables)).await;
    }

    /// Follows a room; returns when the server does.
    pub async fn follow(&mut self, id: &str, client: &Client, room: &RoomKey) {
        let viewers = client.of_room(room, "viewerCount").await["viewerCount"].as_u64().expect("a number");
        self.subscribe(id, &events_of(room), json!({})).await;
        client.viewers_become(room, viewers as usize + 1).await;
    }

    /// What comes next, whatever it is; `None` when the line is gone.
    pub async fn frame(&mut self) -> Option<Message> {
        let frame = timeout(PATIENCE, self.stream.next()).await.expect("the server says something in time");
        frame.and_then(Result::ok).inspect(|frame| {
            if let Message::Text(text) = frame {
                self.raw.push_str(text);
                self.raw.push('\n');
            }
        })
    }

    /// The next message of the protocol.
    pub async fn hear(&mut self) -> Value {
        loop {
            match self.frame().await {
                Some(Message::Text(text)) => return serde_json::from_str(&text).expect("JSON"),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("a message was expected, not {other:?}"),
            }
        }
    }

    /// The message of the next event, which must belong to the operation `id`.
    pub async fn text_of_event(&mut self, id: &str) -> Value {
        let said = self.hear().await;
        assert_eq!((&said["type"], &said["id"]), (&json!("next"), &json!(id)), "{said}");
        said["payload"]["data"]["messageEvents"]["message"]["text"].clone()
    }

    /// The code of the next message, which must be an `error` of the operation `id`.
    pub async fn refusal(&mut self, id: &str) -> String {
        let said = self.hear().await;
        assert_eq!((&said["type"], &said["id"]), (&json!("error"), &json!(id)), "{said}");
        error_code(&json!({ "errors": said["payload"] }))
    }

    /// Code and reason with which the server closes the socket, without another word.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.frame().await {
                Some(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("a close frame was expected, not {other:?}"),
            }
        }
    }

    /// The server must have nothing to say before it answers this.
    pub async fn assert_silent(&mut self) {
        self.say(json!({ "type": "ping" })).await;
        assert_eq!(self.hear().await, json!({ "type": "pong" }));
    }

    /// The line below, on which nobody answers pings.
    pub fn into_line(self) -> TcpStream {
        self.stream.into_inner()
    }
}

/// A `subscribe` message.
pub fn subscribe(id: &str, query: &str, variables: Value) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": { "query": query, "variables": variables } })
}

/// A subscription to a room from now on, without variables.
pub fn events_of(room: &RoomKey) -> String {
    let RoomKey { id, code } = room;
    format!(
        r#"subscription {{ messageEvents(roomId: "{id}", roomCode: "{code}") {{ __typename cursor message {{ text }} }} }}"#
    )
}

/// A subscription to a room from a cursor on, without variables.
pub fn events_after(room: &RoomKey, after: &str) -> String {
    let RoomKey { id, code } = room;
    format!(
        r#"subscription {{ messageEvents(roomId: "{id}", roomCode: "{code}", after: "{after}") {{ __typename cursor message {{ text }} }} }}"#
    )
}

/// Whether the stock `graphql-ws` client gives up for good after this code.
pub fn stops(code: u16) -> bool {
    match code {
        1000 | 1001 | 1005 | 1006 | 1012..=1014 => false,
        1000..=1999 => true,
        code => [4400, 4401, 4004, 4005, 4406, 4409, 4429, 4500].contains(&code),
    }
}

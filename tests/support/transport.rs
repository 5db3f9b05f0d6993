//! A reader of a room's events over any transport, on any connection, after any cursor.

use std::error::Error;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::TIMEOUT;
use super::client::RoomKey;
use super::socket::{LEGACY_PROTOCOL, PROTOCOL};
use super::subscriber::{EVENTS, Received, Subscriber, root_of};

/// The transport of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    ServerSentEvents,
    Multipart,
    /// The older `graphql-ws` protocol. Last, because [`Transport::ALL`] numbers the others from 0.
    LegacyWebSocket,
}

impl Transport {
    /// The transports that current clients use.
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::ServerSentEvents, Self::Multipart];
}

/// How a reader sends the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// In the argument `after`.
    Argument,
    /// In `connection_init` on a WebSocket, and as `Last-Event-ID` of a GET, like `EventSource`, on SSE. The other transports have
    /// only the argument.
    Connection,
}

/// A reader. Dropping it closes the connection.
pub enum Reader {
    Socket(Box<Subscriber>),
    Stream(EventStream),
}

impl Reader {
    /// Subscribes to the messages of a room over `connection`. Fails if the connection is lost meanwhile.
    pub async fn over(
        connection: TcpStream,
        transport: Transport,
        room: &RoomKey,
        after: Option<String>,
        resume: Resume,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::with(connection, transport, EVENTS, room, after, resume).await
    }

    /// Like [`over`](Self::over), with another subscription.
    pub async fn with(
        connection: TcpStream,
        transport: Transport,
        query: &str,
        room: &RoomKey,
        after: Option<String>,
        resume: Resume,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        match transport {
            Transport::WebSocket => {
                let subscriber = Subscriber::over(connection, PROTOCOL, query, room, after, resume).await?;
                Ok(Self::Socket(Box::new(subscriber)))
            }
            Transport::LegacyWebSocket => {
                let resume = Resume::Argument;
                let subscriber = Subscriber::over(connection, LEGACY_PROTOCOL, query, room, after, resume).await?;
                Ok(Self::Socket(Box::new(subscriber)))
            }
            Transport::ServerSentEvents => {
                let framing = Framing::EventStream;
                Ok(Self::Stream(EventStream::over(connection, framing, query, room, after, resume).await?))
            }
            Transport::Multipart => {
                let framing = Framing::Multipart;
                let resume = Resume::Argument;
                Ok(Self::Stream(EventStream::over(connection, framing, query, room, after, resume).await?))
            }
        }
    }

    /// Subscribes to a room over a connection with a small receive buffer.
    pub async fn open_narrow(transport: Transport, address: &str, room: &RoomKey, after: Option<String>) -> Self {
        Self::open_narrow_with(transport, EVENTS, address, room, after).await
    }

    /// Like [`open_narrow`](Self::open_narrow), with another subscription.
    pub async fn open_narrow_with(
        transport: Transport,
        query: &str,
        address: &str,
        room: &RoomKey,
        after: Option<String>,
    ) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
        let connection = socket.connect(address.parse().expect("an address")).await.expect("a connection");
        Self::with(connection, transport, query, room, after, Resume::Argument).await.expect("a subscription")
    }

    /// The next message of the subscription.
    pub async fn next(&mut self) -> Received {
        match self {
            Self::Socket(subscriber) => subscriber.next().await,
            Self::Stream(stream) => stream.next().await,
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

    /// The next events, up to and including the `MessageSent` with this text, or to the end of the connection.
    pub async fn until_sent_or_closed(&mut self, last: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Received::Event(event) => {
                    let is_last = event["__typename"] == "MessageSent" && event["message"]["text"] == last;
                    events.push(event);
                    if is_last {
                        return events;
                    }
                }
                Received::Closed(_) => return events,
                other => panic!("an event was expected, not {other:?}"),
            }
        }
    }
}

/// How a body is divided into messages.
#[derive(Clone, Copy)]
enum Framing {
    EventStream,
    Multipart,
}

impl Framing {
    fn accept(self) -> &'static str {
        match self {
            Self::EventStream => "text/event-stream",
            Self::Multipart => "multipart/mixed;subscriptionSpec=1.0, application/json",
        }
    }

    fn delimiter(self) -> &'static [u8] {
        match self {
            Self::EventStream => b"\n\n",
            Self::Multipart => b"\r\n--graphql",
        }
    }
}

/// An HTTP/1.1 response that streams one subscription.
pub struct EventStream {
    connection: TcpStream,
    framing: Framing,
    /// Received bytes, still in chunks.
    chunked: Vec<u8>,
    /// Bytes of the body that are not returned yet.
    body: Vec<u8>,
    /// Whether the last chunk was received.
    ended: bool,
}

impl EventStream {
    async fn over(
        mut connection: TcpStream,
        framing: Framing,
        query: &str,
        room: &RoomKey,
        after: Option<String>,
        resume: Resume,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (argument, header) = match resume {
            Resume::Argument => (after, None),
            Resume::Connection => (None, after),
        };
        let variables = json!({ "roomId": room.id, "roomCode": room.code, "after": argument });
        let mut head = format!("host: {}\r\naccept: {}\r\n", connection.peer_addr()?, framing.accept());
        if let Some(cursor) = &header {
            head.push_str(&format!("last-event-id: {cursor}\r\n"));
        }
        let request = if header.is_some() {
            let parameters = [("query", query), ("variables", &variables.to_string())];
            let url = reqwest::Url::parse_with_params("http://server/graphql", parameters)?;
            format!("GET {}?{} HTTP/1.1\r\n{head}\r\n", url.path(), url.query().unwrap_or_default())
        } else {
            let body = json!({ "query": query, "variables": variables }).to_string();
            let length = body.len();
            format!(
                "POST /graphql HTTP/1.1\r\n{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        };
        connection.write_all(request.as_bytes()).await?;
        let mut stream = Self { connection, framing, chunked: Vec::new(), body: Vec::new(), ended: false };
        let head = loop {
            if let Some(head) = take_until(&mut stream.chunked, b"\r\n\r\n") {
                break String::from_utf8(head)?;
            }
            stream.read().await?;
        };
        // A refusal is a response of known length.
        if let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
            let length: usize = length.parse()?;
            while stream.chunked.len() < length {
                stream.read().await?;
            }
            let response = String::from_utf8(stream.chunked)?;
            let is_known = ["\"UNAVAILABLE\"", "\"CURSOR_INVALID\"", "\"ROOM_AT_CAPACITY\""]
                .iter()
                .any(|code| response.contains(code));
            assert!(is_known, "an unexpected response to a subscription: {response}");
            return Err(response.into());
        }
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("chunked"), "an unexpected response: {head}");
        Ok(stream)
    }

    async fn next(&mut self) -> Received {
        tokio::time::timeout(TIMEOUT, self.receive()).await.expect("a message in time")
    }

    async fn receive(&mut self) -> Received {
        loop {
            while let Some(piece) = take_until(&mut self.body, self.framing.delimiter()) {
                let piece = String::from_utf8(piece).expect("a message is text");
                let message = match self.framing {
                    Framing::EventStream => parse_event(&piece),
                    Framing::Multipart => parse_part(&piece),
                };
                if let Some(message) = message {
                    return message;
                }
            }
            if self.ended || self.read().await.is_err() {
                return Received::Closed(None);
            }
            self.decode_chunks();
        }
    }

    async fn read(&mut self) -> std::io::Result<()> {
        match self.connection.read_buf(&mut self.chunked).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Moves the content of complete chunks into `body`.
    fn decode_chunks(&mut self) {
        while let Some(end) = find(&self.chunked, b"\r\n") {
            let size = std::str::from_utf8(&self.chunked[..end]).expect("the size of a chunk");
            let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
            let (from, to) = (end + 2, end + 2 + size);
            if self.chunked.len() < to + 2 {
                return;
            }
            self.ended |= size == 0;
            self.body.extend_from_slice(&self.chunked[from..to]);
            self.chunked.drain(..to + 2);
        }
    }
}

/// Parses an event of an event stream. Returns `None` for a comment or an event without data.
fn parse_event(piece: &str) -> Option<Received> {
    let field = |name: &str| piece.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    if field("event") == Some("complete") {
        return Some(Received::Complete);
    }
    let message = parse_payload(&serde_json::from_str(field("data")?).expect("an event holds JSON"));
    if let Received::Event(event) = &message {
        assert_eq!(event["cursor"].as_str(), field("id"), "the id of an event is its cursor");
    }
    Some(message)
}

/// Parses a part. Returns `None` for a heartbeat.
fn parse_part(piece: &str) -> Option<Received> {
    let (_head, json) = piece.split_once("\r\n\r\n")?;
    let part: Value = serde_json::from_str(json).expect("a part holds JSON");
    if part.get("errors").is_some() {
        return Some(Received::Error(part));
    }
    part.get("payload").map(parse_payload)
}

fn parse_payload(payload: &Value) -> Received {
    match payload.get("errors") {
        None => Received::Event(root_of(payload)),
        Some(_) => Received::Error(payload.clone()),
    }
}

/// Removes and returns what precedes a delimiter, and removes the delimiter. Returns `None` if it is not there yet.
fn take_until(bytes: &mut Vec<u8>, delimiter: &[u8]) -> Option<Vec<u8>> {
    let end = find(bytes, delimiter)?;
    let taken = bytes[..end].to_vec();
    bytes.drain(..end + delimiter.len());
    Some(taken)
}

fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    bytes.windows(sought.len()).position(|window| window == sought)
}

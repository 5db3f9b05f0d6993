//! A reader of a room's events over any transport, on any line, from any cursor on.

use std::error::Error;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::PATIENCE;
use super::client::RoomKey;
use super::subscriber::{EVENTS, Said, Subscriber};

/// How events travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    ServerSentEvents,
    Multipart,
}

impl Transport {
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::ServerSentEvents, Self::Multipart];
}

/// How a reader says from where on it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// In the argument `after`.
    Argument,
    /// With the connection: in `connection_init` on a WebSocket, as `Last-Event-ID` of a GET like an `EventSource` on SSE.
    /// On multipart there is only the argument.
    Connection,
}

/// A reader. Dropping it ends the line, however the line was told to end.
pub enum Reader {
    Socket(Box<Subscriber>),
    Stream(EventStream),
}

impl Reader {
    /// Subscribes to a room over `line`; fails when the line is lost meanwhile.
    pub async fn over(
        line: TcpStream,
        transport: Transport,
        room: &RoomKey,
        after: Option<String>,
        resume: Resume,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        match transport {
            Transport::WebSocket => {
                let host = line.peer_addr()?.to_string();
                let subscriber = Subscriber::over(line, &host, room, after, resume).await?;
                Ok(Self::Socket(Box::new(subscriber)))
            }
            Transport::ServerSentEvents => {
                let framing = Framing::EventStream;
                Ok(Self::Stream(EventStream::over(line, framing, room, after, resume).await?))
            }
            Transport::Multipart => {
                let framing = Framing::Multipart;
                Ok(Self::Stream(EventStream::over(line, framing, room, after, Resume::Argument).await?))
            }
        }
    }

    /// Subscribes to a room, over a line that holds little of what is not read.
    pub async fn open_narrow(transport: Transport, address: &str, room: &RoomKey, after: Option<String>) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
        let line = socket.connect(address.parse().expect("an address")).await.expect("a line");
        Self::over(line, transport, room, after, Resume::Argument).await.expect("a subscription")
    }

    /// What the server says next about the subscription.
    pub async fn next(&mut self) -> Said {
        match self {
            Self::Socket(subscriber) => subscriber.next().await,
            Self::Stream(stream) => stream.next().await,
        }
    }

    /// The next events, up to and with the sending of this text, or to the end of the line.
    pub async fn until_sent_or_closed(&mut self, last: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Said::Event(event) => {
                    let is_last = event["__typename"] == "MessageSent" && event["message"]["text"] == last;
                    events.push(event);
                    if is_last {
                        return events;
                    }
                }
                Said::Closed(_) => return events,
                other => panic!("an event was expected, not {other:?}"),
            }
        }
    }
}

/// How a body is divided into what is said.
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

/// One HTTP/1.1 answer that does not end, with one subscription in it.
pub struct EventStream {
    line: TcpStream,
    framing: Framing,
    /// Read, and not taken out of its chunk yet.
    chunked: Vec<u8>,
    /// Taken out of its chunks, and not said yet.
    body: Vec<u8>,
    /// The last chunk was read.
    ended: bool,
}

impl EventStream {
    async fn over(
        mut line: TcpStream,
        framing: Framing,
        room: &RoomKey,
        after: Option<String>,
        resume: Resume,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (argument, header) = match resume {
            Resume::Argument => (after, None),
            Resume::Connection => (None, after),
        };
        let variables = json!({ "roomId": room.id, "roomCode": room.code, "after": argument });
        let mut head = format!("host: {}\r\naccept: {}\r\n", line.peer_addr()?, framing.accept());
        if let Some(cursor) = &header {
            head.push_str(&format!("last-event-id: {cursor}\r\n"));
        }
        let request = if header.is_some() {
            let parameters = [("query", EVENTS), ("variables", &variables.to_string())];
            let url = reqwest::Url::parse_with_params("http://server/graphql", parameters)?;
            format!("GET {}?{} HTTP/1.1\r\n{head}\r\n", url.path(), url.query().unwrap_or_default())
        } else {
            let body = json!({ "query": EVENTS, "variables": variables }).to_string();
            let length = body.len();
            format!(
                "POST /graphql HTTP/1.1\r\n{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        };
        line.write_all(request.as_bytes()).await?;
        let mut stream = Self { line, framing, chunked: Vec::new(), body: Vec::new(), ended: false };
        let head = loop {
            if let Some(head) = take_until(&mut stream.chunked, b"\r\n\r\n") {
                break String::from_utf8(head)?;
            }
            stream.read().await?;
        };
        // Whoever takes JSON too is told in JSON that there is no subscription for the moment.
        if head.contains("content-type: application/json") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?;
            let length: usize = length.parse()?;
            while stream.chunked.len() < length {
                stream.read().await?;
            }
            let answer = String::from_utf8(stream.chunked)?;
            let is_known = ["\"UNAVAILABLE\"", "\"CURSOR_INVALID\""].iter().any(|code| answer.contains(code));
            assert!(is_known, "a subscription was answered with {answer}");
            return Err(answer.into());
        }
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("chunked"), "an answer of another kind: {head}");
        Ok(stream)
    }

    async fn next(&mut self) -> Said {
        tokio::time::timeout(PATIENCE, self.hear()).await.expect("the server says something in time")
    }

    async fn hear(&mut self) -> Said {
        loop {
            while let Some(piece) = take_until(&mut self.body, self.framing.delimiter()) {
                let piece = String::from_utf8(piece).expect("what the server says is text");
                let said = match self.framing {
                    Framing::EventStream => of_event_stream(&piece),
                    Framing::Multipart => of_part(&piece),
                };
                if let Some(said) = said {
                    return said;
                }
            }
            if self.ended || self.read().await.is_err() {
                return Said::Closed(None);
            }
            self.unchunk();
        }
    }

    async fn read(&mut self) -> std::io::Result<()> {
        match self.line.read_buf(&mut self.chunked).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Takes whole chunks out of what was read.
    fn unchunk(&mut self) {
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

/// What one event of an event stream says, if it says anything.
fn of_event_stream(piece: &str) -> Option<Said> {
    let field = |name: &str| piece.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    if field("event") == Some("complete") {
        return Some(Said::Complete);
    }
    let said = of_payload(&serde_json::from_str(field("data")?).expect("an event holds JSON"));
    if let Said::Event(event) = &said {
        assert_eq!(event["cursor"].as_str(), field("id"), "the id of an event is its cursor");
    }
    Some(said)
}

/// What one part says, if it says anything.
fn of_part(piece: &str) -> Option<Said> {
    let (_head, json) = piece.split_once("\r\n\r\n")?;
    let part: Value = serde_json::from_str(json).expect("a part holds JSON");
    if part.get("errors").is_some() {
        return Some(Said::Error(part));
    }
    part.get("payload").map(of_payload)
}

fn of_payload(payload: &Value) -> Said {
    match payload.get("errors") {
        None => Said::Event(payload["data"]["messageEvents"].clone()),
        Some(_) => Said::Error(payload.clone()),
    }
}

/// Takes what comes before a delimiter, and the delimiter away, once it is there.
fn take_until(bytes: &mut Vec<u8>, delimiter: &[u8]) -> Option<Vec<u8>> {
    let end = find(bytes, delimiter)?;
    let taken = bytes[..end].to_vec();
    bytes.drain(..end + delimiter.len());
    Some(taken)
}

fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    bytes.windows(sought.len()).position(|window| window == sought)
}

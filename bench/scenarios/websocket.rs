//! A minimal WebSocket client that handles unfragmented text frames and pings, including those of Socket.IO.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// A ping of Socket.IO's heartbeat, which is a text, and its response.
const HEARTBEAT: (&str, &str) = ("2", "3");

/// The least space to read into. Small, because there may be a million sockets.
const BUFFER: usize = 2 * 1024;

/// How often a socket is connected at most, if the server resets the connection.
const MAX_CONNECTS: usize = 5;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// An open socket.
pub struct WebSocketClient {
    stream: TcpStream,
    /// Bytes received and not yet consumed.
    read: Vec<u8>,
}

impl WebSocketClient {
    /// Opens a socket at `path`. Connects again if the server resets the connection, as a busy one may.
    pub async fn open(address: &str, path: &str) -> Self {
        for _ in 1..MAX_CONNECTS {
            let stream = TcpStream::connect(address).await.expect("a connection");
            match Self::try_over(stream, address, path).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                opened => return opened.expect("a socket"),
            }
        }
        Self::over(TcpStream::connect(address).await.expect("a connection"), address, path).await
    }

    /// Like [`open`](Self::open), with a small receive buffer.
    pub async fn open_narrow(address: &str, path: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
        let stream = socket.connect(address.parse().expect("an address")).await.expect("a connection");
        Self::over(stream, address, path).await
    }

    /// Opens a socket at `path` over a new connection to `address`.
    pub async fn over(stream: TcpStream, address: &str, path: &str) -> Self {
        Self::try_over(stream, address, path).await.expect("a socket")
    }

    async fn try_over(mut stream: TcpStream, address: &str, path: &str) -> io::Result<Self> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(stream.read_buf(&mut read).await? > 0, "the server closed the connection");
        };
        assert!(read.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&read));
        read.drain(..end);
        Ok(Self { stream, read })
    }

    /// Sends a text frame.
    pub async fn send_text(&mut self, text: &str) {
        self.write(TEXT, text.as_bytes()).await;
    }

    /// Waits for the next text frame.
    pub async fn next_text(&mut self) -> String {
        let mut received = None;
        while received.is_none() {
            self.read_texts(1, |text| received = Some(text.to_owned())).await;
        }
        received.expect("a text")
    }

    /// Passes complete text frames that have arrived to `take`, at most `most` of them. Waits for bytes if there is none.
    pub async fn read_texts(&mut self, most: usize, mut take: impl FnMut(&str)) {
        let (mut taken, mut texts, mut replies) = (0, 0, Vec::new());
        while texts < most {
            let Some((kind, head, length)) = frame(&self.read[taken..]) else { break };
            let payload = &self.read[taken + head..taken + head + length];
            match kind {
                TEXT if payload == HEARTBEAT.0.as_bytes() => replies.push((TEXT, HEARTBEAT.1.into())),
                TEXT => {
                    take(std::str::from_utf8(payload).expect("text"));
                    texts += 1;
                }
                PING => replies.push((PONG, payload.to_vec())),
                CLOSE => panic!("the server closed the socket: {}", String::from_utf8_lossy(payload)),
                _ => {}
            }
            taken += head + length;
        }
        self.read.drain(..taken);
        for (kind, payload) in replies {
            self.write(kind, &payload).await;
        }
        if texts == 0 {
            self.read.reserve(BUFFER);
            let read = self.stream.read_buf(&mut self.read).await.expect("an open connection");
            assert!(read > 0, "the server closed the connection");
        }
    }

    async fn write(&mut self, kind: u8, payload: &[u8]) {
        let mut frame = vec![kind];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).expect("a short text").to_be_bytes());
            }
        }
        // A zero mask leaves the payload unchanged.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await.expect("an open connection");
    }
}

/// The opcode byte, head length and payload length of the first frame, once it is complete.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (head, length) = match *bytes.get(1)? {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        length => (2, length.into()),
    };
    (bytes.len() >= head + length).then(|| (bytes[0], head, length))
}

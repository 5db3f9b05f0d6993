//! A minimal HTTP client: one keep-alive connection, one request at a time.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest pause between two requests on a connection. Node.js closes connections after five idle seconds.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// A keep-alive connection. Replaced if it was idle for long.
pub struct Connection {
    stream: TcpStream,
    address: String,
    read: Vec<u8>,
    used: Instant,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Self { stream, address: address.to_owned(), read: Vec::new(), used: Instant::now() }
    }

    /// Posts JSON and returns the response body. Panics unless the status is 2xx.
    pub async fn post(&mut self, path: &str, json: &str) -> &str {
        let (address, length) = (&self.address, json.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{json}"
        );
        self.exchange(&request).await
    }

    /// Returns the response body. Panics unless the status is 2xx.
    pub async fn get(&mut self, path: &str) -> &str {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.exchange(&request).await
    }

    async fn exchange(&mut self, request: &str) -> &str {
        if self.used.elapsed() > IDLE_MAX {
            let address = self.address.clone();
            *self = Self::open(&address).await;
        }
        self.stream.write_all(request.as_bytes()).await.expect("an open connection");
        self.read.clear();
        let (head, length) = loop {
            if let Some(found) = head(&self.read) {
                break found;
            }
            self.read_more().await;
        };
        while self.read.len() < head + length {
            self.read_more().await;
        }
        self.used = Instant::now();
        std::str::from_utf8(&self.read[head..head + length]).expect("text")
    }

    async fn read_more(&mut self) {
        let read = self.stream.read_buf(&mut self.read).await.expect("an open connection");
        assert!(read > 0, "the server closed the connection");
    }
}

/// The lengths of a response's head and body, once the head is complete.
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).expect("text").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 2"), "unexpected response: {head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
    Some((end, length.trim().parse().expect("a length")))
}

//! A minimal HTTP client that pipelines requests on one connection.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection for `POST /graphql`.
pub struct PipelinedClient {
    stream: TcpStream,
    address: String,
    /// Bytes received and not yet consumed.
    read: Vec<u8>,
}

impl PipelinedClient {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an open connection");
        Self { stream, address: address.to_owned(), read: Vec::new() }
    }

    /// Posts all bodies in one write. Returns the response bodies in order.
    pub async fn post_all(&mut self, bodies: &[String]) -> Vec<String> {
        let mut requests = String::new();
        for body in bodies {
            requests.push_str("POST /graphql HTTP/1.1\r\nhost: ");
            requests.push_str(&self.address);
            requests.push_str("\r\ncontent-type: application/json\r\ncontent-length: ");
            requests.push_str(&body.len().to_string());
            requests.push_str("\r\n\r\n");
            requests.push_str(body);
        }
        self.stream.write_all(requests.as_bytes()).await.expect("an open connection");
        let mut responses = Vec::with_capacity(bodies.len());
        while responses.len() < bodies.len() {
            match self.take() {
                Some(response) => responses.push(response),
                None => {
                    self.read.reserve(16 * 1024);
                    let read = self.stream.read_buf(&mut self.read).await.expect("an open connection");
                    assert!(read > 0, "the server closed the connection");
                }
            }
        }
        responses
    }

    /// Takes the next response body, once it is complete.
    fn take(&mut self) -> Option<String> {
        const LENGTH: &str = "content-length: ";
        let head = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        let text = std::str::from_utf8(&self.read[..head]).expect("a textual head");
        let length = text.lines().find_map(|line| line.strip_prefix(LENGTH)).expect("a length");
        let (from, to) = (head + 4, head + 4 + length.parse::<usize>().expect("a number"));
        let body = self.read.get(from..to)?.to_vec();
        self.read.drain(..to);
        Some(String::from_utf8(body).expect("a textual body"))
    }
}

//! An HTTP client that costs next to nothing: many requests in one write, their answers in order, on one line that stays.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One line to `/graphql`.
pub struct Posts {
    stream: TcpStream,
    address: String,
    /// What was read and not yet taken.
    read: Vec<u8>,
}

impl Posts {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a line");
        stream.set_nodelay(true).expect("a line that holds");
        Self { stream, address: address.to_owned(), read: Vec::new() }
    }

    /// Posts these bodies at once; their answers.
    pub async fn answers(&mut self, bodies: &[String]) -> Vec<String> {
        let mut requests = String::new();
        for body in bodies {
            requests.push_str("POST /graphql HTTP/1.1\r\nhost: ");
            requests.push_str(&self.address);
            requests.push_str("\r\ncontent-type: application/json\r\ncontent-length: ");
            requests.push_str(&body.len().to_string());
            requests.push_str("\r\n\r\n");
            requests.push_str(body);
        }
        self.stream.write_all(requests.as_bytes()).await.expect("a line that holds");
        let mut answers = Vec::with_capacity(bodies.len());
        while answers.len() < bodies.len() {
            match self.take() {
                Some(answer) => answers.push(answer),
                None => {
                    self.read.reserve(16 * 1024);
                    let read = self.stream.read_buf(&mut self.read).await.expect("a line that holds");
                    assert!(read > 0, "the server closed the line");
                }
            }
        }
        answers
    }

    /// The body of the next answer, once all of it is there.
    fn take(&mut self) -> Option<String> {
        const LENGTH: &str = "content-length: ";
        let head = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        let text = std::str::from_utf8(&self.read[..head]).expect("a head is text");
        let length = text.lines().find_map(|line| line.strip_prefix(LENGTH)).expect("a length");
        let (from, to) = (head + 4, head + 4 + length.parse::<usize>().expect("a number"));
        let body = self.read.get(from..to)?.to_vec();
        self.read.drain(..to);
        Some(String::from_utf8(body).expect("an answer is text"))
    }
}

//! A client that writes whatever bytes it is told to, and shows what comes back.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::PATIENCE;

/// One line to a server.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn open(address: &str) -> Self {
        Self(TcpStream::connect(address).await.expect("a line"))
    }

    /// One that has said this.
    pub async fn saying(address: &str, bytes: impl AsRef<[u8]>) -> Self {
        let mut line = Self::open(address).await;
        line.say(bytes).await;
        line
    }

    /// Says this, as far as the server takes it.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// Says byte after byte, with time between them, until the server hangs up; what it said by then. The bytes must be
    /// more than a server can be expected to wait for.
    pub async fn drip(mut self, bytes: &[u8]) -> String {
        let (mut from, mut to) = self.0.split();
        let mut heard = Vec::new();
        tokio::select! {
            _ = from.read_to_end(&mut heard) => String::from_utf8(heard).expect("text"),
            () = async {
                for byte in bytes {
                    if to.write_all(&[*byte]).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                    sleep(Duration::from_millis(50)).await;
                }
            } => panic!("the server waited for every byte"),
        }
    }

    /// What the server says next, up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            let byte = timeout(PATIENCE, self.0.read_u8()).await.expect("the server says something in time");
            let so_far = String::from_utf8_lossy(&heard);
            heard.push(byte.unwrap_or_else(|error| panic!("{error} after {so_far}")));
        }
        String::from_utf8(heard).expect("text")
    }

    /// All that the server says until it hangs up.
    pub async fn rest(mut self) -> String {
        let mut heard = Vec::new();
        // A line that is reset has ended too.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut heard)).await.expect("the server hangs up in time");
        String::from_utf8(heard).expect("text")
    }
}

/// A POST of this body, which is said to be JSON, with these further lines in its head.
pub fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\n{headers}\r\n{body}")
}

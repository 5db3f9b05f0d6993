//! A TCP client that sends arbitrary bytes.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::TIMEOUT;

/// A connection to a server.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn open(address: &str) -> Self {
        Self(TcpStream::connect(address).await.expect("a connection"))
    }

    /// Opens a connection and writes these bytes.
    pub async fn sending(address: &str, bytes: impl AsRef<[u8]>) -> Self {
        let mut connection = Self::open(address).await;
        connection.send(bytes).await;
        connection
    }

    /// Writes these bytes, as far as the server accepts them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// Writes one byte after the other, with pauses, until the server closes the connection. Returns what the server sent. Panics
    /// if the server waits for all bytes.
    pub async fn send_slowly(mut self, bytes: &[u8]) -> String {
        let (mut from, mut to) = self.0.split();
        let mut received = Vec::new();
        tokio::select! {
            _ = from.read_to_end(&mut received) => String::from_utf8(received).expect("text"),
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

    /// Reads up to and including `end`.
    pub async fn until(&mut self, end: &str) -> String {
        let mut received = Vec::new();
        while !received.ends_with(end.as_bytes()) {
            let byte = timeout(TIMEOUT, self.0.read_u8()).await.expect("the server writes in time");
            let so_far = String::from_utf8_lossy(&received);
            received.push(byte.unwrap_or_else(|error| panic!("{error} after {so_far}")));
        }
        String::from_utf8(received).expect("text")
    }

    /// Reads until the server closes the connection.
    pub async fn rest(mut self) -> String {
        let mut received = Vec::new();
        // A reset also ends the connection.
        let _ = timeout(TIMEOUT, self.0.read_to_end(&mut received)).await.expect("the server closes in time");
        String::from_utf8(received).expect("text")
    }
}

/// A POST request with this JSON body and these additional header lines.
pub fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\n{headers}\r\n{body}")
}

//! A connection for requests: HTTP, or a socket if the server takes requests over sockets.

use std::borrow::Cow;

use crate::connection::Connection;
use crate::protocol::Request;
use crate::websocket::WebSocketClient;

/// An open connection. Takes one request at a time.
pub enum Client {
    Http(Connection),
    Socket(WebSocketClient),
}

impl Client {
    /// Sends a request and returns the response. Panics unless an HTTP status is 2xx.
    pub async fn request(&mut self, request: &Request) -> Cow<'_, str> {
        match (self, request) {
            (Self::Http(connection), Request::Get(path)) => connection.get(path).await.into(),
            (Self::Http(connection), Request::Post(path, json)) => connection.post(path, json).await.into(),
            (Self::Socket(socket), Request::Frame(text)) => {
                socket.send_text(text).await;
                socket.next_text().await.into()
            }
            _ => unreachable!("a request of another protocol"),
        }
    }
}

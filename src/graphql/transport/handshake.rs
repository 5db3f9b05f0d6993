//! The WebSocket handshake where axum and hyper do not do all of it: reading headers that are lists, and spelling the
//! headers of the answer.

use axum::body::Body;
use axum::http::{Extensions, HeaderMap, HeaderValue, Request, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::sync::OnceCell;

use crate::graphql::transport::header_list::items;

/// Whether a request asks for a WebSocket, among other protocols perhaps.
pub(super) fn asks_for_socket(headers: &HeaderMap) -> bool {
    items(headers, &header::UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Brings the headers of a handshake into the form that axum reads: one line each, and one token where one matters.
pub(super) fn normalize(headers: &mut HeaderMap) {
    if asks_for_socket(headers) {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    // axum would look for the word anywhere in the value.
    let upgrades = items(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"));
    match upgrades {
        true => headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade")),
        false => headers.remove(header::CONNECTION),
    };
    let protocols: Vec<_> = items(headers, &header::SEC_WEBSOCKET_PROTOCOL).collect();
    if let Ok(protocols) = HeaderValue::from_str(&protocols.join(", "))
        && !protocols.is_empty()
    {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocols);
    }
}

/// A response whose headers are spelled as clients expect them, some of which compare the case: Python's `gql` looks for
/// `Sec-WebSocket-Protocol` and for nothing else.
const SPELLED: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nUpgrade: x\r\nSec-WebSocket-Accept: x\r\n\
    Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Version: x\r\nContent-Length: 0\r\n\r\n";

/// Spells the headers of the answer to a handshake.
pub(super) async fn spell(answer: &mut Extensions) {
    static SPELLING: OnceCell<Option<Extensions>> = OnceCell::const_new();
    match SPELLING.get_or_init(spelling).await {
        Some(spelling) => answer.extend(spelling.clone()),
        None => tracing::error!("header names are written in lower case, which some WebSocket clients do not read"),
    }
}

/// What tells hyper how to spell header names. Only hyper can make it, and does so when it reads a response; so it is given
/// one to read, over a line that does not leave this function.
async fn spelling() -> Option<Extensions> {
    let (client, mut server) = duplex(1024);
    let (mut sender, connection) =
        http1::Builder::new().preserve_header_case(true).handshake(TokioIo::new(client)).await.ok()?;
    let asking = async move {
        let response = sender.send_request(Request::new(Body::empty())).await.ok()?;
        Some(response.into_parts().0.extensions)
    };
    let answering = async {
        let _ = server.read(&mut [0; 256]).await;
        let _ = server.write_all(SPELLED).await;
        std::future::pending::<()>().await;
    };
    let exchange = async { tokio::join!(asking, connection).0 };
    tokio::select! {
        extensions = exchange => extensions,
        () = answering => None,
    }
}

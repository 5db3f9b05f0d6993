//! The parts of the WebSocket handshake that axum and hyper do not cover: headers that are lists, and the case of response
//! header names.

use axum::body::Body;
use axum::http::{Extensions, HeaderMap, HeaderValue, Request, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::sync::OnceCell;

use crate::header_list::items;

/// Whether a request asks for an upgrade to WebSocket, perhaps among other protocols.
pub(super) fn is_websocket_upgrade(headers: &HeaderMap) -> bool {
    items(headers, &header::UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Rewrites the handshake headers into the form that axum expects: one line each, and only the token that matters.
pub(super) fn normalize_headers(headers: &mut HeaderMap) {
    if is_websocket_upgrade(headers) {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    // axum would find the word anywhere in the value, as in `not-upgrade`.
    let has_upgrade = items(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"));
    match has_upgrade {
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

/// A response with header names in the case that clients expect. Some compare the case: Python's `gql` finds only
/// `Sec-WebSocket-Protocol`.
const SAMPLE_RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nUpgrade: x\r\nSec-WebSocket-Accept: x\r\n\
    Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Version: x\r\nContent-Length: 0\r\n\r\n";

/// Sets the case of the header names of a handshake response.
pub(super) async fn set_header_case(response: &mut Extensions) {
    static HEADER_CASE: OnceCell<Option<Extensions>> = OnceCell::const_new();
    match HEADER_CASE.get_or_init(read_header_case).await {
        Some(header_case) => response.extend(header_case.clone()),
        None => tracing::error!("header names are sent in lower case; some WebSocket clients cannot read them"),
    }
}

/// Makes the extension that tells hyper the case of header names. Only hyper can create it, when it reads a response. So a
/// client made with hyper reads [`SAMPLE_RESPONSE`] from an in-memory connection.
async fn read_header_case() -> Option<Extensions> {
    let (client, mut server) = duplex(1024);
    let (mut sender, connection) =
        http1::Builder::new().preserve_header_case(true).handshake(TokioIo::new(client)).await.ok()?;
    let request = async move {
        let response = sender.send_request(Request::new(Body::empty())).await.ok()?;
        Some(response.into_parts().0.extensions)
    };
    let respond = async {
        let _ = server.read(&mut [0; 256]).await;
        let _ = server.write_all(SAMPLE_RESPONSE).await;
        std::future::pending::<()>().await;
    };
    let exchange = async { tokio::join!(request, connection).0 };
    tokio::select! {
        extensions = exchange => extensions,
        () = respond => None,
    }
}

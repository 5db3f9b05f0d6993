//! What comes by WebSocket: frames before anything has looked at them, and messages of the protocol.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::front_door::with_router;

/// Bytes that may be on the way.
const LINE: usize = 64 * 1024;

/// When the server has said nothing for so long, it has said everything. The clock jumps, so it is never waited for.
const QUIET: Duration = Duration::from_millis(10);

const UPGRADE: &[u8] = b"GET /graphql HTTP/1.1\r\nHost: livechat\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";

const INIT: &[u8] = br#"{"type":"connection_init"}"#;

/// The bytes are what the client writes once the socket is open.
pub fn frames(bytes: &[u8]) {
    converse(&[bytes]);
}

/// Each line is a text message, after the one that opens the conversation.
pub fn messages(bytes: &[u8]) {
    let lines = std::iter::once(INIT).chain(bytes.split(|byte| *byte == b'\n'));
    let frames: Vec<_> = lines.map(text_frame).collect();
    converse(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

/// A whole message in one frame, masked with zeros, which leave it as it is.
fn text_frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(short @ 0..=125) => frame.push(0x80 | short as u8),
        Ok(long) => {
            frame.push(0x80 | 126);
            frame.extend(long.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((text.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text);
    frame
}

/// Opens a socket, writes, and hears the server out after each writing, then goes.
fn converse(writings: &[&[u8]]) {
    with_router(async |router| {
        let (mut client, server) = duplex(LINE);
        let service = TowerToHyperService::new(router.map_request(|request: Request<Incoming>| request.map(Body::new)));
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades();
        let connection = tokio::spawn(connection);
        for bytes in std::iter::once(UPGRADE).chain(writings.iter().copied()) {
            if client.write_all(bytes).await.is_err() {
                break;
            }
            hear_out(&mut client).await;
        }
        drop(client);
        // What was opened ends when its peer has gone.
        connection.await.expect("no panic").expect("a connection that was upgraded");
        tokio::time::sleep(QUIET).await;
    });
}

async fn hear_out(client: &mut tokio::io::DuplexStream) {
    let mut heard = [0; 4096];
    while let Ok(Ok(1..)) = timeout(QUIET, client.read(&mut heard)).await {}
}

//! WebSocket targets: raw frames, and messages of the protocol.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::local_server::with_router;

/// Buffer of the connection, in bytes.
const BUFFER: usize = 64 * 1024;

/// The server is idle when it sends nothing for this long. The clock is paused, so this takes no real time.
const IDLE: Duration = Duration::from_millis(10);

const UPGRADE: &[u8] = b"GET /graphql HTTP/1.1\r\nHost: livechat\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";

const INIT: &[u8] = br#"{"type":"connection_init"}"#;

/// The bytes are sent after the handshake.
pub fn frames(bytes: &[u8]) {
    exchange(&[bytes]);
}

/// Each line is a text message, sent after `connection_init`.
pub fn messages(bytes: &[u8]) {
    let lines = std::iter::once(INIT).chain(bytes.split(|byte| *byte == b'\n'));
    let frames: Vec<_> = lines.map(text_frame).collect();
    exchange(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

/// A text message in one frame, with a zero mask.
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

/// Opens a socket, sends each part and reads until the server is idle, then disconnects.
fn exchange(parts: &[&[u8]]) {
    with_router(async |router| {
        let (mut client, server) = duplex(BUFFER);
        let service = TowerToHyperService::new(router.map_request(|request: Request<Incoming>| request.map(Body::new)));
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades();
        let connection = tokio::spawn(connection);
        for bytes in std::iter::once(UPGRADE).chain(parts.iter().copied()) {
            if client.write_all(bytes).await.is_err() {
                break;
            }
            read_until_idle(&mut client).await;
        }
        drop(client);
        // The connection ends when the client has disconnected.
        connection.await.expect("no panic").expect("an upgraded connection");
        tokio::time::sleep(IDLE).await;
    });
}

async fn read_until_idle(client: &mut tokio::io::DuplexStream) {
    let mut buffer = [0; 4096];
    while let Ok(Ok(1..)) = timeout(IDLE, client.read(&mut buffer)).await {}
}

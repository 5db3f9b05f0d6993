//! Queries, mutations and subscriptions over WebSocket, in the `graphql-transport-ws` protocol
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).
//!
//! One task a socket: it sends what the protocol says, and asks for the next event only when the last one is sent, so a
//! reader that stops reading falls behind in the room's log and not in this process's memory.

use async_graphql::http::{WebSocket as Protocol, WebSocketProtocols, WsMessage};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use futures_util::{SinkExt as _, Stream, StreamExt as _, future};
use tokio_util::sync::CancellationToken;

use crate::graphql::Schema;
use crate::graphql::transport::Transport;

const PROTOCOL: &str = "graphql-transport-ws";

/// Bytes of a message from a client, at most.
const MESSAGE_MAX: usize = 64 * 1024;

/// Bytes read at once. The default would cost every socket 128 KiB.
const READ_BUFFER: usize = 4 * 1024;

/// "Service restart": clients come back, by then to a server that is there.
const SERVICE_RESTART: u16 = 1012;

pub(super) fn accept(transport: Transport, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX);
    if upgrade.selected_protocol().is_none() {
        let problem = "this server speaks the WebSocket sub-protocol graphql-transport-ws only";
        return (StatusCode::BAD_REQUEST, problem).into_response();
    }
    let Transport { schema, drain, sockets } = transport;
    upgrade.on_upgrade(move |socket| sockets.track_future(serve(socket, schema, drain)))
}

async fn serve(socket: WebSocket, schema: Schema, drain: CancellationToken) {
    let (mut sink, stream) = socket.split();
    let mut protocol = Protocol::new(schema, client_messages(stream), WebSocketProtocols::GraphQLWS);
    loop {
        let message = tokio::select! {
            message = protocol.next() => message,
            () = drain.cancelled() => Some(WsMessage::Close(SERVICE_RESTART, "the server is restarting".into())),
        };
        let (message, last) = match message {
            Some(WsMessage::Text(text)) => (Message::Text(text.into()), false),
            Some(WsMessage::Close(code, reason)) => {
                (Message::Close(Some(CloseFrame { code, reason: reason.into() })), true)
            }
            None => return,
        };
        // A socket that cannot be written to is gone; so is its client.
        if sink.send(message).await.is_err() || last {
            return;
        }
    }
}

/// What the client says, until it closes the socket.
fn client_messages(stream: impl Stream<Item = Result<Message, axum::Error>>) -> impl Stream<Item = Vec<u8>> {
    stream
        .take_while(|message| future::ready(matches!(message, Ok(message) if !matches!(message, Message::Close(_)))))
        .filter_map(|message| {
            future::ready(match message {
                Ok(Message::Text(text)) => Some(text.as_bytes().to_vec()),
                Ok(Message::Binary(bytes)) => Some(bytes.to_vec()),
                _ => None,
            })
        })
}

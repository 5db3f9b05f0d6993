//! The older `graphql-ws` protocol, of subscriptions-transport-ws
//! (<https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md>), for old Apollo clients.
//!
//! async-graphql-axum speaks the protocol over an executor that applies our limits. This module checks every message before the
//! library sees it, sends the keep-alives that the library does not send, and hands over one message at a time, so at most
//! one waits for the peer.

mod executor;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::extract::FromRequestParts as _;
use axum::extract::ws::Message as AxumMessage;
use axum::http::{Request, header};
use futures_channel::mpsc;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::graphql::transport::request::BadRequest;
use crate::graphql::transport::ws::close_code::CloseCode;
use crate::graphql::transport::ws::legacy::executor::{LimitedExecutor, to_payload};
use crate::graphql::transport::ws::messages::{Envelope, LEGACY_NAME};
use crate::graphql::transport::ws::socket::{End, Socket, SocketEvent};

const ACK: &str = r#"{"type":"connection_ack"}"#;
const KEEP_ALIVE: &str = r#"{"type":"ka"}"#;

/// Serves a socket until it ends. `request_id` is that of the upgrade; operations are logged under it.
pub(super) async fn run(socket: &mut Socket, request_id: Option<Arc<str>>) -> End {
    let Err(end) = serve(socket, request_id).await;
    end
}

/// What happens on a socket.
enum Event {
    Socket(SocketEvent),
    /// The library has a message for the peer.
    Output(AxumMessage),
    /// The library has ended the connection at the client's request.
    Terminated,
}

async fn serve(socket: &mut Socket, request_id: Option<Arc<str>>) -> Result<Infallible, End> {
    let protocol = protocol().await.ok_or(End::Close(CloseCode::SubprotocolNotAcceptable))?;
    // Each channel holds one message: it has no buffer, and one slot for its sender.
    let (mut input, library_input) = mpsc::channel(0);
    let (library_output, mut output) = mpsc::channel(0);
    let executor = LimitedExecutor::new(socket, request_id);
    let library = GraphQLWebSocket::new_with_pair(library_output, library_input.map(Ok), executor, protocol);
    let mut library = Box::pin(library.serve());
    loop {
        let event = poll_fn(|cx| {
            // Read only once the library has taken the last message.
            if input.poll_ready(cx).is_ready()
                && let Poll::Ready(event) = socket.poll_event(cx)
            {
                return Poll::Ready(Event::Socket(event));
            }
            if library.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Terminated);
            }
            if let Poll::Ready(Some(message)) = output.poll_next_unpin(cx) {
                return Poll::Ready(Event::Output(message));
            }
            // The library waits for input now, so it has taken the last message.
            socket.poll_event(cx).map(Event::Socket)
        })
        .await;
        match event {
            Event::Socket(event) => {
                if let Some(text) = socket.on_event(event).await?
                    && let Some(message) = on_message(socket, &text).await?
                {
                    input.try_send(AxumMessage::text(message)).map_err(|_| End::Gone)?;
                }
            }
            Event::Output(AxumMessage::Text(text)) => {
                let is_ack = text.as_str() == ACK;
                socket.write(&text).await?;
                if is_ack {
                    socket.write(KEEP_ALIVE).await?;
                    socket.keep_alive_with(KEEP_ALIVE);
                }
            }
            // The library closes only after invalid messages, which it never sees.
            Event::Output(_) => return Err(End::Close(CloseCode::InvalidMessage)),
            Event::Terminated => return Err(End::Close(CloseCode::Normal)),
        }
    }
}

/// The library's name for this protocol, which it reads only from a request.
async fn protocol() -> Option<GraphQLProtocol> {
    let request = Request::builder().header(header::SEC_WEBSOCKET_PROTOCOL, LEGACY_NAME).body(()).ok()?;
    GraphQLProtocol::from_request_parts(&mut request.into_parts().0, &()).await.ok()
}

/// Checks a message, as the newer protocol does, and returns it in the form that the library reads. Rejects a request that
/// cannot be parsed, and returns `None`.
async fn on_message(socket: &mut Socket, text: &str) -> Result<Option<String>, End> {
    let envelope = Envelope::parse(text).map_err(End::Close)?;
    let message = match envelope.kind().map_err(End::Close)?.as_str() {
        "connection_init" if socket.is_acknowledged() => return Err(End::Close(CloseCode::TooManyInits)),
        kind @ "connection_init" => {
            envelope.payload().map_err(End::Close)?;
            socket.acknowledge();
            json!({ "type": kind })
        }
        "start" if !socket.is_acknowledged() => return Err(End::Close(CloseCode::Unauthorized)),
        kind @ "start" => {
            let id = envelope.id().map_err(End::Close)?;
            match envelope.parameters().map_err(End::Close)? {
                Ok(parameters) => json!({ "type": kind, "id": id, "payload": to_payload(parameters) }),
                Err(bad_request) => {
                    reject_operation(socket, &id, bad_request).await?;
                    return Ok(None);
                }
            }
        }
        kind @ "stop" => json!({ "type": kind, "id": envelope.id().map_err(End::Close)? }),
        kind @ "connection_terminate" => json!({ "type": kind }),
        _ => return Err(End::Close(CloseCode::InvalidMessage)),
    };
    Ok(Some(message.to_string()))
}

/// Sends an `error` message, whose payload is one error.
async fn reject_operation(socket: &mut Socket, id: &str, bad_request: BadRequest) -> Result<(), End> {
    socket.state().executor.metrics().record_refused(bad_request.code().1);
    let errors: Value = serde_json::from_str(&bad_request.into_answer().errors_to_json()).unwrap_or_default();
    let message = json!({ "type": "error", "id": id, "payload": errors[0] });
    socket.write(&message.to_string()).await
}

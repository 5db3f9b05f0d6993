//! GraphQL over WebSocket: accepts upgrades and runs one task per socket.
//!
//! The protocols are in `transport_ws` and, for old clients, `legacy`. Both read and write through `socket`.

mod close_code;
mod frames;
mod legacy;
mod messages;
mod operation_stream;
mod socket;
mod transport_ws;
mod wake_gate;

use std::pin::pin;
use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::{OnUpgrade, Parts as UpgradeParts};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tower_http::request_id::RequestId;

use crate::counted_connection::{CountedConnection, UpgradeGuard};
use crate::error_code::ErrorCode;
use crate::graphql::execution::Answer;
use crate::graphql::transport::http;
use crate::graphql::transport::negotiation::ResponseType;
use crate::graphql::transport::state::{TransportState, client_key};
use crate::graphql::transport::ws::close_code::CloseCode;
use crate::graphql::transport::ws::socket::{Connection, End, Socket};
use crate::metrics::GaugeGuard;

/// Subprotocols, best first.
pub(super) const PROTOCOLS: [&str; 2] = [messages::NAME, messages::LEGACY_NAME];

/// Accepts the upgrade and serves the socket in a task of its own, or rejects it.
pub(super) fn upgrade(
    state: &Arc<TransportState>,
    upgrade: WebSocketUpgrade,
    connection: OnUpgrade,
    request: &Parts,
) -> Response {
    if state.drain.has_begun() {
        return reject(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Unavailable,
            "this server is shutting down; connect again",
        );
    }
    let client = client_key(&request.extensions);
    let Ok(permit) = state.sockets.acquire(Some(client), 1) else {
        let message = "this address has as many open sockets as it may have; close one first";
        return reject(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManySockets, message);
    };
    let upgrade = upgrade.protocols(PROTOCOLS);
    let offered = upgrade.selected_protocol();
    let protocol = PROTOCOLS.into_iter().find(|name| offered.is_some_and(|offered| offered == name));
    let mut legacy_permit = None;
    if protocol == Some(messages::LEGACY_NAME) {
        let Ok(permit) = state.legacy_sockets.acquire(Some(client), 1) else {
            let message = "too many sockets use graphql-ws; try again, or use graphql-transport-ws";
            return reject(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Overloaded, message);
        };
        legacy_permit = Some(permit);
    }
    let request_id =
        request.extensions.get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).map(Arc::from);
    let http2_stream = request.extensions.get::<UpgradeGuard>().cloned();
    let open = state.drain.track();
    let gauge = GaugeGuard::new(&state.executor.metrics().sockets(protocol.unwrap_or("none")));
    let response = accept(request, protocol);
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let _guards = (permit, legacy_permit, http2_stream, open, gauge);
        let Ok(upgraded) = connection.await else { return };
        let drain_turn = pin!(state.drain.clone().wait_for_turn());
        let mut socket = match upgraded.downcast::<TokioIo<CountedConnection>>() {
            Ok(UpgradeParts { io, read_buf, .. }) => {
                Socket::new(Connection::Left(io.into_inner()), &read_buf, client, state)
            }
            Err(upgraded) => Socket::new(Connection::Right(TokioIo::new(upgraded)), &[], client, state),
        };
        let serve = async {
            match protocol {
                Some(messages::NAME) => transport_ws::run(&mut socket, request_id).await,
                // Boxed, because the task of every socket would otherwise reserve memory for this future.
                Some(_) => Box::pin(legacy::run(&mut socket, request_id)).await,
                None => End::Close(CloseCode::SubprotocolNotAcceptable),
            }
        };
        // A drain ends the socket whatever it waits for. The client resumes at its cursor, so events that were taken but not
        // written are not lost.
        let end = tokio::select! {
            biased;
            () = wake_gate::gated(drain_turn) => End::Close(CloseCode::Restart),
            end = serve => end,
        };
        if let End::Close(code) = end {
            // Boxed for the same reason.
            Box::pin(socket.close(code)).await;
        }
    });
    response
}

fn reject(status: StatusCode, code: ErrorCode, message: &str) -> Response {
    http::with_status(ResponseType::Json, status, Answer::refused(code, message))
}

/// The response to a valid handshake.
fn accept(request: &Parts, protocol: Option<&'static str>) -> Response {
    let is_http1 = request.version <= Version::HTTP_11;
    let status = if is_http1 { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::OK };
    let mut response = status.into_response();
    let headers = response.headers_mut();
    if is_http1 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        let accept = request.headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
        if let Some(Ok(accept)) = accept.map(HeaderValue::try_from) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
    }
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    response
}

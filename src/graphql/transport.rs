//! GraphQL over HTTP, server-sent events, multipart and WebSocket.
//!
//! `http`, `sse`, `multipart` and `ws` speak one protocol each. [`Executor`] runs the requests.

mod csrf;
mod drain;
mod handshake;
mod http;
mod multipart;
mod negotiation;
mod request;
mod resume_cursors;
mod send_budget;
mod sse;
mod state;
mod surrogates;
mod ws;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use crate::error_code::ErrorCode;
use crate::graphql::execution::{Answer, Executor};
use crate::graphql::transport::negotiation::ResponseType;
use crate::graphql::transport::state::TransportState;

pub use crate::graphql::transport::drain::Drain;
pub use crate::graphql::transport::state::Settings;

/// Routes of `/graphql`, over every transport. `drain` ends the sockets and streams.
pub fn routes(executor: Executor, drain: Drain, settings: Settings) -> Router {
    // Metrics report 0 before the first socket.
    ws::PROTOCOLS.iter().for_each(|protocol| drop(executor.metrics().sockets(protocol)));
    let state = Arc::new(TransportState::new(executor, drain, settings));
    let methods = get(get_or_upgrade).post(http::post).connect(connect);
    Router::new().route("/graphql", methods.clone()).route("/graphql/", methods).with_state(state)
}

async fn get_or_upgrade(State(state): State<Arc<TransportState>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    // An upgrade to any other protocol, such as HTTP/2, is ignored: the request is answered as a plain GET.
    if !handshake::is_websocket_upgrade(&parts.headers) {
        return http::get(&state, parts).await;
    }
    upgrade(&state, parts).await
}

/// Opens a WebSocket over HTTP/2 (RFC 8441).
async fn connect(State(state): State<Arc<TransportState>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match parts.extensions.get::<Protocol>() {
        Some(protocol) if protocol.as_str() == "websocket" => upgrade(&state, parts).await,
        Some(_) => StatusCode::NOT_IMPLEMENTED.into_response(),
        None => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn upgrade(state: &Arc<TransportState>, mut parts: Parts) -> Response {
    // A socket carries many operations, so a cursor in its handshake belongs to none of them.
    if resume_cursors::from_request(&parts.headers, &parts.uri) != Ok(None) {
        let message = "a socket has no cursor; send the cursor in connection_init, as resume, or in the argument after";
        state.executor.metrics().record_refused(ErrorCode::CursorInvalid);
        let answer = Answer::refused(ErrorCode::CursorInvalid, message);
        return http::with_status(ResponseType::Json, StatusCode::BAD_REQUEST, answer);
    }
    handshake::normalize_headers(&mut parts.headers);
    let is_http1 = parts.version <= Version::HTTP_11;
    let connection = parts.extensions.get::<OnUpgrade>().cloned();
    match (WebSocketUpgrade::from_request_parts(&mut parts, &()).await, connection) {
        (Ok(upgrade), Some(connection)) => {
            let mut response = ws::upgrade(state, upgrade, connection, &parts);
            if is_http1 {
                handshake::set_header_case(response.extensions_mut()).await;
            }
            response
        }
        (Ok(_), None) => StatusCode::UPGRADE_REQUIRED.into_response(),
        (Err(rejection), _) => rejection.into_response(),
    }
}

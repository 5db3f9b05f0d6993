//! GraphQL over HTTP and over WebSocket. Each speaks its protocol and leaves the rest to the schema.

mod http;
mod ws;

use axum::Router;
use axum::extract::FromRequestParts as _;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::graphql::Schema;

/// In a request's data: it came by HTTP GET, so it must not change anything.
pub(super) struct OverGet;

/// What the transports work with.
#[derive(Clone)]
struct Transport {
    schema: Schema,
    /// Set when the server drains: open sockets are closed.
    drain: CancellationToken,
    /// The open sockets.
    sockets: TaskTracker,
}

/// `/graphql`, over HTTP and WebSocket. When `drain` is cancelled, open sockets are closed; `sockets` tracks them.
pub fn routes(schema: Schema, drain: CancellationToken, sockets: TaskTracker) -> Router {
    Router::new().route("/graphql", get(get_or_upgrade).post(http::post)).with_state(Transport {
        schema,
        drain,
        sockets,
    })
}

async fn get_or_upgrade(State(transport): State<Transport>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    if !parts.headers.contains_key(axum::http::header::UPGRADE) {
        return http::get(&transport, &parts.uri, &parts.headers).await;
    }
    match WebSocketUpgrade::from_request_parts(&mut parts, &transport).await {
        Ok(upgrade) => ws::accept(transport, upgrade),
        Err(rejection) => rejection.into_response(),
    }
}

//! GraphQL over HTTP, over server-sent events, over multipart and over WebSocket. Each speaks its protocol; what a request
//! means is the business of `operation`.

mod csrf;
mod cursors;
mod drain;
mod handshake;
mod header_list;
mod http;
mod json_object;
mod multipart;
mod negotiation;
mod request;
mod send_budget;
mod sse;
mod surrogates;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::upgrade::OnUpgrade;

use crate::client_limit::ClientLimit;
use crate::domain::client_key::ClientKey;
use crate::graphql::execution::operation::Operations;
use crate::graphql::execution::response::Answer;
use crate::graphql::transport::negotiation::AnswerType;

pub use crate::graphql::transport::drain::Drain;

/// Steers the transports.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a socket may take to say `connection_init`.
    pub ws_init_timeout: Duration,
    /// How long a peer may take no byte of what is written to it.
    pub write_timeout: Duration,
    /// How often the server says something on an idle socket or stream: so proxies keep it, and a socket's peer that is
    /// gone is noticed.
    pub keep_alive_interval: Duration,
    /// Subscriptions and other operations under way on one socket.
    pub max_subscriptions_per_socket: usize,
    /// Sockets from one address.
    pub max_sockets_per_address: usize,
}

/// What the transports work with.
#[derive(Clone)]
struct Transport {
    operations: Operations,
    drain: Drain,
    settings: Settings,
    /// Sockets open, of each client.
    sockets: Arc<ClientLimit>,
}

/// `/graphql`, over every transport. Sockets and streams end as `drain` says.
pub fn routes(operations: Operations, drain: Drain, settings: Settings) -> Router {
    let sockets = ClientLimit::new(settings.max_sockets_per_address, usize::MAX);
    let transport = Transport { operations, drain, settings, sockets };
    let transports = get(get_or_upgrade).post(http::post);
    Router::new().route("/graphql", transports.clone()).route("/graphql/", transports).with_state(Arc::new(transport))
}

async fn get_or_upgrade(State(transport): State<Arc<Transport>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    // Whoever would rather speak another version of HTTP is answered in this one.
    if !handshake::asks_for_socket(&parts.headers) {
        return http::get(&transport, &parts).await;
    }
    // Many operations may come over one socket, and nothing says to which of them the cursor belongs.
    if cursors::of_request(&parts.headers, &parts.uri) != Ok(None) {
        let sentence = "a socket has no cursor; send one in connection_init, as resume, or as the argument after";
        transport.operations.numbers().refused("CURSOR_INVALID");
        let answer = Answer::refused("CURSOR_INVALID", sentence);
        return http::write_as(AnswerType::Json, StatusCode::BAD_REQUEST, answer);
    }
    handshake::normalize(&mut parts.headers);
    let connection = parts.extensions.get::<OnUpgrade>().cloned();
    match (WebSocketUpgrade::from_request_parts(&mut parts, &()).await, connection) {
        (Ok(upgrade), Some(connection)) => {
            let mut answer = ws::accept(Transport::clone(&transport), upgrade, connection, &parts);
            handshake::spell(answer.extensions_mut()).await;
            answer
        }
        (Ok(_), None) => StatusCode::UPGRADE_REQUIRED.into_response(),
        (Err(rejection), _) => rejection.into_response(),
    }
}

/// Who asks, as `http` left word of it.
fn client_key(extensions: &Extensions) -> ClientKey {
    extensions.get().copied().unwrap_or(ClientKey::Unknown)
}

//! The legacy REST routes. They give the responses of the original service, misspellings included, without its defects. Nothing
//! new is added here.
//!
//! Every route is served at four paths: with and without `/v1` in front, and with and without a trailing slash. Clients were
//! written against both the original's mount point and its README.

mod body;
mod csrf;
mod date;
mod detail;
mod encoding;
mod envelope;
mod error_response;
mod fields;
mod integer;
mod json;
mod long_read;
mod message;
mod metrics;
mod openapi;
mod room;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::chat::Chat;
use crate::domain::client_key::ClientKey;
use crate::metrics::Metrics;

use crate::rest::long_read::LongReads;

pub use crate::rest::error_response::ErrorStatus;

/// Settings of the legacy routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub error_status: ErrorStatus,
    /// Maximum number of whole rooms and room lists that are sent to one client at the same time.
    pub max_reads_per_client: usize,
    /// The same for all clients together.
    pub max_reads: usize,
    /// How long sending a whole room or room list may take.
    pub read_timeout: Duration,
}

/// State of the request handlers.
#[derive(Clone)]
struct RestState {
    chat: Chat,
    error_status: ErrorStatus,
    long_reads: LongReads,
    /// The number of rooms at the last listing.
    rooms_listed: Arc<AtomicU64>,
}

/// Extracts the client key that `http` has stored in the request.
struct Client(ClientKey);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().copied().unwrap_or(ClientKey::Unknown)))
    }
}

/// The six legacy routes at all of their paths, and `/openapi.json`, which describes them as mounted below `base`: empty, or a
/// path without a trailing slash. `http` adds layers and fallbacks.
pub fn routes(chat: Chat, settings: Settings, base: &str, metrics: &Metrics) -> Router {
    let routes = [
        ("/room/create", "GET", get(room::create)),
        ("/room", "POST", post(room::open)),
        ("/rooms_views", "GET", get(room::list)),
        ("/room/message/send", "POST", post(message::send)),
        ("/room/message/edit", "POST", post(message::edit)),
        ("/room/message/delete", "POST", post(message::delete)),
    ];
    let mut router = Router::new();
    for (path, method, handler) in routes {
        // By itself, the router would treat HEAD like GET, and so create a room for it. The original did not allow HEAD.
        let reject = move || only_allowed(method);
        let methods = metrics::record_operations(handler.head(reject).fallback(reject), path, metrics.operations());
        for prefix in ["", "/v1"] {
            for slash in ["", "/"] {
                router = router.route(&format!("{prefix}{path}{slash}"), methods.clone());
            }
        }
    }
    let long_reads = LongReads::new(settings.max_reads_per_client, settings.max_reads, settings.read_timeout);
    long_reads.register(metrics);
    router
        .with_state(RestState { chat, error_status: settings.error_status, long_reads, rooms_listed: Arc::default() })
        .merge(openapi::routes(base))
}

/// The response for a path that does not exist.
pub async fn not_found() -> Response {
    detail::text_response(StatusCode::NOT_FOUND, "Not Found")
}

/// The response for a method that the path does not support. The router adds the `Allow` header.
pub async fn method_not_allowed() -> Response {
    detail::text_response(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// Rejects the method of a request for a path that supports only `method`.
async fn only_allowed(method: &'static str) -> Response {
    ([(header::ALLOW, method)], method_not_allowed().await).into_response()
}

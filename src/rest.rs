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
mod error;
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
use axum::routing::{MethodRouter, get, post};

use crate::chat::Chat;
use crate::domain::client_key::ClientKey;
use crate::metrics::OperationMetrics;

use crate::rest::long_read::LongReads;

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

/// The HTTP status of responses whose envelope reports an error of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorStatus {
    /// The `status_code` of the envelope, or 404 for a missing message: its 503 would make proxies repeat the request.
    #[default]
    Meaningful,
    /// 200, as in the original. Server errors keep their status.
    AlwaysOk,
}

/// State of the request handlers.
#[derive(Clone)]
struct RestState {
    chat: Chat,
    settings: Settings,
    long_reads: LongReads,
    /// Number of rooms when they were last listed.
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
/// path without a trailing slash. The application adds layers and fallbacks.
pub fn routes(chat: Chat, settings: Settings, base: &str, metrics: &OperationMetrics) -> Router {
    let routes = [
        ("/room/create", only_get(get(room::create))),
        ("/room", only_post(post(room::open))),
        ("/rooms_views", only_get(get(room::list))),
        ("/room/message/send", only_post(post(message::send))),
        ("/room/message/edit", only_post(post(message::edit))),
        ("/room/message/delete", only_post(post(message::delete))),
    ];
    let mut router = Router::new();
    for (path, methods) in routes {
        let methods = metrics::record_operations(methods, path, metrics);
        for prefix in ["", "/v1"] {
            for slash in ["", "/"] {
                router = router.route(&format!("{prefix}{path}{slash}"), methods.clone());
            }
        }
    }
    let long_reads = LongReads::new(settings.max_reads_per_client, settings.max_reads, settings.read_timeout);
    router
        .with_state(RestState { chat, settings, long_reads, rooms_listed: Arc::default() })
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

fn only_get(methods: MethodRouter<RestState>) -> MethodRouter<RestState> {
    // By default the router handles HEAD like GET, and would create a room.
    only("GET", methods.head(async || only_allowed("GET").await))
}

fn only_post(methods: MethodRouter<RestState>) -> MethodRouter<RestState> {
    only("POST", methods)
}

/// Rejects all other methods with an `Allow` header that names only `method`. The router's own would add HEAD to GET, which the
/// original did not.
fn only(method: &'static str, methods: MethodRouter<RestState>) -> MethodRouter<RestState> {
    methods.fallback(async move || only_allowed(method).await)
}

async fn only_allowed(method: &'static str) -> Response {
    ([(header::ALLOW, method)], method_not_allowed().await).into_response()
}

//! The legacy REST routes: the answers of the original service, spelling included, less its defects. Nothing new lands
//! here.
//!
//! Every route is served at four paths, under `/v1` and without it, with and without the slash at the end, because
//! callers were written from both the original's mount point and its README.

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
mod openapi;
mod outcome;
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

/// Steers the legacy routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub error_status: ErrorStatus,
    /// Whole rooms, and lists of all rooms, that one client may be sent at once.
    pub max_reads_per_client: usize,
    /// The same of all clients together.
    pub max_reads: usize,
    /// How long it may take until a client has been sent all of a room, or all rooms.
    pub read_timeout: Duration,
}

/// The HTTP status of an answer whose envelope says that the request was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorStatus {
    /// The `status_code` of the envelope; 404 for a missing message, whose 503 would make proxies repeat the request.
    #[default]
    Meaningful,
    /// 200, as the original did. Faults of the service keep their status.
    AlwaysOk,
}

/// What every handler works with.
#[derive(Clone)]
struct Rest {
    chat: Chat,
    settings: Settings,
    long_reads: LongReads,
    /// How many rooms there were when they were listed last.
    rooms_listed: Arc<AtomicU64>,
}

/// Who asks, as `http` left word of it.
struct Client(ClientKey);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().copied().unwrap_or(ClientKey::Unknown)))
    }
}

/// The six legacy routes at all of their paths, and `/openapi.json`, which describes them as what is mounted below `base`:
/// empty, or a path without a slash at its end. Layers and fallbacks are the application's.
pub fn routes(chat: Chat, settings: Settings, base: &str, served: &OperationMetrics) -> Router {
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
        let methods = outcome::told(methods, path, served);
        for prefix in ["", "/v1"] {
            for slash in ["", "/"] {
                router = router.route(&format!("{prefix}{path}{slash}"), methods.clone());
            }
        }
    }
    let long_reads = LongReads::new(settings.max_reads_per_client, settings.max_reads, settings.read_timeout);
    router.with_state(Rest { chat, settings, long_reads, rooms_listed: Arc::default() }).merge(openapi::routes(base))
}

/// Answers a path that is not there.
pub async fn not_found() -> Response {
    detail::plain(StatusCode::NOT_FOUND, "Not Found")
}

/// Answers a method that the path does not take. The router adds which ones it does.
pub async fn method_not_allowed() -> Response {
    detail::plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

fn only_get(methods: MethodRouter<Rest>) -> MethodRouter<Rest> {
    // Where the router by itself would answer HEAD like GET, and make a room.
    only("GET", methods.head(async || refusing_all_but("GET").await))
}

fn only_post(methods: MethodRouter<Rest>) -> MethodRouter<Rest> {
    only("POST", methods)
}

/// Names the one method in `allow`, where the router by itself would add HEAD to GET and the original did not.
fn only(method: &'static str, methods: MethodRouter<Rest>) -> MethodRouter<Rest> {
    methods.fallback(async move || refusing_all_but(method).await)
}

async fn refusing_all_but(method: &'static str) -> Response {
    ([(header::ALLOW, method)], method_not_allowed().await).into_response()
}

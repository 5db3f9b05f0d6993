//! Mounts the wires, and lists every layer in the order in which a request meets it.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;

use crate::chat::{Caller, Chat};
use crate::graphql::operation::Operations;
use crate::graphql::transport::Drain;
use crate::{graphql, rest, telemetry, web};

/// Steers the wires, and what they have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    pub base_path: BasePath,
    /// Bytes of a request body, at most.
    pub body_max: usize,
    pub operations: graphql::operation::Settings,
    pub transports: graphql::transport::Settings,
    pub rest: rest::Settings,
    pub web: web::Settings,
}

/// The path below which everything is served: empty, or one like `/chat`, without a slash at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// A path that is not one of plain names.
#[derive(Debug)]
pub struct InvalidBasePath;

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    fn from_str(path: &str) -> Result<Self, InvalidBasePath> {
        let plain = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphanumeric())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        match path.strip_suffix('/').unwrap_or(path) {
            "" => Ok(Self::default()),
            path if path.strip_prefix('/').is_some_and(|names| names.split('/').all(plain)) => {
                Ok(Self(path.to_owned()))
            }
            _ => Err(InvalidBasePath),
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a request in the log and in its answer; taken over from the caller when given.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long browsers may remember a preflight answer.
const PREFLIGHT_MAX_AGE: std::time::Duration = std::time::Duration::from_secs(600);

/// The whole HTTP service. Once `drain` has begun, `/readyz` says no, and sockets and streams end.
pub fn router(chat: &Chat, settings: Settings, drain: &Drain) -> Router {
    let operations = Operations::new(graphql::schema(chat.clone()), settings.operations);
    let layers = ServiceBuilder::new()
        // First, so that whatever happens has a name.
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(TraceLayer::new_for_http().make_span_with(telemetry::request_span).on_response(telemetry::answered))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        // Outside of what may fail, so that a browser can read every answer.
        .layer(
            CorsLayer::new()
                .allow_origin(AllowOrigin::any())
                .allow_methods(AllowMethods::any())
                .allow_headers(AllowHeaders::any())
                .expose_headers([REQUEST_ID])
                .max_age(PREFLIGHT_MAX_AGE),
        )
        // A panic in one request is that request's 500 and nobody else's.
        .layer(CatchPanicLayer::new())
        .map_request(name_caller)
        // Last: it only marks what the body readers of the wires enforce.
        .layer(DefaultBodyLimit::max(settings.body_max));
    let wires = Router::new()
        .merge(graphql::transport::routes(operations, drain.clone(), settings.transports))
        .merge(rest::routes(chat.clone(), settings.rest))
        .merge(web::routes(settings.web))
        .merge(probes(chat.clone(), drain.clone()));
    mounted(wires, &settings.base_path, probes(chat.clone(), drain.clone()))
        .fallback(rest::not_found)
        .method_not_allowed_fallback(rest::method_not_allowed)
        .layer(layers)
}

/// The wires below the base path, and the probes at the root besides: who probes knows the process and not its address.
fn mounted(wires: Router, BasePath(base): &BasePath, probes: Router) -> Router {
    if base.is_empty() {
        return wires;
    }
    let inside = format!("{base}/");
    Router::new().nest(&inside, wires).merge(probes).route(base, get(async move || Redirect::permanent(&inside)))
}

/// Leaves word of who asks for the wires.
fn name_caller(mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let caller = Caller { address: peer.ip() };
        request.extensions_mut().insert(caller);
    }
    request
}

#[derive(Clone)]
struct Probes {
    chat: Chat,
    drain: Drain,
}

/// `/healthz`: the process lives. `/readyz`: it takes requests, and its store answers.
fn probes(chat: Chat, drain: Drain) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .with_state(Probes { chat, drain })
}

async fn readyz(State(Probes { chat, drain }): State<Probes>) -> impl IntoResponse {
    if drain.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match chat.ready().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::warn!(error = error.fault(), "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n")
        }
    }
}

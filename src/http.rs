//! Mounts the wires, and lists every layer in the order in which a request meets it.

mod base_path;
mod client_ip;
mod connections;
mod error_response;
mod metrics_endpoint;
mod origins;
mod request_body;
mod request_id;
mod response_metrics;
mod serve;
mod slow_response;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, CorsLayer};
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;

use crate::chat::Chat;
use crate::graphql::execution::Executor;
use crate::graphql::transport::Drain;
use crate::metrics::Metrics;
use crate::unsent_bytes::{self, UnsentBytes};
use crate::{graphql, rest, telemetry, web};

use crate::http::request_id::REQUEST_ID;
use crate::http::response_metrics::Answers;

pub use crate::http::base_path::BasePath;
pub use crate::http::client_ip::{Clients, TrustedProxies};
pub use crate::http::metrics_endpoint::{Exposure, MetricsHosts};
pub use crate::http::origins::Origins;
pub use crate::http::serve::{Settings as ConnectionSettings, serve};

/// Steers the wires, and what they have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    pub base_path: BasePath,
    /// Bytes of a request body, at most.
    pub body_max: usize,
    pub connections: ConnectionSettings,
    /// Pages of which sites may talk to us.
    pub origins: Origins,
    /// How much of the responses may wait to be sent.
    pub unsent: unsent_bytes::Settings,
    /// Who counts as one client, and whose word about clients is taken.
    pub clients: Clients,
    pub operations: graphql::execution::Settings,
    pub transports: graphql::transport::Settings,
    pub rest: rest::Settings,
    pub web: web::Settings,
    /// Who may read the metrics.
    pub metrics: Exposure,
    /// By which names.
    pub metrics_hosts: MetricsHosts,
}

/// How long browsers may remember a preflight answer.
const PREFLIGHT_MAX_AGE: std::time::Duration = std::time::Duration::from_secs(600);

/// The whole HTTP service. Once `drain` has begun, `/readyz` says no, and sockets and streams end.
pub fn router(chat: &Chat, settings: Settings, drain: &Drain, metrics: &Metrics) -> Router {
    let unsent = UnsentBytes::new(settings.unsent);
    let operations = Executor::new(chat.clone(), settings.operations, unsent, metrics);
    let ConnectionSettings { request_timeout, write_timeout, .. } = settings.connections;
    let bounds = request_body::Bounds { max: settings.body_max, within: request_timeout };
    let exposed = metrics_endpoint::routes(metrics, chat, settings.metrics, settings.metrics_hosts);
    let probes = probes(chat.clone(), drain.clone()).merge(exposed);
    let entry = Arc::new(Entry { clients: settings.clients, origins: settings.origins, bounds });
    let answers = Answers::new(metrics);
    let layers = ServiceBuilder::new()
        // First, so that whatever happens has a name.
        .map_request(request_id::admit)
        .layer(SetRequestIdLayer::new(REQUEST_ID, request_id::Maker))
        // What fails has its line where the cause is known. One for each refused request is what a client could make endless.
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(telemetry::request_span)
                .on_response(telemetry::answered)
                .on_failure(()),
        )
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .map_response(move |response| answers.count(response))
        // Outside of what may fail, so that a browser can read every answer.
        .layer(
            CorsLayer::new()
                .allow_origin(entry.origins.for_cors())
                // Not `*`, which covers neither `Authorization` nor anything at all in older browsers.
                .allow_methods(AllowMethods::mirror_request())
                .allow_headers(AllowHeaders::mirror_request())
                .expose_headers([REQUEST_ID, header::RETRY_AFTER])
                .max_age(PREFLIGHT_MAX_AGE),
        )
        // A panic in one request is that request's 500 and nobody else's.
        .layer(CatchPanicLayer::custom(panicked))
        // Last, next to the wires: only here is a body what they make and take.
        .layer(from_fn_with_state(entry, enter))
        .map_response(move |response| slow_response::bound(response, write_timeout));
    let wires = Router::new()
        .merge(graphql::transport::routes(operations, drain.clone(), settings.transports))
        .merge(rest::routes(chat.clone(), settings.rest, &settings.base_path.to_string(), metrics.served()))
        .merge(web::routes(settings.web))
        .merge(probes.clone());
    let wires = mounted(wires, &settings.base_path, probes)
        .fallback(rest::not_found)
        .method_not_allowed_fallback(rest::method_not_allowed);
    // Around all routes at once: those of each route would be boxed, and copied for every request.
    Router::new().fallback_service(layers.service(wires))
}

/// What a request has to pass before it meets a wire.
struct Entry {
    clients: Clients,
    origins: Origins,
    bounds: request_body::Bounds,
}

/// Leaves word of who asks, turns away sockets of other sites' pages, and has the body read.
async fn enter(State(entry): State<Arc<Entry>>, request: Request, next: Next) -> Response {
    let request = name_client(&entry.clients, request);
    match entry.origins.refuse(&request) {
        Some(refusal) => refusal,
        None => request_body::receive(entry.bounds, request, next).await,
    }
}

/// The answer of a request that panicked. What went wrong is in the log already, and nobody else's business.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
}

/// The wires below the base path, and the probes at the root besides: who probes knows the process and not its address.
fn mounted(wires: Router, base: &BasePath, probes: Router) -> Router {
    if base.is_root() {
        return wires;
    }
    let (outside, inside) = (base.to_string(), format!("{base}/"));
    Router::new().nest(&inside, wires).merge(probes).route(&outside, get(async move || Redirect::permanent(&inside)))
}

/// Puts into the request who sent it: for the wires a key to count by, for this module where it is.
fn name_client(clients: &Clients, mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let client = clients.of_request(peer.ip(), request.headers());
        request.extensions_mut().insert(client.key);
        request.extensions_mut().insert(client);
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
    match chat.check_ready().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::warn!(error = error.fault(), "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n")
        }
    }
}

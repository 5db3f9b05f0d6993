//! The HTTP server: its routes, and its layers in the order in which a request passes through them.

mod base_path;
mod client_ip;
mod error_response;
mod http2;
mod metrics_endpoint;
mod origins;
mod request_body;
mod request_id;
mod response_metrics;
mod serve;
mod slow_response;
mod tls;

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

use crate::http::error_response::ErrorResponse;
use crate::http::request_id::REQUEST_ID;
use crate::http::response_metrics::ResponseMetrics;

pub use crate::http::base_path::BasePath;
pub use crate::http::client_ip::{ClientIpResolver, TrustedProxies};
pub use crate::http::metrics_endpoint::{MetricsAccess, MetricsHosts};
pub use crate::http::origins::Origins;
pub use crate::http::serve::{Settings as ConnectionSettings, serve};
pub use crate::http::tls::{Certificate, CertificateError};

/// Settings of the HTTP server and of everything it serves.
#[derive(Clone, Debug)]
pub struct Settings {
    pub base_path: BasePath,
    /// Maximum size of a request body, in bytes.
    pub body_max: usize,
    pub connections: ConnectionSettings,
    /// Sites whose pages may use this server from a browser.
    pub origins: Origins,
    /// Limits on response bytes that wait to be sent.
    pub unsent: unsent_bytes::Settings,
    /// How the client of a request is identified.
    pub clients: ClientIpResolver,
    pub operations: graphql::execution::Settings,
    pub transports: graphql::transport::Settings,
    pub rest: rest::Settings,
    pub web: web::Settings,
    /// Which clients may read the metrics.
    pub metrics: MetricsAccess,
    /// Additional host names under which the metrics may be requested.
    pub metrics_hosts: MetricsHosts,
}

/// How long browsers may cache a preflight response.
const PREFLIGHT_MAX_AGE: std::time::Duration = std::time::Duration::from_secs(600);

/// Builds the whole HTTP service. Once `drain` has begun, `/readyz` fails, and sockets and streams end.
pub fn router(chat: &Chat, settings: Settings, drain: &Drain, metrics: &Metrics) -> Router {
    let unsent = UnsentBytes::new(settings.unsent);
    let operations = Executor::new(chat.clone(), settings.operations, unsent, metrics);
    let ConnectionSettings { request_timeout, write_timeout, .. } = settings.connections;
    let body_limits = request_body::Limits { max_bytes: settings.body_max, timeout: request_timeout };
    let metrics_endpoint = metrics_endpoint::routes(metrics, chat, settings.metrics, settings.metrics_hosts);
    let probes = probes(chat.clone(), drain.clone()).merge(metrics_endpoint);
    let admission = Arc::new(Admission { clients: settings.clients, origins: settings.origins, body_limits });
    let response_metrics = ResponseMetrics::new(metrics);
    let layers = ServiceBuilder::new()
        // First, so that every log line of a request carries its id.
        .map_request(request_id::remove_invalid)
        .layer(SetRequestIdLayer::new(REQUEST_ID, request_id::Generator))
        // Failures are logged where their cause is known. A log line per rejected request would let clients flood the log.
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(telemetry::request_span)
                .on_response(telemetry::log_response)
                .on_failure(()),
        )
        // Outside of all layers that can respond themselves, so that every response carries the id and is counted.
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .map_response(move |response| response_metrics.count(response))
        // Outside of all layers that can fail, so that browsers can read error responses, too.
        .layer(
            CorsLayer::new()
                .allow_origin(admission.origins.for_cors())
                // Not `*`: it does not cover `Authorization`, and older browsers do not know it.
                .allow_methods(AllowMethods::mirror_request())
                .allow_headers(AllowHeaders::mirror_request())
                .expose_headers([REQUEST_ID, header::RETRY_AFTER])
                .max_age(PREFLIGHT_MAX_AGE),
        )
        // Outside of everything that runs for one request, so that a panic there becomes this request's status 500. The panic
        // hook has logged the cause, which clients must not see.
        .layer(CatchPanicLayer::custom(|_| ErrorResponse::Panicked.into_response()))
        // Inside of the layers above, so that its error responses pass through them, too.
        .layer(from_fn_with_state(admission, admit))
        // Innermost, because it has to see response bodies as the routes make them.
        .map_response(move |response| slow_response::enforce_min_rate(response, write_timeout));
    let apis = Router::new()
        .merge(graphql::transport::routes(operations, drain.clone(), settings.transports))
        .merge(rest::routes(chat.clone(), settings.rest, &settings.base_path.to_string(), metrics))
        .merge(web::routes(settings.web))
        .merge(probes.clone());
    let routes = below_base_path(apis, &settings.base_path, probes)
        .fallback(rest::not_found)
        .method_not_allowed_fallback(rest::method_not_allowed);
    // Wraps all routes once: layers added to a router are boxed per route and cloned for every request.
    Router::new().fallback_service(layers.service(routes))
}

/// Decides whether a request reaches the routes.
struct Admission {
    clients: ClientIpResolver,
    origins: Origins,
    body_limits: request_body::Limits,
}

/// Records the client address, rejects cross-origin WebSockets and buffers the body.
async fn admit(State(admission): State<Arc<Admission>>, request: Request, next: Next) -> Response {
    let request = record_client(&admission.clients, request);
    if admission.origins.is_forbidden_upgrade(request.headers(), request.extensions()) {
        return ErrorResponse::OriginNotAllowed.into_response();
    }
    request_body::buffer(admission.body_limits, request, next).await
}

/// Stores the client in the request: its key for the limits of the APIs, its address for `metrics_endpoint`.
fn record_client(clients: &ClientIpResolver, mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let client = clients.client_of_request(peer.ip(), request.headers());
        request.extensions_mut().insert(client.key);
        request.extensions_mut().insert(client);
    }
    request
}

/// Mounts the routes below the base path, and the probes at the root as well: orchestrators probe the process and do not
/// know its base path.
fn below_base_path(routes: Router, base: &BasePath, probes: Router) -> Router {
    if base.is_root() {
        return routes;
    }
    let (without_slash, with_slash) = (base.to_string(), format!("{base}/"));
    let router = Router::new().nest(&with_slash, routes).merge(probes);
    router.route(&without_slash, get(async move || Redirect::permanent(&with_slash)))
}

#[derive(Clone)]
struct Probes {
    chat: Chat,
    drain: Drain,
}

/// `/healthz` succeeds while the process runs, `/readyz` while it accepts requests and its store answers.
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
            tracing::warn!(error = error.fault(), "not ready: the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n")
        }
    }
}

//! Export of traces with OpenTelemetry. A trace has a span for the request, one for its use case, and one for each store call.
//! Spans are sent in batches to an OTLP collector (protobuf over HTTP) from a thread of the exporter. Batches that cannot be sent
//! are dropped.
//!
//! The attributes of a span are those that the log shows: method, path and request id.

use std::error::Error;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderMap, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::{Layer, Registry};

/// Time limit for sending a batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a stopping server waits for the last batch.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum size of a collector's response, in bytes.
const RESPONSE_MAX: usize = 64 * 1024;

/// Address of an OTLP collector, like `http://collector:4318`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector(Uri);

/// Text that is not an `http` address of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCollector;

impl FromStr for Collector {
    type Err = InvalidCollector;

    fn from_str(text: &str) -> Result<Self, InvalidCollector> {
        let address: Uri = text.parse().map_err(|_| InvalidCollector)?;
        let is_http = address.scheme_str() == Some("http") && address.host().is_some() && address.query().is_none();
        if is_http { Ok(Self(address)) } else { Err(InvalidCollector) }
    }
}

/// The running export of traces.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts the export on the current runtime. Also returns the layer that collects the spans.
    pub(super) fn start(
        collector: &Collector,
    ) -> Result<(Self, impl Layer<Registry> + Send + Sync + use<>), ExporterBuildError> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender { client, runtime: Handle::current(), is_failing: AtomicBool::default() })
            .with_endpoint(format!("{}/v1/traces", collector.0.to_string().trim_end_matches('/')))
            .with_timeout(SEND_TIMEOUT)
            .build()?;
        let resource = Resource::builder_empty().with_service_name("livechat");
        let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("livechat"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Log lines are not exported.
            .with_filter(Targets::new().with_target("livechat", LevelFilter::DEBUG).and(filter_fn(|it| it.is_span())));
        Ok((Self(provider), layer))
    }

    /// Sends the last batch and stops the export, within three seconds.
    pub async fn shutdown(self) {
        let shutdown = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(SHUTDOWN_TIMEOUT));
        let _ = timeout(SHUTDOWN_TIMEOUT, shutdown).await;
    }
}

/// Makes `span` a child of the span in the client's `traceparent` header, if there is one
/// (<https://www.w3.org/TR/trace-context/>).
pub(super) fn adopt_parent(span: &Span, headers: &HeaderMap) {
    if headers.contains_key("traceparent") {
        // Fails if traces are not exported, when there is no parent to set.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
    }
}

/// Sends batches. The exporter's thread has no runtime, so the requests run on ours.
#[derive(Debug)]
struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    /// Whether the last batch failed, so that only changes are logged.
    is_failing: AtomicBool,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.request(request.map(Full::new));
        let exchange = async {
            let (head, body) = response.await?.into_parts();
            let body = Limited::new(body, RESPONSE_MAX).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        // The timer, too, is created on the runtime.
        let sent = self.runtime.spawn(async { timeout(SEND_TIMEOUT, exchange).await }).await;
        let sent = sent.map_err(HttpError::from).and_then(|sent| sent.map_err(HttpError::from)).flatten();
        match &sent {
            Ok(_) if self.is_failing.swap(false, Ordering::Relaxed) => tracing::info!("traces can be sent again"),
            Err(error) if !self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(error = error.as_ref() as &dyn Error, "traces cannot be sent and are dropped");
            }
            _ => {}
        }
        sent
    }
}

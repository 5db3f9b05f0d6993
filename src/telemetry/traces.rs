//! Traces over OpenTelemetry: each request a span, in it the use case, in that the calls of the store. They go to a
//! collector over OTLP (protobuf over HTTP), in batches, from a thread of their own; what cannot be sent is dropped.
//!
//! Attributes are what the log shows of a request: method, path and request id.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::{Layer, Registry};

/// How long a batch may take to be sent; and how long the server waits with its end for the last one.
const SEND_WITHIN: Duration = Duration::from_secs(2);
const END_WITHIN: Duration = Duration::from_secs(3);

/// Bytes of a collector's answer that are read.
const ANSWER_MAX: usize = 64 * 1024;

/// Where a collector takes traces: an address like `http://collector:4318`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector(Uri);

/// Text that is no address of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl FromStr for Collector {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let address: Uri = text.parse().map_err(|_| Unreadable)?;
        let is_http = address.scheme_str() == Some("http") && address.host().is_some() && address.query().is_none();
        if is_http { Ok(Self(address)) } else { Err(Unreadable) }
    }
}

/// Traces that are being sent.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send, from the current runtime; also what collects the spans.
    pub(super) fn start(
        collector: &Collector,
    ) -> Result<(Self, impl Layer<Registry> + Send + Sync + use<>), ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender { runtime: Handle::current(), is_failing: Arc::default() })
            .with_endpoint(format!("{}/v1/traces", collector.0.to_string().trim_end_matches('/')))
            .with_timeout(SEND_WITHIN)
            .build()?;
        let about_us = Resource::builder_empty().with_service_name("livechat");
        let about_us = about_us.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(about_us.build()).build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("livechat"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Lines of the log stay in the log.
            .with_filter(Targets::new().with_target("livechat", LevelFilter::DEBUG).and(filter_fn(|it| it.is_span())));
        Ok((Self(provider), layer))
    }

    /// Sends what is left, if it can be sent in time.
    pub async fn end(self) {
        let end = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(END_WITHIN));
        let _ = timeout(END_WITHIN, end).await;
    }
}

/// Makes `span` part of the trace that a caller's `traceparent` names
/// (<https://www.w3.org/TR/trace-context/>), if there is one.
pub(super) fn take_over(span: &Span, headers: &HeaderMap) {
    if headers.contains_key("traceparent") {
        // Without traces there is no parent to be set.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
    }
}

/// Posts batches. The thread that asks for it belongs to no runtime, so the work is done in ours.
struct Sender {
    runtime: Handle,
    /// So that the log tells once that a collector is gone, and once that it is back.
    is_failing: Arc<AtomicBool>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.runtime.spawn(async { timeout(SEND_WITHIN, post(request)).await }).await;
        let sent = sent.map_err(HttpError::from).and_then(|sent| sent.map_err(HttpError::from)).flatten();
        match &sent {
            Ok(_) if self.is_failing.swap(false, Ordering::Relaxed) => tracing::info!("traces can be sent again"),
            Err(error) if !self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(error = error.as_ref() as &dyn Error, "traces cannot be sent, and are dropped");
            }
            _ => {}
        }
        sent
    }
}

async fn post(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let address = std::mem::take(&mut head.uri);
    let authority = address.authority().ok_or("an address without a host")?;
    head.uri = address.path_and_query().ok_or("an address without a path")?.as_str().parse()?;
    head.headers.insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
    let host = authority.host().trim_matches(['[', ']']);
    let line = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = handshake(TokioIo::new(line)).await?;
    let answered = async {
        let answer = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    tokio::pin!(connection);
    tokio::select! {
        answered = answered => answered,
        ended = &mut connection => {
            ended?;
            Err("the collector hung up".into())
        }
    }
}

//! Logging: format, level and the span of each request. `traces` exports the spans. Neither ever contains message text, room
//! codes or tokens.

mod traces;

use std::any::Any;
use std::error::Error;
use std::io::IsTerminal as _;
use std::panic;
use std::time::Duration;

use axum::extract::Request;
use axum::http::Response;
use tower_http::request_id::RequestId;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

pub use crate::telemetry::traces::{Collector, Traces};

/// Settings of logs and traces.
#[derive(Clone, Debug)]
pub struct Settings {
    pub format: LogFormat,
    /// The most verbose level that is written.
    pub level: LevelFilter,
    /// Where traces are sent.
    pub collector: Option<Collector>,
}

/// Format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Plain text, for people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// Starts logging to standard error, and exporting traces if a collector is set. Call it once per process, inside the runtime.
///
/// # Errors
///
/// If the exporter of traces cannot be built. A collector that is not reachable is not an error.
pub fn start(settings: &Settings) -> Result<Option<Traces>, Box<dyn Error>> {
    // The level applies to our own lines; libraries log warnings and errors only.
    let filter = EnvFilter::default()
        .add_directive(settings.level.min(LevelFilter::WARN).into())
        .add_directive(format!("livechat={}", settings.level).parse().unwrap_or_else(|_| LevelFilter::INFO.into()));
    let (traces, spans) = settings.collector.as_ref().map(Traces::start).transpose()?.unzip();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // If standard error is closed, reporting that there would panic.
        .log_internal_errors(false)
        // No colors in files and pipes.
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(spans).with(lines.with_filter(filter)).init();
    // Logs panics as ordinary lines, instead of Rust's own message.
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        tracing::error!(location, thread, reason = static_message(panic.payload()), "a thread panicked");
    }));
    Ok(traces)
}

/// The message of a panic if it is a constant. A formatted message may quote user input: a bad string index, for example, quotes
/// the string.
fn static_message(panic: &(dyn Any + Send)) -> &'static str {
    panic.downcast_ref::<&'static str>().copied().unwrap_or("(hidden, because it may quote user input)")
}

/// The span of a request, with its method, path and request id. It has no query string, which may contain codes and tokens.
pub fn request_span(request: &Request) -> Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let span = tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id);
    traces::adopt_parent(&span, request.headers());
    span
}

/// Logs one line per request, at the debug level.
pub fn log_response<B>(response: &Response<B>, latency: Duration, _: &Span) {
    tracing::debug!(status = response.status().as_u16(), latency_ms = latency.as_secs_f64() * 1_000.0, "answered");
}

//! Logs: their form, their level, and what of a request they tell; where traces go is in `traces`. Never message text, room codes or tokens.

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

/// Steers the log.
#[derive(Clone, Debug)]
pub struct Settings {
    pub format: LogFormat,
    /// The least important level that is written.
    pub level: LevelFilter,
    /// Who is sent traces.
    pub collector: Option<Collector>,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Starts writing the log to standard error, and sending traces if somebody wants them. Once a process, in its runtime.
///
/// Fails when traces cannot be sent at all; that nobody takes them is no failure.
pub fn start(settings: &Settings) -> Result<Option<Traces>, Box<dyn Error>> {
    // Libraries speak up from warnings on only, so that one level steers one thing.
    let filter = EnvFilter::default()
        .add_directive(settings.level.min(LevelFilter::WARN).into())
        .add_directive(format!("livechat={}", settings.level).parse().unwrap_or_else(|_| LevelFilter::INFO.into()));
    let (traces, spans) = settings.collector.as_ref().map(Traces::start).transpose()?.unzip();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // When nobody reads the log any more, complaining about that there would panic.
        .log_internal_errors(false)
        // In a file or a pipe, colours are noise.
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(spans).with(lines.with_filter(filter)).init();
    // As a line like all others, in place of Rust's own.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        tracing::error!(place, thread, what = words(panic.payload()), "a panic");
    }));
    Ok(traces)
}

/// What a panic says, if it says it in words that stand in the code. Words put together at run time may quote what somebody
/// wrote: an index into a text that does not fit says which text.
fn words(panic: &(dyn Any + Send)) -> &'static str {
    panic.downcast_ref::<&'static str>().copied().unwrap_or("(not shown, as it may quote a message)")
}

/// The span of a request: method, path and request id. Not the query string, which may hold codes and tokens.
pub fn request_span(request: &Request) -> Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let span = tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id);
    traces::take_over(&span, request.headers());
    span
}

/// One line a request, at the debug level.
pub fn answered<B>(response: &Response<B>, latency: Duration, _: &Span) {
    tracing::debug!(status = response.status().as_u16(), latency_ms = latency.as_secs_f64() * 1_000.0, "answered");
}

//! HTTP/2: its limits, and the task of each stream.
//!
//! A connection over HTTP/1.1 carries one request at a time, so limits on connections limit requests, too. Over HTTP/2, each
//! stream counts like a connection of its own, besides the connection. The operating system closes a connection whose peer
//! accepts no bytes. It does not see a client that accepts no bytes of one stream, so each stream has a time limit of its own.

mod open_streams;
mod stream;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::client_limit::{ClientLimit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::http::http2::open_streams::OpenStreams;
use crate::http::http2::stream::{Stream, StreamBody, StreamTasks};
use crate::metrics::Gauge;

/// Maximum number of streams of a connection. A browser has one connection for all of its tabs.
const MAX_STREAMS: u32 = 256;

/// Bytes that a client may send on one stream before the server has read them.
const STREAM_WINDOW: u32 = 64 * 1024;

/// Bytes that a client may send on all streams of a connection before the server has read them.
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Time for a client without streams to close a connection that the server closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What all connections share.
#[derive(Clone)]
pub(super) struct Http2 {
    pub(super) router: Router,
    pub(super) limit: Arc<ClientLimit>,
    /// Counts connections and streams.
    pub(super) open: Gauge,
    /// Maximum size of the headers of a request, and of the write buffer of a stream, in bytes.
    pub(super) head_max: u32,
    /// How long a connection may be without a stream.
    pub(super) idle_timeout: Duration,
    /// How long a client may accept no byte of what is written to a stream.
    pub(super) write_timeout: Duration,
}

impl Http2 {
    /// Serves one connection until it ends. Once `close` is cancelled, finishes only the requests in flight.
    pub(super) async fn serve(
        self,
        connection: impl AsyncRead + AsyncWrite + Unpin,
        peer: SocketAddr,
        client: Option<ClientKey>,
        close: CancellationToken,
    ) {
        let (streams, end) = (Arc::new(OpenStreams::default()), CancellationToken::new());
        // Ends the tasks of the streams together with the connection.
        let _end = end.clone().drop_guard();
        let tasks = StreamTasks {
            limit: self.limit,
            client,
            open: self.open,
            streams: Arc::clone(&streams),
            write_timeout: self.write_timeout,
            end,
        };
        let router = self.router;
        let service = service_fn(move |request: Request<Incoming>| serve_request(router.clone(), request, peer));
        let mut http = http2::Builder::new(tasks);
        // Hyper's default limits apply to resets, too.
        http.timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(self.head_max)
            .max_send_buf_size(stream::UNSENT_MAX);
        let mut serving = pin!(http.serve_connection(TokioIo::new(connection), service));
        let mut is_closing = false;
        let result = loop {
            tokio::select! {
                result = serving.as_mut() => break result,
                () = close.cancelled(), if !is_closing => {}
                () = streams.idle_for(if is_closing { CLOSE_TIMEOUT } else { self.idle_timeout }) => {
                    if is_closing {
                        return;
                    }
                }
            }
            is_closing = true;
            serving.as_mut().graceful_shutdown();
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection failed");
        }
    }
}

/// Serves one request, which is a stream. Runs in the task of the stream.
async fn serve_request(
    mut router: Router,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response, std::convert::Infallible> {
    let Some(stream) = Stream::current() else {
        return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    };
    let response = match stream.exceeded() {
        Some(exceeded) => refuse(exceeded),
        None if !set_host(&mut request) => {
            (StatusCode::BAD_REQUEST, "host and :authority name different hosts\n").into_response()
        }
        None => {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(stream.upgrade_guard());
            router.call(request.map(Body::new)).await?
        }
    };
    Ok(response.map(|body| Body::new(StreamBody::new(body, stream))))
}

/// Sets the `Host` header to `:authority`, which replaces it in HTTP/2. Returns whether the two agree.
fn set_host(request: &mut Request<Incoming>) -> bool {
    let Some(authority) = request.uri().authority() else { return true };
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => {
            if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
                request.headers_mut().insert(header::HOST, host);
            }
            true
        }
        (Some(host), None) => host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// The response to a request that exceeds a limit on connections.
fn refuse(exceeded: Exceeded) -> Response {
    let (status, reason) = match exceeded {
        Exceeded::Total => (StatusCode::SERVICE_UNAVAILABLE, "too many connections to this server; try again later\n"),
        Exceeded::PerClient => {
            (StatusCode::TOO_MANY_REQUESTS, "too many connections from this address; close some first\n")
        }
    };
    (status, [(header::RETRY_AFTER, "5")], reason).into_response()
}

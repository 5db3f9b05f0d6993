//! Accepting and serving connections, each in its own task, with limits on their number, on the size of a request head and on
//! the time it takes to arrive. `request_body` limits bodies, `http2` the streams of a connection.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::client_limit::{ClientLimit, Exceeded};
use crate::counted_connection::CountedConnection;
use crate::http::client_ip::ClientIpResolver;
use crate::http::http2::Http2;
use crate::http::tls::{ALPN_HTTP2, Certificate};
use crate::metrics::{Counters, Gauge, Labels, Metrics};

/// Settings of connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Maximum number of open connections.
    pub max: usize,
    /// Maximum number of open connections per client address; trusted proxies are exempt.
    pub max_per_address: usize,
    /// How long a request head may take to arrive, counted from the previous response, and then its body.
    pub request_timeout: Duration,
    /// How long a peer may accept no byte of what is written to it.
    pub write_timeout: Duration,
    /// The certificate for TLS. Without one, the server speaks plain HTTP/1.1.
    pub certificate: Option<Certificate>,
}

/// Maximum size of a request head, and of the write buffer, in bytes. A document in a query string has to fit. Hyper's default
/// limit of 100 headers applies, too.
const HEAD_MAX: usize = 64 * 1024;

/// Pause after a failed accept. The usual cause is that no file descriptors are left, and some must be closed first.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Minimum time between two log lines of one [`LogThrottle`].
const LOG_INTERVAL: Duration = Duration::from_secs(10);

const TOO_MANY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 54\r\n\r\ntoo many connections to this server; try again later\r\n";

const TOO_MANY_FROM_ADDRESS: &str = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 58\r\n\r\ntoo many connections from this address; close some first\r\n";

/// Accepts and serves connections until `closing` completes. Then it accepts no more, and returns when all requests in flight
/// have been answered. Dropping the future closes every connection except those upgraded to WebSockets.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    clients: ClientIpResolver,
    metrics: &Metrics,
    closing: impl Future<Output = ()>,
) {
    let limit = ClientLimit::new(settings.max_per_address, settings.max);
    let certificate = settings.certificate.map(Certificate::start);
    let open = Gauge::default();
    let refused = register_metrics(metrics, open.clone(), settings.max);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.request_timeout)
        .max_buf_size(HEAD_MAX)
        .max_header_size(HEAD_MAX);
    let router = router.with_state(());
    let http2 = Http2 {
        router: router.clone(),
        limit: Arc::clone(&limit),
        open: open.clone(),
        head_max: HEAD_MAX as u32,
        idle_timeout: settings.request_timeout,
        write_timeout: settings.write_timeout,
    };
    let close = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (mut accept_log, mut limit_log) = (LogThrottle::default(), LogThrottle::default());
    tokio::pin!(closing);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = tasks.join_next() => continue,
            () = &mut closing => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_connection_error(&error) => continue,
            Err(error) => {
                accept_log.log(|| tracing::error!(%error, "cannot accept connections; trying again"));
                sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        let client = clients.client_of_connection(peer.ip());
        match limit.acquire(client, 1) {
            Ok(permit) => {
                configure(&stream, settings.write_timeout);
                let connection = CountedConnection::new(stream, permit, &open);
                match &certificate {
                    None => {
                        tasks.spawn(serve_http1(http.clone(), connection, peer, router.clone(), close.clone()));
                    }
                    Some(certificate) => {
                        let handshake = handshake(certificate.acceptor(), connection, settings.request_timeout);
                        let (http, http2, router, close) = (http.clone(), http2.clone(), router.clone(), close.clone());
                        tasks.spawn(async move {
                            let Some(connection) = close.run_until_cancelled(handshake).await.flatten() else { return };
                            if connection.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2) {
                                // Boxed, because every connection would otherwise reserve memory for this future.
                                Box::pin(http2.serve(connection, peer, client, close)).await;
                            } else {
                                serve_http1(http, connection, peer, router, close).await;
                            }
                        });
                    }
                }
            }
            Err(exceeded) => {
                let (labels, max, response) = match exceeded {
                    Exceeded::Total => (&LIMIT_ALL, settings.max, TOO_MANY),
                    Exceeded::PerClient => (&LIMIT_ADDRESS, settings.max_per_address, TOO_MANY_FROM_ADDRESS),
                };
                refused.get_or_create(labels).inc();
                limit_log.log(|| {
                    let (limit, address) = (labels[0].1, peer.ip());
                    tracing::warn!(limit, max, %address, "connections are refused: too many are open");
                });
                // Respond without reading the request or waiting for the client. Dropping the connection closes it. A client that
                // expects TLS could not read the response.
                if certificate.is_none() {
                    let _ = SockRef::from(&stream).send(response.as_bytes());
                }
            }
        }
    }
    drop(listener);
    close.cancel();
    while tasks.join_next().await.is_some() {}
}

/// Labels of the counter of refused connections: the limit that was reached.
const LIMIT_ALL: Labels<1> = [("limit", "all")];
const LIMIT_ADDRESS: Labels<1> = [("limit", "address")];

/// Registers the metrics of connections. Returns the counters of refused ones.
fn register_metrics(metrics: &Metrics, open: Gauge, max: usize) -> Counters<1> {
    metrics.register("livechat_connections", "Open connections, including sockets and streams", open);
    let max_open: Gauge = Gauge::default();
    max_open.set(i64::try_from(max).unwrap_or(i64::MAX));
    metrics.register("livechat_connections_max", "Maximum number of open connections: MAX_CONNECTIONS", max_open);
    let refused = Counters::default();
    [LIMIT_ALL, LIMIT_ADDRESS].iter().for_each(|limit| drop(refused.get_or_create(limit)));
    let help = "Connections refused because the limit, in all or per address, was reached";
    metrics.register("livechat_connections_refused", help, refused.clone());
    refused
}

/// Completes a TLS handshake, unless it fails or takes too long.
async fn handshake(
    acceptor: TlsAcceptor,
    connection: CountedConnection,
    deadline: Duration,
) -> Option<TlsStream<CountedConnection>> {
    let handshake = acceptor.accept_with(connection, |tls| tls.set_buffer_limit(Some(TLS_UNSENT_MAX)));
    match timeout(deadline, handshake).await {
        Ok(Ok(connection)) => return Some(connection),
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
    None
}

/// Serves one connection until it ends or is upgraded. Once `close` is cancelled, finishes only the request in flight.
async fn serve_http1(
    http: http1::Builder,
    connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    router: Router,
    close: CancellationToken,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request.map(Body::new))
    });
    let serving = http.serve_connection(TokioIo::new(connection), service).with_upgrades();
    tokio::pin!(serving);
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = close.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection failed");
    }
}

/// Maximum number of encrypted bytes that wait for the operating system.
const TLS_UNSENT_MAX: usize = 32 * 1024;

/// Maximum number of written bytes that the operating system buffers before it sends them. The default is megabytes, and bytes
/// in that buffer cannot be withdrawn when a message is deleted.
#[cfg(target_os = "linux")]
const UNSENT_MAX: u32 = 32 * 1024;

/// Sets the socket options of a connection: small messages are sent at once, and the operating system closes the connection
/// when the peer acknowledges nothing for `write_timeout`, even while the server waits to write.
fn configure(connection: &TcpStream, write_timeout: Duration) {
    let socket = SockRef::from(connection);
    // A connection without these options still works.
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    {
        let _ = socket.set_tcp_user_timeout(Some(write_timeout));
        let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = write_timeout;
}

/// Whether only this connection failed, before it was accepted, so that the next can be accepted at once.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}

/// Limits how often a line is logged that clients can cause at will.
#[derive(Default)]
struct LogThrottle {
    last_logged: Option<Instant>,
}

impl LogThrottle {
    fn log(&mut self, log: impl FnOnce()) {
        if self.last_logged.is_none_or(|last| last.elapsed() >= LOG_INTERVAL) {
            self.last_logged = Some(Instant::now());
            log();
        }
    }
}

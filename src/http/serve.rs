//! Takes connections and serves each in a task of its own, within bounds: so many connections, so many bytes of a head, so
//! long for it to arrive. What a request's body may be is the business of `arrival`.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::client_limit::{ClientLimit, Exceeded};
use crate::http::client_ip::Clients;
use crate::http::connections::Counted;
use crate::metrics::{Counters, Gauge, Labels, Metrics};

/// Steers connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections open, in all.
    pub max: usize,
    /// Connections open from one address, unless it is a proxy's that is trusted.
    pub max_per_address: usize,
    /// How long the head of a request may take to arrive, counted from the answer before, and its body after that.
    pub request_timeout: Duration,
    /// How long a peer may take no byte of what is written to it.
    pub write_timeout: Duration,
}

/// Bytes of a request's head, and of what waits to be written. A document in a query string has to fit. There may be a
/// hundred headers, which is what hyper takes unless told otherwise.
const HEAD_MAX: usize = 64 * 1024;

/// How long nothing is accepted after it failed. Most often files are used up, and some have to be closed first.
const PAUSE: Duration = Duration::from_millis(100);

/// How often the log says the same thing.
const SELDOM: Duration = Duration::from_secs(10);

const TOO_MANY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 54\r\n\r\ntoo many connections to this server; try again later\r\n";

const TOO_MANY_FROM_ADDRESS: &str = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 58\r\n\r\ntoo many connections from this address; close some first\r\n";

/// Serves what connects to `listener` until `closing` is over. Then nothing is accepted any more, and this returns when
/// requests in flight are answered. Every connection that is no socket ends with this future, at the latest when it is
/// dropped.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    clients: Clients,
    metrics: &Metrics,
    closing: impl Future<Output = ()>,
) {
    let limit = ClientLimit::new(settings.max_per_address, settings.max);
    let open = Gauge::default();
    let refusals = told(metrics, open.clone(), settings.max);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.request_timeout)
        .max_buf_size(HEAD_MAX)
        .max_header_size(HEAD_MAX);
    let router = router.with_state(());
    let close = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (mut failing, mut full) = (Complaint::default(), Complaint::default());
    tokio::pin!(closing);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = tasks.join_next() => continue,
            () = &mut closing => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_peer(&error) => continue,
            Err(error) => {
                failing.say(|| tracing::error!(%error, "no connection can be accepted; trying again"));
                sleep(PAUSE).await;
                continue;
            }
        };
        match limit.acquire(clients.of_connection(peer.ip()), 1) {
            Ok(permit) => {
                prepare(&stream, settings.write_timeout);
                let connection = Counted::new(stream, permit, &open);
                tasks.spawn(attend(http.clone(), connection, peer, router.clone(), close.clone()));
            }
            Err(Exceeded::Total) => {
                refusals.get_or_create(&IN_ALL).inc();
                full.say(|| tracing::warn!(max = settings.max, "connections are refused: there are too many"));
                refuse(&stream, TOO_MANY);
            }
            Err(Exceeded::PerClient) => {
                refusals.get_or_create(&OF_ADDRESS).inc();
                full.say(|| {
                    let (max, address) = (settings.max_per_address, peer.ip());
                    tracing::warn!(max, %address, "connections are refused: an address has too many");
                });
                refuse(&stream, TOO_MANY_FROM_ADDRESS);
            }
        }
    }
    drop(listener);
    close.cancel();
    while tasks.join_next().await.is_some() {}
}

/// Why a connection was refused: there are too many, or too many from its address.
const IN_ALL: Labels<1> = [("limit", "all")];
const OF_ADDRESS: Labels<1> = [("limit", "address")];

/// Registers what is told of connections; the counters of those refused.
fn told(metrics: &Metrics, open: Gauge, max: usize) -> Counters<1> {
    metrics.register("livechat_connections", "Connections open, sockets and streams included", open);
    let most: Gauge = Gauge::default();
    most.set(i64::try_from(max).unwrap_or(i64::MAX));
    metrics.register("livechat_connections_max", "Connections that may be open: MAX_CONNECTIONS", most);
    let refusals = Counters::default();
    [IN_ALL, OF_ADDRESS].iter().for_each(|limit| drop(refusals.get_or_create(limit)));
    let help = "Connections refused because there were as many as there may be, in all or from one address";
    metrics.register("livechat_connections_refused", help, refusals.clone());
    refusals
}

/// Serves one connection until it ends or becomes a socket; once told to close, to the end of the request in flight.
async fn attend(http: http1::Builder, connection: Counted, peer: SocketAddr, router: Router, close: CancellationToken) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request.map(Body::new))
    });
    let serving = http.serve_connection(TokioIo::new(connection), service).with_upgrades();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = close.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection was broken off");
    }
}

/// Bytes that the operating system takes of what is written to a connection beyond what it has sent. It would take megabytes
/// otherwise, and what is written cannot be taken back when a message is deleted.
#[cfg(target_os = "linux")]
const NOT_SENT: u32 = 32 * 1024;

/// Small messages go out at once, and a peer that takes no byte for so long is given up by the operating system, whatever
/// it is that waits to be written.
fn prepare(connection: &TcpStream, write_timeout: Duration) {
    let socket = SockRef::from(connection);
    // A connection that cannot be steered is no worse than one that is not.
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    {
        let _ = socket.set_tcp_user_timeout(Some(write_timeout));
        let _ = socket.set_tcp_notsent_lowat(NOT_SENT);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = write_timeout;
}

/// Says why and hangs up. Who is told has not been listened to, and nobody waits for it to listen.
fn refuse(connection: &TcpStream, answer: &str) {
    let _ = SockRef::from(connection).send(answer.as_bytes());
}

/// Whether one connection was lost before it was accepted, and the next one may be fine.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}

/// A line of the log that an attacker could cause without end, said now and then.
#[derive(Default)]
struct Complaint(Option<Instant>);

impl Complaint {
    fn say(&mut self, say: impl FnOnce()) {
        if self.0.is_none_or(|last| last.elapsed() >= SELDOM) {
            self.0 = Some(Instant::now());
            say();
        }
    }
}

//! A server with TLS, and clients of it: a tunnel that lets any other client speak to it, and HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::TIMEOUT;
use super::certificates::Authority;
use super::server::Server;
use super::socket::{PROTOCOL, Socket};

/// The host that the certificate names.
pub const HOST: &str = "localhost";

/// A running server with TLS, and the authority that signed its certificate.
pub struct TlsServer {
    pub server: Server,
    pub authority: Authority,
}

impl TlsServer {
    pub fn with(environment: &[(&str, &str)]) -> Self {
        let authority = Authority::new();
        authority.sign("server", HOST);
        let (certificate, key) = (authority.setting("server.pem"), authority.setting("server.key"));
        let tls = [("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", key.as_str())];
        Self { server: Server::with(&[&tls, environment].concat()), authority }
    }

    /// Connects and offers these protocols in ALPN. Fails if the certificate is not of the server's authority.
    pub async fn try_connect(&self, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        connect(self.server.address(), &self.authority, alpn).await
    }

    /// Like [`try_connect`](Self::try_connect), but panics if the handshake fails.
    pub async fn connect(&self, alpn: &[&str]) -> TlsStream<TcpStream> {
        self.try_connect(alpn).await.expect("a TLS connection")
    }

    /// A connection over HTTP/2 that receives at most `window` bytes of a stream before they are read.
    pub async fn http2_with_window(&self, window: u32) -> Http2 {
        let connection = TokioIo::new(self.connect(&["h2"]).await);
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new()).initial_stream_window_size(window);
        let (sender, connection) = http.handshake(connection).await.expect("HTTP/2");
        Http2 { sender, connection: tokio::spawn(connection) }
    }

    pub async fn http2(&self) -> Http2 {
        self.http2_with_window(1024 * 1024).await
    }

    /// Starts a tunnel to the server, which encrypts what is sent to it.
    pub async fn tunnel(&self) -> Tunnel {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (server, connector) = (self.server.address().to_owned(), connector(&self.authority, &["http/1.1"]));
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (server, connector) = (server.clone(), connector.clone());
                tokio::spawn(async move {
                    let far = TcpStream::connect(server).await?;
                    let mut far = connector.connect(server_name(), far).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Tunnel { address, task: task.abort_handle() }
    }
}

/// Connects to `address` over TLS.
async fn connect(address: &str, authority: &Authority, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let connection = TcpStream::connect(address).await?;
    connector(authority, alpn).connect(server_name(), connection).await
}

fn server_name() -> ServerName<'static> {
    ServerName::try_from(HOST).expect("a name")
}

fn connector(authority: &Authority, alpn: &[&str]) -> TlsConnector {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(authority.file("ca.pem")).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("TLS").with_root_certificates(trusted).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// A port of this machine whose connections go to a server over TLS and HTTP/1.1. Closed when dropped.
pub struct Tunnel {
    address: SocketAddr,
    task: AbortHandle,
}

impl Tunnel {
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection over HTTP/2.
pub struct Http2 {
    sender: http2::SendRequest<Body>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    /// Sends a request for a path and waits for the head of its response.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::builder().method(method);
        let authority = headers.iter().find_map(|(name, value)| (*name == ":authority").then_some(*value));
        for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(':')) {
            request = request.header(*name, *value);
        }
        if let Some((_, protocol)) = headers.iter().find(|(name, _)| *name == ":protocol") {
            request = request.extension(Protocol::from_static(match *protocol {
                "websocket" => "websocket",
                _ => "connect-udp",
            }));
        }
        let request = request.uri(format!("https://{}{path}", authority.unwrap_or(HOST))).body(body.into());
        let mut sender = self.sender.clone();
        sender.ready().await?;
        timeout(TIMEOUT, sender.send_request(request.expect("a request"))).await.expect("a response in time")
    }

    /// Like [`try_send`](Self::try_send), but panics if there is no response.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Response<Incoming> {
        self.try_send(method, path, headers, body).await.expect("a response")
    }

    /// The status and body of the response to a GET.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let response = self.send("GET", path, headers, Body::empty()).await;
        (response.status().as_u16(), text(response).await)
    }

    /// Opens a stream of a subscription.
    pub async fn subscribe(&self, query: &str, accept: &str) -> Response<Incoming> {
        let body = serde_json::json!({ "query": query }).to_string();
        let response =
            self.send("POST", "/graphql", &[("content-type", "application/json"), ("accept", accept)], body).await;
        assert_eq!(response.status(), 200);
        response
    }

    /// The response to the handshake of a WebSocket.
    pub async fn handshake(&self, headers: &[(&str, &str)]) -> Response<Incoming> {
        let handshake =
            [(":protocol", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-protocol", PROTOCOL)];
        self.send("CONNECT", "/graphql", &[&handshake, headers].concat(), Body::empty()).await
    }

    /// Opens a WebSocket.
    pub async fn web_socket(&self) -> Socket<TokioIo<hyper::upgrade::Upgraded>> {
        let response = self.handshake(&[]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["sec-websocket-protocol"], PROTOCOL);
        let upgraded = TokioIo::new(hyper::upgrade::on(response).await.expect("a stream"));
        Socket::over(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
    }

    /// Waits until the server closes the connection.
    pub async fn closed(self) {
        // Without the sender the client would close the connection itself.
        let _sender = self.sender;
        let _ = timeout(TIMEOUT, self.connection).await.expect("the server closes the connection in time");
    }
}

/// The whole body of a response.
pub async fn text(response: Response<Incoming>) -> String {
    let body = timeout(TIMEOUT, response.into_body().collect()).await.expect("a body in time").expect("a body");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}

/// Reads a streamed response up to and including `end`.
pub async fn until(response: &mut Response<Incoming>, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let frame = timeout(TIMEOUT, response.body_mut().frame()).await.expect("a frame in time");
        let data = frame.expect("more of the stream").expect("an open stream").into_data().expect("data");
        text.push_str(std::str::from_utf8(&data).expect("text"));
    }
    text
}

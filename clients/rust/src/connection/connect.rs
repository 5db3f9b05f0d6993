//! The address of a server, and how a WebSocket to it is opened.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::uri::{Builder, PathAndQuery, Scheme, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::protocol::{self, ServerMessage};
use crate::{Error, ErrorCode};

pub(super) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Largest message that is read: many times a page of the longest messages.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// Where the server's GraphQL is, and how it is reached.
pub(crate) struct Endpoint {
    uri: Uri,
    #[cfg(feature = "rustls")]
    tls: Option<tokio_tungstenite::Connector>,
}

impl Endpoint {
    /// The endpoint of the server with this address, like `https://chat.example.org`.
    pub(crate) fn new(url: &str) -> Result<Self, Error> {
        let invalid = |reason: &dyn std::fmt::Display| {
            Error::new(ErrorCode::UrlInvalid, format!("The address of the server is invalid: {reason}."))
        };
        let parts = url.parse::<Uri>().map_err(|error| invalid(&error))?.into_parts();
        let is_secure = match parts.scheme.as_ref().map(Scheme::as_str) {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(invalid(&"it begins with neither http: nor https:")),
        };
        if is_secure && cfg!(not(feature = "rustls")) {
            return Err(invalid(&"https needs the feature rustls of the crate livechat-client"));
        }
        let authority = parts.authority.ok_or_else(|| invalid(&"it has no host"))?;
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path);
        let uri = Builder::new()
            .scheme(if is_secure { "wss" } else { "ws" })
            .authority(authority)
            .path_and_query(format!("{}/graphql", path.trim_end_matches('/')))
            .build()
            .map_err(|error| invalid(&error))?;
        Ok(Self {
            uri,
            #[cfg(feature = "rustls")]
            tls: if is_secure { Some(tls()?) } else { None },
        })
    }

    /// The endpoint as it is used to name what belongs to the server.
    pub(crate) fn name(&self) -> String {
        self.uri.to_string()
    }

    /// Opens a WebSocket that is ready for operations.
    pub(super) async fn open(&self) -> Result<Stream, Error> {
        let mut stream = self.connect().await.map_err(|error| Error::network(describe(&error)))?;
        stream.send(protocol::init()).await.map_err(|error| Error::network(describe(&error)))?;
        loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(ServerMessage::ConnectionAck) => return Ok(stream),
                    Ok(ServerMessage::Ping) => {}
                    _ => return Err(Error::network("it does not speak graphql-transport-ws")),
                },
                Some(Ok(message)) => protocol::check_control(&message)?,
                Some(Err(error)) => return Err(Error::network(describe(&error))),
                None => return Err(Error::network("it has closed the connection")),
            }
        }
    }

    async fn connect(&self) -> Result<Stream, tungstenite::Error> {
        let mut request = self.uri.clone().into_client_request()?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("graphql-transport-ws"));
        let config = WebSocketConfig::default()
            .read_buffer_size(16 * 1024)
            .write_buffer_size(0)
            .max_write_buffer_size(1024 * 1024)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        #[cfg(feature = "rustls")]
        let opened = tokio_tungstenite::connect_async_tls_with_config(request, Some(config), true, self.tls.clone());
        #[cfg(not(feature = "rustls"))]
        let opened = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        Ok(opened.await?.0)
    }
}

/// Trusts the certificates that the operating system trusts.
#[cfg(feature = "rustls")]
fn tls() -> Result<tokio_tungstenite::Connector, Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorCode::UrlInvalid, format!("TLS cannot be used: {error}.")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_tungstenite::Connector::Rustls(std::sync::Arc::new(config)))
}

/// The reason without the details that people cannot act on.
pub(super) fn describe(error: &tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Http(response) => format!("it has refused the WebSocket with {}", response.status()),
        other => other.to_string(),
    }
}

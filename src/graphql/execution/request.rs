//! A request as transports hand it over: its parameters, and what the transport knows about it.

use std::fmt;

use serde_json::{Map, Value};

use crate::domain::client_key::ClientKey;

/// The parameters of a request, which every transport carries.
#[derive(Clone)]
pub struct Parameters {
    /// The document; empty if only its hash or its id was sent.
    pub query: String,
    pub operation_name: Option<String>,
    pub variables: Option<Map<String, Value>>,
    /// `extensions.persistedQuery`. Other extensions are ignored.
    pub persisted_query: Option<Value>,
    /// The id of a trusted document, under whatever name it was sent.
    pub document_id: Option<String>,
    /// A cursor among the parameters.
    pub resume_after: Option<String>,
}

impl Parameters {
    pub fn new(query: String, operation_name: Option<String>, variables: Option<Map<String, Value>>) -> Self {
        Self { query, operation_name, variables, persisted_query: None, document_id: None, resume_after: None }
    }
}

/// Hides the content: documents and variables contain codes, tokens and texts.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({} bytes of a document)", self.query.len())
    }
}

/// The transport that carries the response or the events of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// One HTTP response.
    Http,
    WebSocket,
    /// The older `graphql-ws` protocol over WebSocket.
    LegacyWebSocket,
    EventStream,
    Multipart,
}

impl TransportKind {
    pub(in crate::graphql) const ALL: [Self; 5] =
        [Self::Http, Self::WebSocket, Self::LegacyWebSocket, Self::EventStream, Self::Multipart];

    /// The name in metrics.
    pub(in crate::graphql) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::LegacyWebSocket => "legacy_websocket",
            Self::EventStream => "sse",
            Self::Multipart => "multipart",
        }
    }
}

/// What a transport knows about a request besides its parameters.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The client that sent the request.
    pub client: ClientKey,
    pub transport: TransportKind,
    /// Whether the request came by HTTP GET and therefore must not change anything.
    pub over_get: bool,
    /// A cursor from the transport. It takes precedence over a cursor in the parameters or arguments.
    pub resume_after: Option<String>,
}

//! Settings and state that all transports share.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Extensions;

use crate::client_limit::ClientLimit;
use crate::domain::client_key::ClientKey;
use crate::graphql::execution::Executor;
use crate::graphql::transport::drain::Drain;

/// Settings of the transports.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a socket may take to send `connection_init`.
    pub ws_init_timeout: Duration,
    /// How long the peer of a socket may take to accept what is buffered, or one frame of a large text.
    pub write_timeout: Duration,
    /// How often the server sends something on an idle socket or stream. This keeps proxies from closing it, and detects
    /// peers that are gone.
    pub keep_alive_interval: Duration,
    /// Maximum number of subscriptions and other operations in progress on one socket.
    pub max_subscriptions_per_socket: usize,
    /// Maximum number of sockets from one address.
    pub max_sockets_per_address: usize,
    /// Maximum number of sockets that speak the older `graphql-ws` protocol.
    pub max_legacy_sockets: usize,
}

/// State of the transports.
pub(super) struct TransportState {
    pub(super) executor: Executor,
    pub(super) drain: Drain,
    pub(super) settings: Settings,
    /// Counts open sockets by client.
    pub(super) sockets: Arc<ClientLimit>,
    /// Counts those of them that speak the older protocol.
    pub(super) legacy_sockets: Arc<ClientLimit>,
}

impl TransportState {
    pub(super) fn new(executor: Executor, drain: Drain, settings: Settings) -> Self {
        let sockets = ClientLimit::new(settings.max_sockets_per_address, usize::MAX);
        let legacy_sockets = ClientLimit::shared(usize::MAX, settings.max_legacy_sockets);
        Self { executor, drain, settings, sockets, legacy_sockets }
    }
}

/// The client of a request, as the `http` module recorded it.
pub(super) fn client_key(extensions: &Extensions) -> ClientKey {
    extensions.get().copied().unwrap_or(ClientKey::Unknown)
}

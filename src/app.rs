//! The composition root: opens the store, assembles the service and the server, runs them, and shuts them down.
//!
//! Together with `livechat migrate`, the only place that names the concrete stores.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::chat::Chat;
use crate::config::{Config, StoreChoice};
use crate::critical_tasks::CriticalTasks;
use crate::graphql::transport::Drain;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::store::embedded::{EmbeddedStore, OpenError};
use crate::store::measured::MeasuredStore;
use crate::store::redis::RedisStore;
use crate::store::{Store, StoreError};
use crate::{http, open_files};

/// Time for the last sockets to close after the drain.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for requests in flight to finish after that.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the server could not start, or why it stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    #[error(transparent)]
    Embedded(#[from] OpenError),
    #[error("Redis cannot be used")]
    Redis(#[source] StoreError),
    #[error("a critical task panicked (see the log); the server stops and must be restarted")]
    CriticalTaskFailed,
}

/// A server that listens but does not accept connections yet.
pub struct App {
    listener: TcpListener,
    store: OpenStore,
    config: Config,
}

/// The store in use, under its concrete type, which can be closed.
enum OpenStore {
    Embedded(Arc<EmbeddedStore>),
    Redis(Arc<RedisStore>),
}

impl OpenStore {
    async fn open(choice: &StoreChoice) -> Result<Self, AppError> {
        match choice {
            StoreChoice::Embedded(directory) => Ok(Self::Embedded(Arc::new(EmbeddedStore::open(directory)?))),
            StoreChoice::Redis(settings) => RedisStore::connect_when_ready((**settings).clone())
                .await
                .map(Arc::new)
                .map(Self::Redis)
                .map_err(AppError::Redis),
        }
    }

    fn as_store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Redis(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// The store's name in the metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "embedded",
            Self::Redis(store) if store.is_cluster() => "redis-cluster",
            Self::Redis(_) => "redis",
        }
    }

    fn critical_tasks(&self) -> &CriticalTasks {
        match self {
            Self::Embedded(store) => store.critical_tasks(),
            Self::Redis(store) => store.critical_tasks(),
        }
    }

    async fn close(&self) {
        match self {
            Self::Embedded(store) => store.close().await,
            Self::Redis(store) => store.close().await,
        }
    }
}

impl App {
    /// Opens the store, waiting for Redis as long as `REDIS_WAIT` allows, and then listens. The future may be dropped.
    pub async fn open(config: Config) -> Result<Self, AppError> {
        open_files::raise_limit_for(config.http.connections.max);
        let store = OpenStore::open(&config.store).await?;
        let address = config.listen_addr;
        let listener = TcpListener::bind(address).await.map_err(|error| AppError::Listen(address, error))?;
        Ok(Self { listener, store, config })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.config.listen_addr)
    }

    /// Serves until `stop` is cancelled, then closes sockets and streams one by one and finishes requests in flight. No task
    /// of the server is left when this returns.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AppError> {
        let Self { listener, store, config } = self;
        let metrics = Metrics::default();
        let info = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("store", store.name().to_owned())];
        metrics.register_info("livechat", "The version of the server and the store it uses", info);
        let measured: Arc<dyn Store> = Arc::new(MeasuredStore::new(store.as_store(), &metrics));
        let hub = Hub::start(Arc::clone(&measured));
        hub.register(&metrics);
        warn_about(&config);
        let chat = Chat::new(measured, hub.clone(), config.chat, config.access, config.rate_limit);
        chat.register(&metrics);
        let drain = Drain::new(stop.clone(), config.drain);
        let (connections, clients) = (config.http.connections.clone(), config.http.clients.clone());
        let router = http::router(&chat, config.http, &drain, &metrics);
        // New requests are answered until the last socket is closed, so that load balancers see `/readyz` fail.
        let drained = {
            let stop = stop.clone();
            async move {
                stop.cancelled().await;
                let _ = tokio::time::timeout(config.drain + CLOSE_TIMEOUT, drain.finished()).await;
            }
        };
        let serve = async {
            http::serve(listener, router, connections, clients, &metrics, drained).await;
            chat.close(FINISH_TIMEOUT).await;
        };
        let cut_off = async {
            stop.cancelled().await;
            tokio::time::sleep(config.drain + CLOSE_TIMEOUT + FINISH_TIMEOUT).await;
        };
        let outcome = tokio::select! {
            () = serve => Ok(()),
            () = cut_off => {
                tracing::warn!("some clients did not disconnect in time; their connections are cut");
                Ok(())
            }
            () = hub.critical_tasks().failed() => Err(AppError::CriticalTaskFailed),
            () = store.critical_tasks().failed() => Err(AppError::CriticalTaskFailed),
        };
        chat.close(Duration::ZERO).await;
        hub.close().await;
        store.close().await;
        outcome
    }
}

/// Logs settings that are valid but probably a mistake.
fn warn_about(config: &Config) {
    for name in &config.removed_settings {
        tracing::warn!("{name} is no longer a setting and has no effect; remove it from the environment or .env");
    }
    let limits = config.chat.limits;
    if limits.events_per_room < limits.messages_per_room.saturating_mul(2) {
        tracing::warn!(
            "ROOM_MAX_EVENTS is less than twice ROOM_MAX_MESSAGES, so rooms cannot reach ROOM_MAX_MESSAGES: each message \
             reserves an event for its deletion; raise ROOM_MAX_EVENTS"
        );
    }
    if !config.rate_limit.enabled {
        tracing::warn!("RATE_LIMITS=off: nothing is limited and room codes can be guessed; use it only for load tests");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[tokio::test]
    async fn a_panicking_critical_task_stops_the_server_with_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let values = [("LISTEN_ADDR", "127.0.0.1:0"), ("DATA_DIR", directory.path().to_str().expect("text"))];
        let values: HashMap<_, _> = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let app = App::open(Config::from_values(&values).expect("settings")).await.expect("a server");
        let panicking = tokio::spawn(app.store.critical_tasks().clone().task(async { panic!("in the store") }));
        assert!(matches!(app.run(CancellationToken::new()).await, Err(AppError::CriticalTaskFailed)));
        assert!(panicking.await.is_err());
    }
}

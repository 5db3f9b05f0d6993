//! The composition root: names the concrete stores, as only the command that moves between them does besides. Starts
//! everything, drains, stops.

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

/// How long the last sockets have to close once all have had their turn.
const CLOSING: Duration = Duration::from_secs(2);

/// How long requests in flight have to finish after that.
const FINISHING: Duration = Duration::from_secs(2);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    #[error(transparent)]
    Embedded(#[from] OpenError),
    #[error("Redis cannot be used")]
    Redis(#[source] StoreError),
    #[error("a task that everything depends on panicked, which is in the log; the server ends, to be started again")]
    Panicked,
}

/// A server that listens but does not serve yet.
pub struct App {
    listener: TcpListener,
    store: OpenStore,
    config: Config,
}

/// The store in use, with what only it can do: end.
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

    fn port(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Redis(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

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
    /// Opens the store, for which it waits as long as the settings say, and then the port. May be dropped meanwhile.
    pub async fn open(config: Config) -> Result<Self, AppError> {
        open_files::raise_limit_for(config.http.connections.max);
        let store = OpenStore::open(&config.store).await?;
        let address = config.listen_addr;
        let listener = TcpListener::bind(address).await.map_err(|error| AppError::Listen(address, error))?;
        Ok(Self { listener, store, config })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.config.listen_addr)
    }

    /// Serves until `stop` is cancelled. Then sockets and streams are closed one after the other, requests in flight are
    /// finished, and everything that was started has ended when this returns.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AppError> {
        let Self { listener, store, config } = self;
        let metrics = Metrics::default();
        let facts = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("store", store.name().to_owned())];
        metrics.register_info("livechat", "Which version this is, and which store it uses", facts);
        let port: Arc<dyn Store> = Arc::new(MeasuredStore::new(store.port(), &metrics));
        let hub = Hub::start(Arc::clone(&port));
        hub.register(&metrics);
        let limits = config.chat.limits;
        if limits.events_per_room < limits.messages_per_room.saturating_mul(2) {
            tracing::warn!(
                "ROOM_MAX_EVENTS is less than twice ROOM_MAX_MESSAGES: rooms are full before they have so many messages, \
                 since each message keeps an event free for its deletion"
            );
        }
        let chat = Chat::new(port, hub.clone(), config.chat, config.access, config.rate_limit);
        chat.register(&metrics);
        if !config.rate_limit.enabled {
            tracing::warn!("RATE_LIMITS=off: nothing is limited, room codes can be guessed; for load tests only");
        }
        let drain = Drain::new(stop.clone(), config.drain);
        let (connections, clients) = (config.http.connections.clone(), config.http.clients.clone());
        let router = http::router(&chat, config.http, &drain, &metrics);
        // Until the last socket has had its turn, new requests are answered: `/readyz` has to say no to somebody.
        let drained = {
            let stop = stop.clone();
            async move {
                stop.cancelled().await;
                let _ = tokio::time::timeout(config.drain + CLOSING, drain.finished()).await;
            }
        };
        let serve = async {
            http::serve(listener, router, connections, clients, &metrics, drained).await;
            chat.close(FINISHING).await;
        };
        let cut_off = async {
            stop.cancelled().await;
            tokio::time::sleep(config.drain + CLOSING + FINISHING).await;
        };
        let served = tokio::select! {
            () = serve => Ok(()),
            () = cut_off => {
                tracing::warn!("some clients did not end in time and are cut off");
                Ok(())
            }
            () = hub.critical_tasks().failed() => Err(AppError::Panicked),
            () = store.critical_tasks().failed() => Err(AppError::Panicked),
        };
        chat.close(Duration::ZERO).await;
        hub.close().await;
        store.close().await;
        served
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[tokio::test]
    async fn the_server_ends_with_an_error_when_a_task_that_everything_depends_on_panics() {
        let directory = tempfile::tempdir().expect("a directory");
        let values = [("LISTEN_ADDR", "127.0.0.1:0"), ("DATA_DIR", directory.path().to_str().expect("text"))];
        let values: HashMap<_, _> = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let app = App::open(Config::from_values(&values).expect("settings")).await.expect("a server");
        let panicking = tokio::spawn(app.store.critical_tasks().clone().task(async { panic!("in the store") }));
        assert!(matches!(app.run(CancellationToken::new()).await, Err(AppError::Panicked)));
        assert!(panicking.await.is_err());
    }
}

//! The composition root: the only file that names the concrete stores. Starts everything, drains, stops.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chat::Chat;
use crate::config::{Config, StoreChoice};
use crate::http;
use crate::hub::Hub;
use crate::store::embedded::{EmbeddedStore, OpenError};
use crate::store::redis::RedisStore;
use crate::store::{Store, StoreError};

/// Why the server could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    #[error(transparent)]
    Embedded(#[from] OpenError),
    #[error("Redis cannot be used")]
    Redis(#[source] StoreError),
    #[error("the server failed")]
    Serve(#[source] std::io::Error),
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
            StoreChoice::Redis(settings) => {
                RedisStore::connect(settings.clone()).await.map(Arc::new).map(Self::Redis).map_err(AppError::Redis)
            }
        }
    }

    fn port(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Redis(store) => Arc::clone(store) as Arc<dyn Store>,
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
    /// Opens the store and the port.
    pub async fn open(config: Config) -> Result<Self, AppError> {
        let store = OpenStore::open(&config.store).await?;
        let address = config.listen_addr;
        let listener = TcpListener::bind(address).await.map_err(|error| AppError::Listen(address, error))?;
        Ok(Self { listener, store, config })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.config.listen_addr)
    }

    /// Serves until `stop` is cancelled. Then requests in flight are finished and sockets closed, for as long as the
    /// drain setting says, and everything that was started has ended when this returns.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AppError> {
        let Self { listener, store, config } = self;
        let hub = Hub::start(store.port());
        let chat = Chat::new(store.port(), hub.clone(), config.chat);
        let sockets = TaskTracker::new();
        let router = http::router(&chat, config.http, config.rest, &stop, &sockets);
        let drained = CancellationToken::new();
        let deadline = {
            let (stop, drained) = (stop.clone(), drained.clone());
            async move {
                stop.cancelled().await;
                tokio::select! {
                    () = tokio::time::sleep(config.drain) => {}
                    () = drained.cancelled() => {}
                }
            }
        };
        let serve = async {
            let served = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned()).await;
            // The HTTP server does not wait for what was upgraded.
            stop.cancel();
            sockets.close();
            sockets.wait().await;
            drained.cancel();
            served.map_err(AppError::Serve)
        };
        let served = tokio::select! {
            served = serve => served,
            () = deadline => {
                tracing::warn!("some clients did not end in time and are cut off");
                Ok(())
            }
        };
        hub.close().await;
        store.close().await;
        served
    }
}

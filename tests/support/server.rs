//! The legacy routes on a port of their own, over an embedded store of their own.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use livechat::chat::{self, Chat};
use livechat::hub::Hub;
use livechat::rest;
use livechat::store::Store;
use livechat::store::embedded::EmbeddedStore;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Serves until it is dropped.
pub struct Server {
    pub base: String,
    serving: JoinHandle<()>,
    _directory: TempDir,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(chat::Settings::default(), rest::Settings::default()).await
    }

    pub async fn with(chat: chat::Settings, rest: rest::Settings) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(directory.path()).expect("a store"));
        let chat = Chat::new(Arc::clone(&store), Hub::start(store), chat);
        let app = rest::routes(chat, rest)
            .fallback(rest::not_found)
            .method_not_allowed_fallback(rest::method_not_allowed)
            .layer(DefaultBodyLimit::max(64 * 1024));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.expect("a running server") });
        Self { base, serving, _directory: directory }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

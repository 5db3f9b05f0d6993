//! The whole router in this thread, over a store that stores nothing: no disk, no network, and a paused clock that advances
//! whenever all tasks are idle.

use std::cell::OnceCell;
use std::time::Duration;

use axum::Router;
use livechat::chat::Chat;
use livechat::config::Config;
use livechat::graphql::transport::Drain;
use livechat::hub::Hub;
use livechat::metrics::Metrics;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::empty_store::EmptyStore;

struct LocalServer {
    runtime: Runtime,
    router: Router,
}

thread_local! {
    static SERVER: OnceCell<LocalServer> = const { OnceCell::new() };
}

fn start() -> LocalServer {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    // Rate-limited requests would not be parsed.
    let values = [("RATE_LIMITS".to_owned(), "off".to_owned())].into();
    let config = Config::from_values(&values).expect("settings");
    let router = runtime.block_on(async {
        let store = EmptyStore::shared();
        let chat = Chat::new(store.clone(), Hub::start(store), config.chat, config.access, config.rate_limit);
        livechat::http::router(&chat, config.http, &Drain::new(CancellationToken::new(), Duration::ZERO), &Metrics::default())
    });
    LocalServer { runtime, router }
}

/// Runs `work` with the router to completion.
pub fn with_router<F: Future<Output = ()>>(work: impl FnOnce(Router) -> F) {
    SERVER.with(|server| {
        let LocalServer { runtime, router } = server.get_or_init(start);
        runtime.block_on(work(router.clone()));
    });
}

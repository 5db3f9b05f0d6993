//! The whole service in this thread, over a store that keeps nothing: no disk, no network, and a clock that jumps whenever
//! nothing else is to be done.

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

use crate::one_room::OneRoom;

struct House {
    runtime: Runtime,
    router: Router,
}

thread_local! {
    static HOUSE: OnceCell<House> = const { OnceCell::new() };
}

fn build() -> House {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    // Whoever is refused for being too fast is not read.
    let values = [("RATE_LIMITS".to_owned(), "off".to_owned())].into();
    let config = Config::from_values(&values).expect("settings");
    let router = runtime.block_on(async {
        let store = OneRoom::shared();
        let chat = Chat::new(store.clone(), Hub::start(store), config.chat, config.access, config.rate_limit);
        livechat::http::router(&chat, config.http, &Drain::new(CancellationToken::new(), Duration::ZERO), &Metrics::default())
    });
    House { runtime, router }
}

/// Runs `work` with the service to its end.
pub fn with_router<F: Future<Output = ()>>(work: impl FnOnce(Router) -> F) {
    HOUSE.with(|house| {
        let House { runtime, router } = house.get_or_init(build);
        runtime.block_on(work(router.clone()));
    });
}

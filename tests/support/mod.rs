//! Helpers that tests share: real servers, a real Redis, and clients that use them over the network.

pub mod bottleneck;
pub mod certificates;
pub mod client;
pub mod crowd;
pub mod cuts;
pub mod http;
pub mod identities;
pub mod load;
pub mod lossy_load;
pub mod memory;
pub mod nginx;
pub mod owner;
pub mod presence;
pub mod proxy;
pub mod raw;
pub mod redis_cluster;
pub mod redis_resharding;
pub mod redis_server;
pub mod rest;
pub mod room_view;
pub mod rotation;
pub mod scrape;
pub mod sentinels;
pub mod server;
pub mod small_disk;
pub mod socket;
pub mod stream;
pub mod subscriber;
pub mod tls;
pub mod transport;
#[cfg(test)]
pub mod watchdog;
pub mod wrong_clock;

use std::time::{Duration, Instant};

/// How long a test waits for something that must happen.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The deadline of a whole response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts building an HTTP client whose requests have a deadline. For streams of events, use [`stream::http`].
pub fn http_client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(RESPONSE_TIMEOUT)
}

/// Sends a GET request, with a deadline.
pub async fn http_get(url: impl reqwest::IntoUrl) -> reqwest::Response {
    http_client().build().expect("a client").get(url).send().await.expect("a response")
}

/// Waits until a condition holds. Panics with its description `what` if it does not in time.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let start = Instant::now();
    while !tokio::time::timeout(TIMEOUT, holds()).await.unwrap_or(false) {
        assert!(start.elapsed() < TIMEOUT, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

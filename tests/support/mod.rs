//! What the tests share: real servers, a real Redis, and clients that talk to them over the network.

pub mod bottleneck;
pub mod certificates;
pub mod client;
pub mod crowd;
pub mod cuts;

pub mod http;
pub mod load;
pub mod memory;
pub mod nginx;
pub mod proxy;
pub mod raw;
pub mod reader;
pub mod redis_cluster;
pub mod redis_resharding;
pub mod redis_server;
pub mod rest;
pub mod sentinels;
pub mod server;
pub mod small_disk;
pub mod socket;
pub mod stream;
pub mod subscriber;
pub mod transport;
#[cfg(test)]
pub mod watchdog;
pub mod witnesses;
pub mod wrong_clock;

use std::time::{Duration, Instant};

/// How long a test waits for what must happen, before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Starts building an HTTP client whose requests fail when their response is not complete in time, so that no test waits
/// forever. Not for streams of events.
pub fn http_client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(PATIENCE * 2)
}

/// Repeats a look until it sees what it should.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let start = Instant::now();
    while !tokio::time::timeout(PATIENCE, look()).await.unwrap_or(false) {
        assert!(start.elapsed() < PATIENCE, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

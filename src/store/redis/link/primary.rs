//! Finds the Redis that takes writes: at one fixed address, or at the address that Sentinel names. Counts the primaries, so that
//! code with a connection notices when another server has become the primary.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisResult};
use tokio::time::{sleep, timeout};

use crate::store::StoreError;
use crate::store::redis::link::connect_error::ConnectError;
use crate::store::redis::link::error::{timed_out, unavailable};
use crate::store::redis::link::settings::Settings;

/// How often a listener checks whether the primary is still the same.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the sentinels have to answer such a check.
const SENTINEL_TIMEOUT: Duration = Duration::from_secs(2);

/// The one Redis that takes writes.
pub struct Primary {
    locator: Locator,
    /// Counts the primaries so far. Connections of an earlier generation must be given up.
    generation: AtomicU64,
    /// The address that the sentinels named last.
    last_address: Mutex<Option<String>>,
}

enum Locator {
    Fixed(Box<Client>),
    Sentinels(Box<Settings>),
}

impl Primary {
    /// The primary that these settings describe. Does not connect yet.
    pub fn from_settings(settings: &Settings) -> RedisResult<Self> {
        if settings.has_sentinels() {
            Ok(Self::new(Locator::Sentinels(Box::new(settings.clone()))))
        } else {
            settings.client().map(Self::fixed)
        }
    }

    /// A Redis at a fixed address.
    pub fn fixed(client: Client) -> Self {
        Self::new(Locator::Fixed(Box::new(client)))
    }

    fn new(locator: Locator) -> Self {
        Self { locator, generation: AtomicU64::default(), last_address: Mutex::default() }
    }

    /// A client of the current primary. Asks the sentinels and so needs a deadline.
    pub async fn client(&self) -> RedisResult<Client> {
        match &self.locator {
            Locator::Fixed(client) => Ok((**client).clone()),
            Locator::Sentinels(settings) => {
                let client = settings.sentinel_client()?.async_get_client().await?;
                let address = client.get_connection_info().addr().to_string();
                let previous = self.last_address.lock().replace(address.clone());
                if previous.is_some_and(|previous| previous != address) {
                    self.generation.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%address, "the sentinels name another primary");
                }
                Ok(client)
            }
        }
    }

    /// Makes one connection, to see whether the server accepts us. `address` is for the error.
    pub async fn probe(&self, settings: &Settings, address: String) -> Result<MultiplexedConnection, StoreError> {
        let config = settings.connection_config();
        let connect = async { self.client().await?.get_multiplexed_async_connection_with_config(&config).await };
        timeout(settings.timeout, connect)
            .await
            .unwrap_or_else(|_| Err(timed_out()))
            .map_err(|source| unavailable(ConnectError::new(address, source)))
    }

    /// Its last known address; empty until a sentinel has named one.
    pub fn address(&self) -> String {
        match &self.locator {
            Locator::Fixed(client) => client.get_connection_info().addr().to_string(),
            Locator::Sentinels(_) => self.last_address.lock().clone().unwrap_or_default(),
        }
    }

    /// The current generation. Read it before calling [`client`](Self::client), to notice a change meanwhile.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Ends a generation, because its server is no primary. Idempotent.
    pub fn mark_demoted(&self, generation: u64) {
        let _ = self.generation.compare_exchange(generation, generation + 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Waits until a later generation has begun. While no sentinel answers, the current one stays.
    pub async fn superseded(&self, generation: u64) {
        while self.generation() == generation {
            sleep(CHECK_INTERVAL).await;
            if matches!(self.locator, Locator::Sentinels(_)) {
                let _ = timeout(SENTINEL_TIMEOUT, self.client()).await;
            }
        }
    }
}

//! Waits at start until Redis is usable, because LiveChat may be started first, and checks the layout of the data there.

use std::error::Error;
use std::time::Duration;

use redis::Value;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::store::StoreError;
use crate::store::redis::keys::{Keys, LAYOUT};
use crate::store::redis::link::commands::CommandClient;
use crate::store::redis::link::error::unavailable;

/// The bounds of the pause between two attempts, which doubles each time.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// The interval at which the log reports that the server still waits.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Another version of LiveChat uses the same keys.
#[derive(Debug, thiserror::Error)]
#[error(
    "the data in Redis under this prefix has layout {0}, but this version of LiveChat uses layout {LAYOUT}; \
     start a version that uses layout {0}, or set REDIS_PREFIX to another prefix"
)]
struct OtherLayout(String);

/// Checks that the data has this version's layout. Changes nothing if it has another.
pub(super) async fn check_layout(commands: &CommandClient, keys: &Keys) -> Result<(), StoreError> {
    let mut set = redis::cmd("SET");
    // A Redis that cannot write now is reported elsewhere.
    let _ = commands.query(set.arg(&keys.layout).arg(LAYOUT).arg("NX")).await;
    match commands.query(redis::cmd("GET").arg(&keys.layout)).await {
        Ok(Value::BulkString(layout)) if layout != LAYOUT.to_string().as_bytes() => {
            let layout = String::from_utf8_lossy(&layout).into_owned();
            Err(unavailable(OtherLayout(layout)))
        }
        Ok(_) => Ok(()),
        // A cluster is usable while one of its shards is not.
        Err(StoreError::Unavailable(_)) if commands.cluster().is_some() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Retries under one deadline.
pub(super) struct StartupWait {
    started: Instant,
    limit: Duration,
    pause: Duration,
    last_logged: Option<Instant>,
}

impl StartupWait {
    /// Waits for `limit` in all, from now on.
    pub fn new(limit: Duration) -> Self {
        Self { started: Instant::now(), limit, pause: MIN_PAUSE, last_logged: None }
    }

    /// Repeats `connect` until it succeeds, fails with a permanent error, or the limit is reached.
    pub async fn retry<T>(
        &mut self,
        connect: impl AsyncFn() -> Result<T, StoreError>,
        is_temporary: impl Fn(&StoreError) -> bool,
    ) -> Result<T, StoreError> {
        loop {
            let error = match connect().await {
                Ok(connected) => break Ok(connected),
                Err(error) => error,
            };
            let left = self.limit.saturating_sub(self.started.elapsed());
            if left.is_zero() || !is_temporary(&error) {
                break Err(error);
            }
            if self.last_logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
                self.last_logged = Some(Instant::now());
                let (error, seconds): (&dyn Error, _) = (&error, left.as_secs_f64().ceil());
                warn!(error, "Redis cannot be used yet; retrying for at most {seconds} more seconds");
            }
            sleep(self.pause.min(left)).await;
            self.pause = (self.pause * 2).min(MAX_PAUSE);
        }
    }

    /// Logs the success, if there was a wait.
    pub fn finish(&self) {
        if self.last_logged.is_some() {
            info!("Redis can be used after {} s", self.started.elapsed().as_secs());
        }
    }
}

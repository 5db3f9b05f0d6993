//! Waits at start until Redis is usable: when both are started together, LiveChat may be first.

use std::error::Error;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::store::StoreError;

/// The pause between two attempts doubles from one to the other.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// How often the log reports that we still wait.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

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

//! Waits at start for a Redis that is not there yet: whoever starts both at once starts one of them too early.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::store::StoreError;

/// How long it is waited before it is tried again: at first, and at most.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often the log says that it is still waited.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How long it is waited in all, and what the log was told of it.
pub(super) struct Patience {
    began: Instant,
    wait: Duration,
    pause: Duration,
    logged: Option<Instant>,
}

impl Patience {
    /// Waits for `wait` in all, from now on.
    pub fn new(wait: Duration) -> Self {
        Self { began: Instant::now(), wait, pause: PAUSE, logged: None }
    }

    /// Does `connect` again and again, until it succeeds, or fails for a reason that time does not cure, or the time is over.
    pub async fn until_ok<T>(
        &mut self,
        connect: impl AsyncFn() -> Result<T, StoreError>,
        is_temporary: impl Fn(&StoreError) -> bool,
    ) -> Result<T, StoreError> {
        loop {
            let error = match connect().await {
                Ok(connected) => break Ok(connected),
                Err(error) => error,
            };
            let left = self.wait.saturating_sub(self.began.elapsed());
            if left.is_zero() || !is_temporary(&error) {
                break Err(error);
            }
            if self.logged.is_none_or(|logged| logged.elapsed() >= LOG_EVERY) {
                self.logged = Some(Instant::now());
                let (error, seconds): (&dyn std::error::Error, _) = (&error, left.as_secs_f64().ceil());
                warn!(error, "Redis cannot be used yet; waiting for it for {seconds} more seconds at most");
            }
            sleep(self.pause.min(left)).await;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
    }

    /// Says that it was worth waiting, if there was anything to wait for.
    pub fn end(&self) {
        if self.logged.is_some() {
            info!("Redis can be used after {} s", self.began.elapsed().as_secs());
        }
    }
}

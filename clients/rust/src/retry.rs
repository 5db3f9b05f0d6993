//! Retries with exponential backoff and jitter.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::{Error, ErrorCode, Timing};

/// How long to pause between tries.
#[derive(Clone, Copy)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn of(timing: &Timing) -> Self {
        Self { min: timing.min_retry, max: timing.max_retry }
    }

    /// The pause after this many failures in a row.
    pub(crate) fn delay_after(self, failures: u32) -> Duration {
        let doubled = self.min.saturating_mul(1 << failures.saturating_sub(1).min(20));
        doubled.min(self.max).mul_f64(0.5 + rand::random::<f64>() / 2.0)
    }

    /// Pauses after this many failures in a row. A delay that the server demands takes precedence.
    pub(crate) async fn pause(self, failures: u32, error: &Error) {
        // After a loss, the connection itself pauses before it is opened again.
        if error.code != ErrorCode::Network {
            sleep(error.retry_after.unwrap_or_else(|| self.delay_after(failures))).await;
        }
    }

    /// Repeats `work` until it succeeds or fails for good.
    pub(crate) async fn retry<T, F: Future<Output = Result<T, Error>>>(
        self,
        mut work: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let mut failures = 0;
        loop {
            match work().await {
                Err(error) if error.code.is_transient() => {
                    failures += 1;
                    self.pause(failures, &error).await;
                }
                result => return result,
            }
        }
    }
}

/// Locks a mutex. What it protects is consistent even after a panic: each change is complete before the next statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 128 random bits as hex digits.
pub(crate) fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

//! Closes sockets and streams one by one when the server stops, so that their clients do not all reconnect at once.

use std::time::Duration;

use rand::RngExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Tells sockets and streams when to close, and waits until all are closed.
#[derive(Clone, Debug)]
pub struct Drain {
    shutdown: CancellationToken,
    open: TaskTracker,
    spread: Duration,
}

impl Drain {
    /// A drain that starts when `shutdown` is cancelled and spreads the closing over `spread`.
    pub fn new(shutdown: CancellationToken, spread: Duration) -> Self {
        Self { shutdown, open: TaskTracker::new(), spread }
    }

    /// Whether the drain has started. No sockets or streams are opened from then on.
    pub fn has_begun(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// Counts a socket or stream as open until the token is dropped.
    pub(super) fn track(&self) -> TaskTrackerToken {
        self.open.token()
    }

    /// Waits until this socket or stream must close: a random time after the drain has started, within the spread.
    pub(super) async fn wait_for_turn(self) {
        self.shutdown.cancelled().await;
        let share = rand::rng().random_range(0.0..1.0);
        // Boxed, because every socket would otherwise reserve memory for the timer.
        Box::pin(tokio::time::sleep(self.spread.mul_f64(share))).await;
    }

    /// Waits until all sockets and streams are closed.
    pub async fn finished(&self) {
        self.open.close();
        self.open.wait().await;
    }
}

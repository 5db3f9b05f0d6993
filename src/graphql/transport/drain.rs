//! How sockets and streams end when the server stops: not all in one instant, so that their clients do not all come back
//! in one instant either.

use std::time::Duration;

use rand::RngExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Tells sockets and streams when to end, and knows when all have.
#[derive(Clone, Debug)]
pub struct Drain {
    begun: CancellationToken,
    open: TaskTracker,
    spread: Duration,
}

impl Drain {
    /// A drain that begins when `begun` is cancelled and takes at most `spread`.
    pub fn new(begun: CancellationToken, spread: Duration) -> Self {
        Self { begun, open: TaskTracker::new(), spread }
    }

    /// Whether it has begun: nothing new is opened any more.
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Counts a socket or a stream as open, for as long as the token is kept.
    pub(super) fn opened(&self) -> TaskTrackerToken {
        self.open.token()
    }

    /// Waits until this socket or stream shall end: some time after the drain has begun.
    pub(super) async fn turn(self) {
        self.begun.cancelled().await;
        let share = rand::rng().random_range(0.0..1.0);
        tokio::time::sleep(self.spread.mul_f64(share)).await;
    }

    /// Waits until everything that was open has ended.
    pub async fn finished(&self) {
        self.open.close();
        self.open.wait().await;
    }
}

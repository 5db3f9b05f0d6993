//! The number of open streams of one connection, and for how long there has been none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Counts the streams of one connection.
#[derive(Default)]
pub(super) struct OpenStreams {
    count: AtomicUsize,
    /// Notified when the first stream opens and when the last one ends.
    changed: Notify,
}

impl OpenStreams {
    pub(super) fn open(&self) {
        if self.count.fetch_add(1, Ordering::AcqRel) == 0 {
            self.changed.notify_one();
        }
    }

    pub(super) fn end(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.changed.notify_one();
        }
    }

    /// Waits until there has been no stream for this long.
    pub(super) async fn idle_for(&self, duration: Duration) {
        loop {
            // A change between the check and the wait is stored.
            match self.count.load(Ordering::Acquire) {
                0 if timeout(duration, self.changed.notified()).await.is_err() => return,
                0 => {}
                _ => self.changed.notified().await,
            }
        }
    }
}

//! The clock of the embedded store: reads the system clock once, when the store opens, and is monotonic from then on.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::timestamp::Timestamp;

/// Counts from the system time at which the store opened. Changing the system clock while the store is open neither expires
/// rooms early nor makes them live longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    opened: Instant,
    opened_at: Timestamp,
}

impl Clock {
    /// A clock that starts at the current system time.
    pub(super) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { opened: Instant::now(), opened_at: Timestamp::from_millis(0).plus(since_epoch) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.opened_at.plus(self.opened.elapsed())
    }
}

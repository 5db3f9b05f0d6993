//! The clock of the embedded store: set once, at the opening, and steady from then on.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::timestamp::Timestamp;

/// Tells the time from the system's clock as it stood at the opening. Setting that clock forward or back while the
/// store is open neither ends rooms early nor lets them live longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    opened: Instant,
    opened_at: Timestamp,
}

impl Clock {
    pub(super) fn set_now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { opened: Instant::now(), opened_at: Timestamp::from_millis(0).plus(since_epoch) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.opened_at.plus(self.opened.elapsed())
    }
}

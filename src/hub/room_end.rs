//! The time at which a room ends by itself: by the store's clock, and by this process's.

use tokio::time::Instant;

use crate::domain::timestamp::Timestamp;

#[derive(Clone, Copy)]
pub(super) struct RoomEnd {
    pub(super) at: Timestamp,
    pub(super) instant: Instant,
}

impl RoomEnd {
    /// The time by the store's clock.
    pub(super) fn now(self) -> Timestamp {
        let remaining = self.instant.saturating_duration_since(Instant::now()).as_millis();
        Timestamp::from_millis(self.at.as_millis().saturating_sub(remaining.try_into().unwrap_or(u64::MAX)))
    }

    /// A time of the store's clock by this process's, but not later than the end of the room. `None` stands for that end.
    pub(super) fn instant_of(self, time: Option<Timestamp>) -> Instant {
        let earlier = time.map(|time| self.at.since(time)).unwrap_or_default();
        self.instant.checked_sub(earlier).unwrap_or(self.instant)
    }
}

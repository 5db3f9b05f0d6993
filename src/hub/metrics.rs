//! What the hub counts: readers, what they get, and how often and how far they fall back.
//!
//! A delivery costs one addition here. Lag is not measured while a reader waits, which would cost every reader something,
//! but when it turns to the log: how many events it had to catch up on.

use crate::metrics::{Counter, Counters, Gauge, Histogram, Metrics, count_histogram};

/// Why a reader reads the log.
#[derive(Clone, Copy)]
pub(super) enum Reason {
    /// It begins behind events that happened before it came.
    Resume,
    /// An announcement with another number than the next.
    Gap,
    /// It was too slow for its broadcast.
    Lag,
    /// The feed may have lost something.
    Resync,
}

impl Reason {
    const ALL: [Self; 4] = [Self::Resume, Self::Gap, Self::Lag, Self::Resync];

    const fn label(self) -> [(&'static str, &'static str); 1] {
        let reason = match self {
            Self::Resume => "resume",
            Self::Gap => "gap",
            Self::Lag => "lag",
            Self::Resync => "resync",
        };
        [("reason", reason)]
    }
}

pub(super) struct Numbers {
    pub(super) viewers: Gauge,
    /// Rooms with viewers.
    pub(super) rooms: Gauge,
    deliveries: Counters<1>,
    /// Of these, what came while a reader was live.
    pub(super) live: Counter,
    /// And what came out of the log.
    pub(super) replayed: Counter,
    replays: Counters<1>,
    caught_up: Histogram,
}

impl Default for Numbers {
    fn default() -> Self {
        let (deliveries, replays) = (Counters::default(), Counters::default());
        Reason::ALL.iter().for_each(|reason| drop(replays.get_or_create(&reason.label())));
        Self {
            viewers: Gauge::default(),
            rooms: Gauge::default(),
            live: deliveries.get_or_create_owned(&[("from", "live")]),
            replayed: deliveries.get_or_create_owned(&[("from", "log")]),
            deliveries,
            replays,
            caught_up: count_histogram(),
        }
    }
}

impl Numbers {
    pub(super) fn register(&self, metrics: &Metrics) {
        metrics.register("livechat_viewers", "Subscriptions that follow a room here", self.viewers.clone());
        metrics.register("livechat_rooms_watched", "Rooms that somebody follows here", self.rooms.clone());
        let help = "Events handed to subscriptions, as they happened or out of the log";
        metrics.register("livechat_deliveries", help, self.deliveries.clone());
        let help =
            "How often a subscription turned to the log: to resume, or because it missed or may have missed something";
        metrics.register("livechat_replays", help, self.replays.clone());
        let help = "Events that a subscription had to catch up on out of the log before it was live";
        metrics.register("livechat_replay_lag_events", help, self.caught_up.clone());
    }

    pub(super) fn goes_back(&self, reason: Reason) {
        self.replays.get_or_create(&reason.label()).inc();
    }

    pub(super) fn caught_up(&self, events: u32) {
        if events > 0 {
            self.caught_up.observe(events.into());
        }
    }
}

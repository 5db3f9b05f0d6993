//! Metrics of the hub: viewers, deliveries, and how often and how far readers fall back to the log.
//!
//! A delivery costs one addition. Lag is measured only when a reader falls back to the log, as the number of events that it
//! reads there. Measuring it for every delivery would cost more.

use crate::metrics::{Counter, Counters, Gauge, Histogram, Metrics, count_histogram};

/// Why a reader reads the log.
#[derive(Clone, Copy)]
pub(super) enum ReplayReason {
    /// It starts after an event in the past.
    Resume,
    /// A live event had another number than the next.
    Gap,
    /// It was too slow for its broadcast, or a recent change of a message is no longer kept.
    Lag,
    /// The feed may have lost something.
    Resync,
}

impl ReplayReason {
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

pub(super) struct HubMetrics {
    pub(super) viewers: Gauge,
    /// Rooms with viewers.
    pub(super) rooms: Gauge,
    deliveries: Counters<1>,
    /// Deliveries to live readers.
    pub(super) live: Counter,
    /// Deliveries from the log.
    pub(super) replayed: Counter,
    replays: Counters<1>,
    replay_lag: Histogram,
}

impl Default for HubMetrics {
    fn default() -> Self {
        let (deliveries, replays) = (Counters::default(), Counters::default());
        ReplayReason::ALL.iter().for_each(|reason| drop(replays.get_or_create(&reason.label())));
        Self {
            viewers: Gauge::default(),
            rooms: Gauge::default(),
            live: deliveries.get_or_create_owned(&[("from", "live")]),
            replayed: deliveries.get_or_create_owned(&[("from", "log")]),
            deliveries,
            replays,
            replay_lag: count_histogram(),
        }
    }
}

impl HubMetrics {
    pub(super) fn register(&self, metrics: &Metrics) {
        metrics.register("livechat_viewers", "Open subscriptions of rooms on this node", self.viewers.clone());
        metrics.register("livechat_rooms_watched", "Rooms with open subscriptions on this node", self.rooms.clone());
        let help = "Events delivered to subscriptions, live or from the log";
        metrics.register("livechat_deliveries", help, self.deliveries.clone());
        let help = "How often a subscription fell back to the log: to resume, or because it may have missed an event";
        metrics.register("livechat_replays", help, self.replays.clone());
        let help = "Events that a subscription had to read from the log before it was live again";
        metrics.register("livechat_replay_lag_events", help, self.replay_lag.clone());
    }

    pub(super) fn record_replay(&self, reason: ReplayReason) {
        self.replays.get_or_create(&reason.label()).inc();
    }

    pub(super) fn record_catch_up(&self, events: u32) {
        if events > 0 {
            self.replay_lag.observe(events.into());
        }
    }
}

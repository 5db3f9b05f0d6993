//! Metrics of the hub: viewers, present users, deliveries, and how often and how far readers fall back to the log.
//!
//! A delivery costs one addition. Lag is measured only when a reader falls back to the log, as the number of events that it
//! reads there. Measuring it for every delivery would cost more.

use crate::domain::presence::PresenceUpdateKind;
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

/// Kinds of updates of presence.
const SNAPSHOT: &str = "snapshot";
const CHANGE: &str = "change";
const TYPING: &str = "typing";
const PRESENCE_UPDATES: [&str; 3] = [SNAPSHOT, CHANGE, TYPING];

pub(super) struct HubMetrics {
    pub(super) viewers: Gauge,
    /// Rooms with viewers.
    pub(super) rooms: Gauge,
    /// Subscriptions of presence.
    pub(super) presence_readers: Gauge,
    /// Users who are present through them.
    pub(super) users_present: Gauge,
    presence_updates: Counters<1>,
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
        let [deliveries, replays, presence_updates]: [Counters<1>; 3] = Default::default();
        ReplayReason::ALL.iter().for_each(|reason| drop(replays.get_or_create(&reason.label())));
        PRESENCE_UPDATES.iter().for_each(|kind| drop(presence_updates.get_or_create(&[("kind", kind)])));
        Self {
            viewers: Gauge::default(),
            rooms: Gauge::default(),
            presence_readers: Gauge::default(),
            users_present: Gauge::default(),
            presence_updates,
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
        let help = "Open subscriptions of presence on this node";
        metrics.register("livechat_presence_readers", help, self.presence_readers.clone());
        let help = "Users who are present in rooms through this node, including those who have just left";
        metrics.register("livechat_users_present", help, self.users_present.clone());
        let help = "Updates delivered to subscriptions of presence, by kind";
        metrics.register("livechat_presence_updates", help, self.presence_updates.clone());
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

    pub(super) fn record_presence_update(&self, update: &PresenceUpdateKind) {
        let kind = match update {
            PresenceUpdateKind::Snapshot(_) => SNAPSHOT,
            PresenceUpdateKind::Changed(_) => CHANGE,
            PresenceUpdateKind::Typing(_) => TYPING,
        };
        self.presence_updates.get_or_create(&[("kind", kind)]).inc();
    }

    pub(super) fn record_catch_up(&self, events: u32) {
        if events > 0 {
            self.replay_lag.observe(events.into());
        }
    }
}

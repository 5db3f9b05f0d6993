//! The part of a room's log that a reader holds in memory.

use std::sync::Arc;

use crate::domain::event::Event;
use crate::domain::message::Message;
use crate::hub::recent_changes::AsOf;

/// Maximum number of log entries that a reader reads at once.
pub(super) const LOG_PAGE: u32 = 100;

/// Maximum bytes of messages that a reader keeps of a page. It holds them in memory as long as its client reads nothing.
const LOG_PAGE_BYTES: usize = 32 * 1024;

/// Events that were read together, oldest first.
pub(super) struct LogPage {
    pub(super) events: std::vec::IntoIter<Arc<Event>>,
    /// How many entries to read next; `None` at the end of the log.
    pub(super) next_limit: Option<u32>,
    /// The changes that the page shows.
    pub(super) as_of: AsOf,
    /// Events that the reader has taken from the log since it was last live.
    pub(super) replayed: u32,
}

impl LogPage {
    /// Holds nothing; the next page is read from the reader's position.
    pub(super) fn unread() -> Self {
        Self { events: Vec::new().into_iter(), next_limit: Some(LOG_PAGE), as_of: AsOf::default(), replayed: 0 }
    }

    /// Keeps as many of `events` as a reader may hold; at most `limit` of them were requested. The rest is read again later, so
    /// the next request is for hardly more than were kept.
    pub(super) fn new(events: Vec<Event>, limit: u32, as_of: AsOf) -> Self {
        let (mut bytes, mut kept) = (0, 0);
        for event in &events {
            bytes += event.message().map_or(0, Message::size);
            if bytes > LOG_PAGE_BYTES && kept > 0 {
                break;
            }
            kept += 1;
        }
        let is_last = events.len() < limit as usize && kept as usize == events.len();
        let mut events: Vec<_> = events.into_iter().take(kept as usize).map(Arc::new).collect();
        // It may have the memory of the events themselves.
        events.shrink_to_fit();
        let next_limit = (!is_last).then(|| (kept + kept / 8 + 1).min(LOG_PAGE));
        Self { events: events.into_iter(), next_limit, as_of, replayed: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.as_slice().is_empty()
    }
}

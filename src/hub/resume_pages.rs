//! A cache of the pages of logs with which readers resumed. When a server restarts, the readers of a room return together, most of
//! them with the same position.
//!
//! A page is valid as long as no message of its room has changed, which the state of the room shows.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::domain::event::Event;
use crate::domain::message::Message;
use crate::domain::position::Position;
use crate::domain::room::RoomId;
use crate::hub::log_page::LogPage;
use crate::hub::recent_changes::AsOf;
use crate::store::{RoomState, RoomVersion};

/// Size of the cache, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Expected number of pages in the cache.
const CACHE_ENTRIES: usize = 1024;

pub(super) struct ResumePages(Cache<Key, Page, Weight>);

/// A room, and the position after which the page starts.
type Key = (RoomId, Position);

/// A page as it was in one version of its room.
#[derive(Clone)]
struct Page {
    version: RoomVersion,
    events: Arc<[Arc<Event>]>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Page> for Weight {
    fn weight(&self, _: &Key, page: &Page) -> u64 {
        let size = |event: &Arc<Event>| size_of::<Event>() + event.message().map_or(0, Message::size);
        (size_of::<Key>() + size_of::<Page>() + page.events.iter().map(size).sum::<usize>()) as u64
    }
}

impl ResumePages {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight))
    }

    /// The page after the position `after`, if it is known for this state of the room. The page shows what the state shows, so the
    /// changes up to `as_of` if the state does.
    pub(super) fn find(&self, state: &RoomState, after: Position, as_of: AsOf) -> Option<LogPage> {
        let page = self.0.get(&(state.room.id, after)).filter(|page| page.version == state.version())?;
        let events = page.events.to_vec();
        Some(LogPage { events: events.into_iter(), next_limit: None, as_of, replayed: 0 })
    }

    /// Keeps a page that was read after `state` was, if it ends where the log ended then. Otherwise it may show a later change, which
    /// a failover can undo.
    pub(super) fn remember(&self, state: &RoomState, after: Position, page: &LogPage) {
        let events = page.events.as_slice();
        let is_up_to_date = page.next_limit.is_none() && events.last().is_some_and(|last| last.position == state.head);
        if is_up_to_date {
            self.0.insert((state.room.id, after), Page { version: state.version(), events: Arc::from(events) });
        }
    }
}

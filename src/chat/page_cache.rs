//! A cache of pages of messages. A page is valid as long as the log of its room ends at the same position, which a small read
//! of the room's state shows.
//!
//! A page is cached only when it is read again without a change in between. In a room that changes all the time, a cached page
//! would only add the read of the state.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::domain::message::Message;
use crate::domain::page::Window;
use crate::domain::room::RoomId;
use crate::store::RoomVersion;

/// Size of the cache, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Expected number of pages in the cache.
const CACHE_ENTRIES: usize = 4 * 1024;

#[derive(Clone)]
pub(super) struct PageCache(Arc<Cache<Key, Page, Weight>>);

type Key = (RoomId, Window);

/// A page as it was in one version of its room.
#[derive(Clone)]
struct Page {
    version: RoomVersion,
    /// `None` if the page was read only once since the room changed.
    messages: Option<Arc<Vec<Message>>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Page> for Weight {
    fn weight(&self, _: &Key, page: &Page) -> u64 {
        let messages = page.messages.iter().flat_map(|messages| messages.iter());
        (size_of::<Key>() + size_of::<Page>() + messages.map(Message::size).sum::<usize>()) as u64
    }
}

impl PageCache {
    pub(super) fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight)))
    }

    /// A cached page, and the version of its room.
    pub(super) fn find(&self, room: RoomId, window: Window) -> Option<(RoomVersion, Arc<Vec<Message>>)> {
        let Page { version, messages } = self.0.get(&(room, window))?;
        Some((version, messages?))
    }

    /// Remembers a page of a version of its room. If the room has changed since the last read of the page, keeps the version but not
    /// the messages.
    pub(super) fn remember(&self, room: RoomId, window: Window, version: RoomVersion, messages: &Arc<Vec<Message>>) {
        let is_unchanged = self.0.peek(&(room, window)).is_some_and(|known| known.version == version);
        let messages = is_unchanged.then(|| Arc::clone(messages));
        self.0.insert((room, window), Page { version, messages });
    }
}
